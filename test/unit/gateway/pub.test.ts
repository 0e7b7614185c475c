import t from 'tap';
import { StoreError } from '../../../src/errors.js';
import { makeHarness, START } from '../../support/gateway-harness.js';

t.test('ok comes when the message is durable, and says where it is', async (t) => {
  const { connect, log, port, settle } = await makeHarness();
  const reader = await connect();
  await reader.ask({ op: 'sub', id: 1, channel: 'room' });
  const peer = await connect();
  log.held = true;
  const before = port.confirmed;
  t.same(await peer.ask({ op: 'pub', id: 7, channel: 'room', key: 'k1', client_ts: 5, lamport: 41 }, 'body\nwith newline'), []);
  t.same(reader.client.take(), [], 'nor is it delivered');
  t.equal(port.confirmed, before, 'nor are its bytes given back');
  log.commit();
  await settle();
  const ok = peer.client.one();
  t.match(ok, { op: 'ok', id: 7, msg_id: /^\d+$/, server_seq: 1, server_ts: START, lamport: 42 });
  t.notOk(Object.hasOwn(ok, 'duplicate'));
  const [message] = reader.client.received;
  t.match(
    message?.header,
    { op: 'msg', channel: 'room', id: ok['msg_id'], server_seq: 1, client_ts: 5, server_ts: START, lamport: 42, from: /^anon-/ },
  );
  t.equal(message?.body.toString(), 'body\nwith newline');
  t.ok(port.confirmed > before);
});

t.test('deliveries keep the publisher\'s kind; a message without a newline has an empty body', async (t) => {
  const { connect, settle } = await makeHarness();
  const peer = await connect();
  await peer.ask({ op: 'sub', id: 1, channel: 'room' });
  const bytes = Uint8Array.of(0, 10, 255);
  peer.send({ op: 'pub', id: 1, channel: 'room', key: 'a' }, 'text');
  peer.send({ op: 'pub', id: 2, channel: 'room', key: 'b' }, bytes);
  peer.send({ op: 'pub', id: 3, channel: 'room', key: 'c' });
  peer.send({ op: 'pub', id: 4, channel: 'room', key: 'd' }, '');
  await settle();
  const deliveries = peer.client.received.filter(({ header }) => header['op'] === 'msg');
  t.same(deliveries.map(({ text }) => text), [true, false, true, true]);
  t.same(deliveries.map(({ body }) => body), [Buffer.from('text'), Buffer.from(bytes), Buffer.alloc(0), Buffer.alloc(0)]);
});

t.test('a duplicate key is answered with the first result, also with another body', async (t) => {
  const { connect } = await makeHarness();
  const reader = await connect();
  await reader.ask({ op: 'sub', id: 1, channel: 'room' });
  const peer = await connect();
  const [first] = await peer.ask({ op: 'pub', id: 1, channel: 'room', key: 'k' }, 'one');
  const [second] = await peer.ask({ op: 'pub', id: 2, channel: 'room', key: 'k' }, 'two');
  t.same(second, { ...first, id: 2, duplicate: true });
  t.match(
    await peer.ask({ op: 'pub', id: 3, channel: 'hall', key: 'k' }, 'x'),
    [{ server_seq: 1 }],
    'in another channel it is no duplicate',
  );
  t.equal(reader.client.received.length, 1);
  peer.send({ op: 'pub', id: 4, channel: 'room', key: 'n' }, 'x');
  t.match(
    await peer.ask({ op: 'pub', id: 5, channel: 'room', key: 'n' }, 'y'),
    [{ id: 4, server_seq: 2 }, { id: 5, server_seq: 2, duplicate: true }],
    'while under way',
  );
});

t.test('publishing needs no subscription, and delivers to the publisher only with one', async (t) => {
  const { connect } = await makeHarness();
  const peer = await connect();
  t.match(await peer.ask({ op: 'pub', id: 1, channel: 'room', key: 'a' }), [{ op: 'ok' }]);
  await peer.ask({ op: 'sub', id: 2, channel: 'room' });
  const answers = await peer.ask({ op: 'pub', id: 3, channel: 'room', key: 'b' });
  t.match(answers, [{ op: 'msg', server_seq: 2 }, { op: 'ok', id: 3 }]);
});

t.test('key and channel at their longest', async (t) => {
  const { connect } = await makeHarness();
  const peer = await connect();
  const header = { op: 'pub', id: 1, channel: 'ü'.repeat(127), key: '漢'.repeat(128) };
  t.match(await peer.ask(header, 'x'), [{ op: 'ok', server_seq: 1 }]);
  t.match(await peer.ask({ ...header, id: 2 }, 'x'), [{ duplicate: true }]);
});

t.test('a result never reaches another connection', async (t) => {
  const { connect, log, port, settle } = await makeHarness();
  const peer = await connect();
  log.held = true;
  await peer.ask({ op: 'pub', id: 1, channel: 'room', key: 'k' }, 'x');
  port.disconnect(peer.row);
  await settle();
  const next = await connect();
  t.equal(next.row, peer.row);
  log.commit();
  await settle();
  t.same(next.client.take(), []);
  log.held = false;
  t.match(
    await (await connect({ resume: peer.welcome['resume'] })).ask({ op: 'pub', id: 2, channel: 'room', key: 'k' }, 'x'),
    [{ duplicate: true, server_seq: 1 }],
  );
});

t.test('a commit that fails is err, and nothing is delivered or numbered', async (t) => {
  const { connect, log, gateway } = await makeHarness();
  const reader = await connect();
  await reader.ask({ op: 'sub', id: 1, channel: 'room' });
  const peer = await connect();
  log.failure = new StoreError('/data/log: no space left', true);
  const [answer] = await peer.ask({ op: 'pub', id: 1, channel: 'room', key: 'k' }, 'x');
  t.match(answer, { op: 'err', id: 1, code: 1013, name: 'try_again_later', retry_after_ms: Number });
  t.notMatch(String(answer?.['message']), /data/, 'paths are not for clients');
  t.match(gateway.admin.notReady(), /log/);
  log.failure = new StoreError('/data/log: is broken', false);
  t.match(await peer.ask({ op: 'pub', id: 2, channel: 'room', key: 'k' }, 'x'), [{ op: 'err', id: 2, code: 1011 }]);
  log.failure = null;
  t.match(await peer.ask({ op: 'pub', id: 3, channel: 'room', key: 'k' }, 'x'), [{ op: 'ok', id: 3, server_seq: 1 }]);
  t.equal(gateway.admin.notReady(), null);
  t.equal(reader.client.take().length, 1);
  t.match(gateway.admin.stats(), { published: 1, drops: { store: 2 } });
});

t.test('a full arena is err 1013 with retry_after_ms', async (t) => {
  const { connect, port } = await makeHarness();
  const peer = await connect();
  port.arena.full = true;
  t.match(await peer.ask({ op: 'pub', id: 1, channel: 'room', key: 'k' }, 'x'), [{ op: 'err', code: 1013, retry_after_ms: Number }]);
  port.arena.full = false;
  t.match(await peer.ask({ op: 'pub', id: 2, channel: 'room', key: 'k' }, 'x'), [{ op: 'ok', server_seq: 1 }]);
});
