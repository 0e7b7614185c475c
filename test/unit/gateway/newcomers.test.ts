/** New sessions that are begun together. */

import t from 'tap';
import { StoreError } from '../../../src/errors.js';
import { until } from '../../support/wait.js';
import { makeHarness, type Harness, type Peer } from '../../support/gateway-harness.js';

async function connectMany(harness: Harness, count: number): Promise<Peer[]> {
  const peers: Peer[] = [];
  for (let i = 0; i < count; i += 1) peers.push(await harness.connect(null));
  return peers;
}

const answers = (peer: Peer): unknown[] => peer.client.take().map(({ op, id }) => (id === undefined ? op : `${String(op)} ${String(id)}`));

t.test('each has a session and a token of its own, which goes on with it', async (t) => {
  const harness = await makeHarness({}, { rows: 700 });
  // More than are begun at once.
  const peers = await connectMany(harness, 600);
  for (const peer of peers) peer.send('{"op":"hello"}');
  await harness.settle();
  const welcomes = peers.map(({ client }) => client.take()[0] ?? {});
  const [alone] = await (await harness.connect(null)).ask({ op: 'hello', device: 'phone' });
  t.equal(new Set(welcomes.map(({ session }) => session)).size, peers.length);
  t.equal(new Set(welcomes.map(({ resume }) => resume)).size, peers.length);
  for (const [i, welcome] of welcomes.entries()) {
    if (i % 97 !== 0) continue;
    t.same({ ...welcome, session: '', resume: '' }, { ...alone, session: '', resume: '' }, 'as one that comes alone gets');
  }
  t.ok(peers.every(({ client }) => client.admitted));
  t.equal(harness.gateway.admin.stats().sessions, peers.length + 1);
  for (const at of [0, 255, 256, 599]) {
    const peer = peers[at] as Peer;
    harness.port.disconnect(peer.row);
    await harness.settle();
    const again = await harness.connect({ resume: welcomes[at]?.['resume'] });
    t.match(again.welcome, { resumed: true, session: welcomes[at]?.['session'] });
  }
});

const SUB = '{"op":"sub","id":1,"channel":"room"}';

t.test('a sub right behind a hello is answered with the welcome, nobody is held up for it, and the session has it', async (t) => {
  const harness = await makeHarness({}, { rows: 400 });
  await (await harness.connect()).ask(SUB);
  // More than are begun at once.
  const peers = await connectMany(harness, 300);
  for (const [i, peer] of peers.entries()) {
    peer.send('{"op":"hello"}');
    if (i % 3 !== 0) peer.send(SUB);
  }
  harness.port.deliver();
  t.notOk(peers.some(({ client }) => client.paused));
  await harness.settle();
  const welcomes = new Map<Peer, unknown>();
  for (const [i, peer] of peers.entries()) {
    const [welcome, ok, ...others] = peer.client.take();
    welcomes.set(peer, welcome?.['resume']);
    t.equal(welcome?.['op'], 'welcome');
    t.match(ok, i % 3 === 0 ? undefined : { op: 'ok', id: 1, server_seq: 0 });
    t.same(others, []);
  }
  await (await harness.connect()).ask({ op: 'pub', id: 1, channel: 'room', key: 'k' }, 'x');
  for (const [i, peer] of peers.entries()) t.equal(peer.client.take().length, i % 3 === 0 ? 0 : 1, 'live, once');
  const [peer] = peers.slice(-1) as [Peer];
  harness.port.disconnect(peer.row);
  await harness.settle();
  t.match((await harness.connect({ resume: welcomes.get(peer) })).welcome, { resumed: true, channels: { room: { seq: 1 } } });
});

