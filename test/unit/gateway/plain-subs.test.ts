/** `sub` as most clients write it, which is answered without being parsed: it means the same. */

import t from 'tap';
import { makeHarness, type Harness, type Peer } from '../../support/gateway-harness.js';

const PLAIN = '{"op":"sub","id":7,"channel":"room"}';

/** As JSON it is the same, but it is not written as clients do. */
const spaced = (line: string): string => line.replace('{', '{ ');

async function withRoom(harness: Harness, messages: number): Promise<Peer> {
  const peer = await harness.connect();
  await peer.ask({ op: 'sub', id: 1, channel: 'room' });
  await publish(harness, messages);
  peer.client.take();
  return peer;
}

async function publish(harness: Harness, messages: number): Promise<void> {
  const peer = await harness.connect();
  for (let i = 0; i < messages; i += 1) await peer.ask({ op: 'pub', id: i, channel: 'room', key: `${peer.row} ${i}` }, 'x');
}

t.test('is answered, live and stored like one that is parsed', async (t) => {
  const harness = await makeHarness();
  await withRoom(harness, 12);
  const [plain, parsed] = [await harness.connect(), await harness.connect()];
  const [first] = await plain.ask(PLAIN);
  t.match(first, { op: 'ok', id: 7, server_seq: 12, epoch: String });
  t.same(await parsed.ask(spaced(PLAIN)), [first]);
  const cursors = [plain, parsed].map(({ welcome }) => harness.store.records.get(String(welcome['session']))?.cursors);
  t.match(cursors[0], [{ channel: 'room', seq: 12, epoch: first?.['epoch'], subscribed: true, told: false }]);
  t.same(cursors[1], cursors[0]);
  t.match(await plain.ask(PLAIN), [first], 'a second time');
  await publish(harness, 2);
  for (const peer of [plain, parsed]) {
    t.same(peer.client.take().map(({ server_seq }) => server_seq), [13, 14], 'live, once');
    harness.port.disconnect(peer.row);
    await harness.settle();
    const back = await harness.connect({ resume: peer.welcome['resume'] });
    t.match(back.welcome, { resumed: true, channels: { room: { seq: 14, epoch: first?.['epoch'] } } }, 'a resumed session has it');
  }
});

t.test('whatever is almost one means what its JSON does', async (t) => {
  const ids = [
    '0', '999999999999999', '9007199254740991', '9007199254740992', '9007199254740993', '99999999999999999999',
    '01', '', '1.5', '-1', '1e3', '"1"', ' 1',
  ];
  const names = ['other', '', 'räume', 'closed', 'ro\\u006fm', 'room","channel":"other', 'r'.repeat(255), 'r'.repeat(256)];
  const lines = [
    ...ids.map((id) => `{"op":"sub","id":${id},"channel":"room"}`),
    ...names.map((name) => `{"op":"sub","id":1,"channel":"${name}"}`),
    '{"op":"sub","id":1,"channel":"room","since":{"seq":0}}',
    '{"op":"sub","id":1,"channel":"room"', '{"op":"sub","id":1,"channel":"room"}}',
    '{"op":"sub","id":1,"channel":"room"} ', '{"op":"sub"}', '{"op":"su', '{"op":"seen","channel":"room","seq":1}',
    '{"op":"sub","id":1,"channel":5}', '{"op":"sub","id":1,"room":"channel"}',
  ];
  for (const line of lines) {
    const harness = await makeHarness({ auth: { anonymousRead: ['room', 'other', 'r*'] } });
    await withRoom(harness, 3);
    const answers: unknown[] = [];
    // As they are written: parsed, an id of too many digits is another number, and like the one that it was taken for.
    const say = async (peer: Peer, text: string): Promise<readonly string[]> => {
      peer.send(text);
      await harness.settle();
      return peer.client.received.splice(0).map((each) => each.line);
    };
    for (const text of [line, spaced(line)]) {
      const peer = await harness.connect();
      const said = await say(peer, text);
      answers.push({ said, closed: peer.client.closed, live: peer.client.subscribed.size });
    }
    // Taken along with the `hello`: an answer, or none and an end.
    const early = await harness.connect(null);
    early.send('{"op":"hello"}');
    const [, ...said] = await say(early, line);
    answers.push({ said, closed: early.client.closed, live: early.client.subscribed.size });
    t.same(answers[0], answers[1], line);
    t.same(answers[2], answers[1], `${line} right behind hello`);
  }
});

t.test('bytes that stand behind a message are not part of it', async (t) => {
  const harness = await makeHarness();
  await withRoom(harness, 1);
  for (let length = 1; length < PLAIN.length; length += 1) {
    const [peer, other] = [await harness.connect(), await harness.connect()];
    // The port puts them into memory one behind the other.
    peer.send(PLAIN.slice(0, length));
    other.send(PLAIN.slice(length));
    await harness.settle();
    t.match(peer.client.closed, { code: 1002 }, `cut at ${length}`);
    t.same(peer.client.take(), []);
  }
});

t.test('with a body, which says nothing', async (t) => {
  const harness = await makeHarness();
  await withRoom(harness, 1);
  const peer = await harness.connect();
  t.match(await peer.ask(PLAIN, 'body'), [{ op: 'ok', id: 7, server_seq: 1 }]);
});

t.test('too many channels', async (t) => {
  const harness = await makeHarness({ limits: { channelsPerSession: 1 } });
  await withRoom(harness, 0);
  const peer = await harness.connect();
  await peer.ask({ op: 'sub', id: 1, channel: 'other' });
  t.match(await peer.ask(PLAIN), [{ op: 'err', id: 7, name: 'too_many_channels' }]);
});

t.test('a channel that has left memory meanwhile is opened anew', async (t) => {
  const harness = await makeHarness({ log: { channelIdleMs: 1000 } });
  const first = await withRoom(harness, 1);
  t.match(await (await harness.connect()).ask(PLAIN), [{ op: 'ok', server_seq: 1 }]);
  harness.gateway.start();
  for (const row of harness.port.clients.keys()) harness.port.disconnect(row);
  await harness.settle();
  harness.pass(3000);
  for (const end = Date.now() + 30_000; harness.gateway.admin.stats().channels > 0 && Date.now() < end; ) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  t.equal(harness.gateway.admin.stats().channels, 0);
  t.notOk(first.client.closed);
  await publish(harness, 2);
  t.match(await (await harness.connect()).ask(PLAIN), [{ op: 'ok', server_seq: 3 }]);
  await harness.gateway.stop();
});

t.test('each of very many channels is found by its name', async (t) => {
  const CHANNELS = 2200;
  const harness = await makeHarness({ limits: { channelsPerSession: 10_000 } });
  const [first, second] = [await harness.connect(), await harness.connect()];
  const lines = Array.from({ length: CHANNELS }, (_, i) => `{"op":"sub","id":${i},"channel":"ch-${i * 7919}"}`);
  const say = async (peer: Peer, write: (line: string) => string): Promise<unknown[]> => {
    for (const line of lines) peer.send(write(line));
    await harness.settle();
    return peer.client.take();
  };
  const expected = await say(first, spaced);
  t.equal(new Set(expected.map((answer) => (answer as { epoch: string }).epoch)).size, CHANNELS);
  t.same(await say(second, (line) => line), expected);
  t.same(await say(second, (line) => line), expected, 'again, from what is kept of their names');
  t.same([...second.client.subscribed], [...first.client.subscribed]);
});
