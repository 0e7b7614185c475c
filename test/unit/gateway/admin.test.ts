import t from 'tap';
import { makeHarness, START } from '../../support/gateway-harness.js';

t.test('publish over the admin API', async (t) => {
  const { gateway, connect, settle } = await makeHarness();
  const peer = await connect();
  await peer.ask({ op: 'sub', id: 1, channel: 'room' });
  const { admin } = gateway;
  const first = await admin.publish('room', 'ops', 'k', 'hello');
  t.match(first, { msg_id: String, server_seq: 1, server_ts: START, lamport: 1, duplicate: false });
  t.match(await admin.publish('room', 'ops', 'k', 'other'), { msg_id: first.msg_id, duplicate: true });
  await admin.publish('room', 'ops', 'k2', Uint8Array.of(255));
  await settle();
  t.match(
    peer.client.received,
    [{ text: true, header: { from: 'ops', client_ts: null }, body: Buffer.from('hello') }, { text: false, body: Buffer.from([255]) }],
  );
  const refused: readonly (readonly [string, string, string, string, string])[] = [
    ['', 'ops', 'k', 'x', 'SLUICE_INVALID'], ['a\n', 'ops', 'k', 'x', 'SLUICE_INVALID'], ['room', '', 'k', 'x', 'SLUICE_INVALID'],
    ['room', 'ops', '', 'x', 'SLUICE_INVALID'], ['room', 'ops', 'k3', 'x'.repeat(65_537), 'SLUICE_TOO_BIG'],
  ];
  for (const [channel, from, key, body, code] of refused) await t.rejects(admin.publish(channel, from, key, body), { code });
});

t.test('a failing publish rejects with a SluiceError', async (t) => {
  const { gateway, log } = await makeHarness();
  log.failure = new Error('disk');
  await t.rejects(gateway.admin.publish('room', 'ops', 'k', 'x'), { code: 'SLUICE_INTERNAL' });
});

t.test('history and presence', async (t) => {
  const { gateway, connect } = await makeHarness();
  const peer = await connect();
  await peer.ask({ op: 'sub', id: 1, channel: 'room' });
  for (let i = 1; i <= 5; i += 1) await peer.ask({ op: 'pub', id: i, channel: 'room', key: `${i}`, client_ts: i }, `body ${i}`);
  const { admin } = gateway;
  const { epoch, server_seq, messages } = await admin.history('room', { limit: 2 });
  t.match({ epoch, server_seq }, { epoch: /./, server_seq: 5 });
  const last = { id: /^\d+$/, server_seq: 5, server_ts: START, client_ts: 5, lamport: 5, from: /^anon-/, body: 'body 5', encoding: 'utf8' };
  t.match(messages, [{ server_seq: 4 }, last]);
  t.match((await admin.history('room', { after: 1, limit: 2 })).messages, [{ server_seq: 2 }, { server_seq: 3 }]);
  t.match((await admin.history('room', { before: 3, limit: 9 })).messages, [{ server_seq: 1 }, { server_seq: 2 }]);
  t.same(await admin.history('other', { limit: 1 }), { epoch: '', server_seq: 0, messages: [] });
  await t.rejects(admin.history('room', { limit: 0 }), { code: 'SLUICE_LIMIT' });
  t.match(await admin.presence('room'), { count: 1, members: [/^anon-/] });
  t.same(await admin.presence('other'), { count: 0, members: [] });
});

t.test('disconnect closes all connections of a user', async (t) => {
  const { gateway, connect, settle } = await makeHarness();
  const peer = await connect();
  const other = await connect();
  const { members } = await gateway.admin.presence('room');
  t.same(members, []);
  await peer.ask({ op: 'sub', id: 1, channel: 'room' });
  const [user = ''] = (await gateway.admin.presence('room')).members;
  t.equal(await gateway.admin.disconnect(user, 1008, 'out'), 1);
  await settle();
  t.match(peer.client.closed, { code: 1008, reason: 'out' });
  t.equal(other.client.closed, null);
  t.equal(await gateway.admin.disconnect('nobody', 1008, ''), 0);
});

t.test('stats', async (t) => {
  const { gateway, connect } = await makeHarness();
  const peer = await connect();
  await peer.ask({ op: 'sub', id: 1, channel: 'room' });
  const commits: number[] = [];
  gateway.admin.onCommit = (size) => commits.push(size);
  await peer.ask({ op: 'pub', id: 1, channel: 'room', key: 'k' }, 'x');
  await peer.ask({ op: 'pub', id: 2, channel: 'room', key: 'k' }, 'x');
  await connect(null);
  const stats = gateway.admin.stats();
  t.match(stats, {
    node: 'n1', region_name: 'fake', driver: 'fake', connections: 2, sessions: 1, subscriptions: 1, channels: 1,
    published: 1, duplicates: 1, commits: 1, hot_log: { messages: 1 }, damaged: { log: 0, history: 0 },
  });
  t.same(commits, [1]);
  t.ok(stats.memory.every(({ bytes, per_connection }) => Number.isFinite(bytes) && Number.isFinite(per_connection)));
});

t.test('stopping: no new sessions, commits finish, all are closed with 1012', async (t) => {
  const harness = await makeHarness();
  const { gateway, connect, log, port, settle } = harness;
  const peer = await connect();
  await peer.ask({ op: 'sub', id: 1, channel: 'room' });
  log.held = true;
  await peer.ask({ op: 'pub', id: 1, channel: 'room', key: 'k' }, 'x');
  const stopping = gateway.stop();
  t.equal(gateway.admin.health, 'draining');
  t.equal(gateway.admin.notReady(), 'draining');
  t.match(port.health, { state: 'draining', retryAfter: 1 });
  peer.send({ op: 'pub', id: 2, channel: 'room', key: 'k2' }, 'x');
  const late = await connect(null);
  t.equal(late.client.closed?.code, 1012);
  log.commit();
  await settle();
  await stopping;
  t.match(peer.client.take(), [{ op: 'err', id: 2, code: 1012 }, { op: 'msg', server_seq: 1 }, { op: 'ok', id: 1 }]);
  t.equal(peer.client.closed?.code, 1012);
  t.equal(port.clients.size, 0);
});

t.test('a stop ends within its bound although a connection stays', async (t) => {
  const { gateway, connect, port } = await makeHarness({ session: { closeTimeoutMs: 50 } });
  await connect();
  port.lazy = true;
  await gateway.stop();
  t.equal(gateway.admin.stats().connections, 1);
});