t.test('each of those that begin together gets the channel that it asks for, known before or not', async (t) => {
  const ROOMS = 40;
  const harness = await makeHarness({ limits: { publishRate: 0 } }, { rows: 400 });
  const first = await harness.connect();
  const room = (i: number): string => `room-${i % ROOMS}`;
  for (let i = 0; i < ROOMS; i += 1) await first.ask({ op: 'sub', id: i, channel: room(i) });
  // The second time their names are known, but for those that nobody has asked for yet.
  for (const asked of [ROOMS / 2, ROOMS, ROOMS + 10]) {
    const peers = await connectMany(harness, 100);
    for (const [i, peer] of peers.entries()) {
      peer.send('{"op":"hello"}');
      peer.send(SUB.replace('room', i % asked < ROOMS ? room(i % asked) : `new-${i}`));
    }
    await harness.settle();
    for (const peer of peers) t.match(peer.client.take(), [{ op: 'welcome' }, { op: 'ok', id: 1 }]);
    for (let i = 0; i < ROOMS; i += 1) await first.ask({ op: 'pub', id: i, channel: room(i), key: `${asked} ${i}` }, 'x');
    for (const [i, peer] of peers.entries()) {
      const heard = peer.client.take().map(({ channel }) => channel);
      t.same(heard, i % asked < ROOMS ? [room(i % asked)] : [], `${asked}: ${i}`);
      harness.port.disconnect(peer.row);
    }
    await harness.settle();
    first.client.take();
  }
});

t.test('a session is stored with the channel that it asks for behind its hello', async (t) => {
  const harness = await makeHarness({ auth: { anonymousRead: ['room', 'hall'] } });
  const publisher = await harness.connect();
  for (const [id, channel] of ['room', 'hall'].entries()) await publisher.ask({ op: 'sub', id, channel });
  const pub = (key: string): unknown => publisher.ask({ op: 'pub', id: 9, channel: 'room', key }, key);
  await pub('before');
  const before = harness.store.records.size;
  const steps: string[] = [];
  let store: () => void = () => undefined;
  harness.store.before = (step) => {
    steps.push(step);
    return step === 'create' ? new Promise((resolve) => (store = resolve)) : undefined;
  };
  const begin = async (sub: string, meanwhile: () => unknown): Promise<{ peer: Peer; said: unknown[]; cursors: unknown }> => {
    const [peer] = (await connectMany(harness, 1)) as [Peer];
    peer.send('{"op":"hello"}');
    peer.send(sub);
    await harness.settle();
    await meanwhile();
    store();
    await harness.settle();
    return { peer, said: peer.client.take().slice(1), cursors: [...harness.store.records.values()].at(-1)?.cursors };
  };

  const usual = await begin(SUB, () => undefined);
  t.match(usual.said, [{ op: 'ok', id: 1, server_seq: 1 }]);
  t.match(usual.cursors, [{ channel: 'room', seq: 1, subscribed: true, told: false }]);
  t.same(steps.splice(0), ['create'], 'there is nothing more to store');

  const moved = await begin(SUB, () => pub('meanwhile'));
  t.match(moved.said, [{ op: 'ok', id: 1, server_seq: 2 }], 'it gets what comes from now on');
  t.match(moved.cursors, [{ channel: 'room', seq: 2, subscribed: true }], 'and so it would behind a restart');
  await pub('after');
  for (const { peer } of [usual, moved]) t.match(peer.client.take().at(-1), { op: 'msg', server_seq: 3 });

  const denied = await begin(SUB.replace('room', 'other'), () => undefined);
  t.match(denied.said, [{ op: 'err', id: 1, name: 'not_authorised' }]);
  t.same(denied.cursors, []);
  const unread = await begin(SUB.replace('room', 'hall'), () => undefined);
  t.match(unread.said, [{ op: 'ok', id: 1, server_seq: 0 }]);
  t.match(unread.cursors, [{ channel: 'hall', seq: 0 }]);
  t.equal(harness.store.records.size, before + 4);
});

t.test('sessions are stored with channels that nobody has asked for before', async (t) => {
  const harness = await makeHarness({ auth: { anonymousRead: ['room-*'] } }, { rows: 400 });
  const steps: string[] = [];
  harness.store.before = (step) => void steps.push(step);
  const peers = await connectMany(harness, 300);
  const say = (channel: (i: number) => string): void => {
    for (const [i, peer] of peers.entries()) {
      peer.send('{"op":"hello"}');
      peer.send(SUB.replace('room', channel(i)));
    }
  };
  say((i) => (i === 7 ? 'other' : `room-${i}`));
  await harness.settle();
  for (const [i, peer] of peers.entries()) {
    const ok = { op: 'ok', id: 1, server_seq: 0 };
    t.match(peer.client.take(), [{ op: 'welcome' }, i === 7 ? { op: 'err', id: 1, name: 'not_authorised' } : ok]);
  }
  t.same([...new Set(steps)], ['create'], 'there is nothing more to store');
  t.equal(harness.log.findChannel('other'), null, 'what may not be read is not made');
  const cursors = [...harness.store.records.values()].map((record) => record.cursors.map(({ channel }) => channel));
  t.same(cursors, peers.map((_, i) => (i === 7 ? [] : [`room-${i}`])));
  const publisher = await harness.connect();
  for (const i of [0, 299]) await publisher.ask({ op: 'pub', id: i, channel: `room-${i}`, key: `${i}` }, 'x');
  for (const [i, peer] of peers.entries()) t.equal(peer.client.take().length, i === 0 || i === 299 ? 1 : 0, 'live, once');
});

t.test('a channel that cannot be made costs nobody the session', async (t) => {
  const harness = await makeHarness();
  const [peer] = (await connectMany(harness, 1)) as [Peer];
  harness.log.openFailure = new StoreError('the disk is gone', false);
  peer.send('{"op":"hello"}');
  peer.send(SUB);
  await harness.settle();
  t.match(peer.client.take(), [{ op: 'welcome' }, { op: 'err', id: 1 }]);
  t.equal(peer.client.closed, null);
  harness.log.openFailure = null;
  t.match(await peer.ask(SUB), [{ op: 'ok', id: 1, server_seq: 0 }]);
});

t.test('a session that was stored with a channel that it cannot join any more joins it the long way, or is stored without', async (t) => {
  const harness = await makeHarness({ log: { channelIdleMs: 1000 } });
  harness.gateway.start();
  const publisher = await harness.connect();
  const room = { id: 1, channel: 'room' };
  await publisher.ask({ op: 'pub', key: 'k', ...room }, 'before');
  let store: () => void = () => undefined;
  harness.store.before = (step) => (step === 'create' ? new Promise((resolve) => (store = resolve)) : undefined);
  /** The channel leaves memory while the session is on its way to the store. */
  const begin = async (meanwhile: () => void): Promise<{ peer: Peer; welcome: Record<string, unknown>; said: unknown[] }> => {
    await publisher.ask({ op: 'sub', ...room });
    await publisher.ask({ op: 'unsub', ...room });
    const [peer] = (await connectMany(harness, 1)) as [Peer];
    peer.send('{"op":"hello"}');
    peer.send(SUB);
    await harness.settle();
    harness.pass(1100);
    await until('the channel is not in use', () => harness.gateway.admin.stats().channels === 0);
    meanwhile();
    store();
    await harness.settle();
    const [welcome = {}, ...said] = peer.client.take();
    t.equal(welcome['op'], 'welcome');
    return { peer, welcome, said };
  };
  const cursors = (): unknown => [...harness.store.records.values()].at(-1)?.cursors;

  const anew = await begin(() => undefined);
  t.match(anew.said, [{ op: 'ok', id: 1, server_seq: 1 }]);
  await until('it is stored', () => JSON.stringify(cursors()).includes('"subscribed":true'));
  t.match(cursors(), [{ channel: 'room', seq: 1, subscribed: true }]);
  t.match(await publisher.ask({ op: 'pub', key: 'l', ...room }, 'after'), [{ op: 'ok' }]);
  t.match(anew.peer.client.take(), [{ op: 'msg', server_seq: 2 }], 'live, once');
  await anew.peer.ask({ op: 'unsub', ...room });

  const failed = await begin(() => { harness.log.openFailure = new StoreError('the disk is gone', false); });
  t.match(failed.said, [{ op: 'err', id: 1 }]);
  await until('it is stored', () => JSON.stringify(cursors()).includes('"subscribed":false'));
  harness.log.openFailure = null;
  harness.port.disconnect(failed.peer.row);
  await harness.settle();
  const again = await harness.connect({ resume: failed.welcome['resume'] });
  t.match(again.welcome, { resumed: true, session: failed.welcome['session'] });
  await publisher.ask({ op: 'pub', key: 'm', ...room }, 'for nobody');
  t.same(again.client.take(), [], 'it has not become a subscriber behind its client\'s back');
});

t.test('whatever comes behind a hello is answered in order, taken along or not, and without createMany', async (t) => {
  const long = JSON.stringify({ op: 'sub', id: 2, channel: 'r'.repeat(200) });
  const rounds: readonly (readonly string[])[] = [
    [SUB, long, SUB.replace('1', '3')],
    [long, SUB, SUB.replace('1', '3')],
    [SUB, '{"op":"presence","id":2,"channel":"room"}'],
    [SUB.replace('room', 'r'.repeat(60)), SUB.replace('1', '2')],
    ['{"op":"sub","id":1}', SUB.replace('1', '2')],
  ];
  for (const isAlone of [false, true]) {
    const harness = await makeHarness();
    if (isAlone) Object.assign(harness.store, { createMany: () => null });
    for (const round of rounds) {
      const [peer, other] = (await connectMany(harness, 2)) as [Peer, Peer];
      for (const line of ['{"op":"hello"}', ...round]) peer.send(line);
      other.send('{"op":"hello"}');
      await harness.settle();
      const ids = round.map((line) => (JSON.parse(line) as { id: number }).id);
      const said = peer.client.take();
      t.same(said.map(({ id }) => id), [undefined, ...ids], round.join(' '));
      t.same(answers(other), ['welcome']);
      t.notOk(peer.client.paused);
      t.equal(peer.client.closed, null);
    }
  }
});

t.test('what follows a hello comes after its welcome, in order', async (t) => {
  const harness = await makeHarness();
  const peers = await connectMany(harness, 3);
  for (const peer of peers) {
    peer.send('{"op":"hello"}');
    peer.send({ op: 'sub', id: 1, channel: 'room' });
    peer.send('{"op":"hello","id":2}');
  }
  harness.port.deliver();
  t.ok(peers.every(({ client }) => client.paused), 'no more is received meanwhile');
  await harness.settle();
  for (const peer of peers) t.same(answers(peer), ['welcome', 'ok 1', 'err 2']);
  t.notOk(peers.some(({ client }) => client.paused));
});

t.test('who is gone again within the turn costs no session, and who goes later leaves one that can expire', async (t) => {
  const harness = await makeHarness();
  const [early, late, stays] = (await connectMany(harness, 3)) as [Peer, Peer, Peer];
  let store: () => void = () => undefined;
  harness.store.before = (step) => (step === 'create' ? new Promise((resolve) => (store = resolve)) : undefined);
  early.send('{"op":"hello"}');
  harness.port.disconnect(early.row);
  late.send('{"op":"hello"}');
  late.send(SUB);
  stays.send('{"op":"hello"}');
  stays.send(SUB.replace('room', 'hall'));
  harness.port.deliver();
  harness.port.disconnect(late.row);
  harness.port.deliver();
  const next = await harness.connect(null);
  t.ok([early.row, late.row].includes(next.row), 'another one has the row');
  store();
  await harness.settle();
  t.same(answers(stays), ['welcome', 'ok 1'], 'what it said itself');
  t.equal((await stays.ask('{"op":"presence","id":2,"channel":"hall"}'))[0]?.['count'], 1);
  t.same(next.client.take(), []);
  const records = [...harness.store.records.values()];
  t.equal(records.length, 2, 'none for who was gone at once');
  t.equal(records.filter(({ owner }) => owner === null).length, 1, 'and one that nobody is connected to');
});

t.test('a store that fails closes all of them with 1013, and one that answers too late has them given back', async (t) => {
  const harness = await makeHarness({ session: { storeTimeoutMs: 1000 } });
  const some = await connectMany(harness, 2);
  harness.store.before = () => Promise.reject(new StoreError('the disk is full', true));
  for (const peer of some) peer.send('{"op":"hello"}');
  await harness.settle();
  for (const peer of some) t.equal(peer.client.closed?.code, 1013);
  const others = await connectMany(harness, 2);
  let store: () => void = () => undefined;
  harness.store.before = (step) => (step === 'create' ? new Promise((resolve) => (store = resolve)) : undefined);
  for (const peer of others) peer.send('{"op":"hello"}');
  harness.port.deliver();
  while (others.some(({ client }) => client.closed === null)) await new Promise((resolve) => setTimeout(resolve, 20));
  for (const peer of others) t.equal(peer.client.closed?.code, 1013);
  harness.store.before = () => undefined;
  store();
  await harness.settle();
  t.same([...harness.store.records.values()].map(({ owner }) => owner), [null, null], 'nobody is connected to them');
});
