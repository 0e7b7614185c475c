/** Who says `bye` is told first what became of what it said before. */
import t from 'tap';
import { StoreError } from '../../../src/errors.js';
import { makeHarness, type Peer } from '../../support/gateway-harness.js';

const told = (peer: Peer): unknown[] => peer.client.received.map(({ header }) => [header['op'], header['id']]);

t.test('publishes before bye are answered before the close', async (t) => {
  const harness = await makeHarness();
  const peer = await harness.connect();
  peer.client.take();
  harness.log.held = true;
  for (const id of [1, 2, 3]) peer.send({ op: 'pub', id, channel: 'room', key: `k${id}` }, 'x');
  peer.send({ op: 'bye' });
  await harness.settle();
  t.equal(peer.client.closed, null, 'the store has not answered yet');
  harness.log.held = false;
  harness.log.commit();
  await harness.settle();
  t.same(told(peer), [['ok', 1], ['ok', 2], ['ok', 3]]);
  t.match(peer.client.closed, { code: 1000, reason: 'bye' });
  t.match(harness.gateway.admin.stats(), { connections: 0, sessions: 0 });
});

t.test('so are those that the store refuses', async (t) => {
  const harness = await makeHarness();
  const peer = await harness.connect();
  peer.client.take();
  harness.log.failure = new StoreError('the disk is full', true);
  peer.send({ op: 'pub', id: 1, channel: 'room', key: 'k' }, 'x');
  peer.send({ op: 'bye' });
  await harness.settle();
  t.same(told(peer), [['err', 1]]);
  t.equal(peer.client.closed?.code, 1000);
});

t.test('what was asked for before bye is answered, what comes behind it is not', async (t) => {
  const harness = await makeHarness();
  const peer = await harness.connect();
  await peer.ask({ op: 'pub', id: 1, channel: 'room', key: 'a' }, 'x');
  peer.send({ op: 'history', id: 2, channel: 'room' });
  peer.send({ op: 'sync', id: 3 });
  peer.send({ op: 'bye' });
  peer.send({ op: 'pub', id: 4, channel: 'room', key: 'b' }, 'y');
  peer.send({ op: 'nonsense', id: 5 });
  peer.send('no JSON');
  await harness.settle();
  const answers = peer.client.take();
  t.same(answers.map(({ op }) => op).sort(), ['msg', 'ok', 'ok']);
  t.same(answers.filter(({ op }) => op === 'ok').map(({ id }) => id).sort(), [2, 3]);
  t.equal(peer.client.closed?.code, 1000);
  const other = await harness.connect();
  t.match(await other.ask({ op: 'history', id: 1, channel: 'room' }), [{ op: 'msg' }, { count: 1 }], 'one message was published');
});

t.test('a session that was left is over, also while its answers are on their way', async (t) => {
  const harness = await makeHarness();
  const peer = await harness.connect();
  peer.send({ op: 'pub', id: 1, channel: 'room', key: 'k' }, 'x');
  peer.send({ op: 'bye' });
  harness.port.deliver();
  harness.port.disconnect(peer.row);
  await harness.settle();
  t.match(harness.gateway.admin.stats(), { connections: 0, sessions: 0, subscriptions: 0 });
  t.match((await harness.connect({ resume: peer.welcome['resume'] })).client.closed, { code: 4004, reason: /ended/ });
});

t.test('who has said bye is present nowhere, also while its answers are on their way', async (t) => {
  const harness = await makeHarness();
  const [peer, other] = [await harness.connect(), await harness.connect()];
  const presence = async (): Promise<unknown> => (await other.ask({ op: 'presence', id: 9, channel: 'room' }))[0]?.['count'];
  for (const each of [peer, other]) await each.ask({ op: 'sub', id: 1, channel: 'room' });
  await peer.ask({ op: 'sub', id: 2, channel: 'another' });
  t.equal(await presence(), 2);
  peer.client.take();
  harness.log.held = true;
  peer.send({ op: 'pub', id: 3, channel: 'room', key: 'k' }, 'x');
  peer.send({ op: 'bye' });
  await harness.settle();
  t.equal(peer.client.closed, null);
  t.equal(await presence(), 1);
  t.same([...peer.client.subscribed], []);
  harness.log.held = false;
  harness.log.commit();
  await harness.settle();
  t.same(peer.client.take().filter(({ op }) => op === 'ok').map(({ id }) => id), [3]);
  t.equal(peer.client.closed?.code, 1000);
  t.match(other.client.take(), [{ op: 'msg', server_seq: 1 }], 'others go on');
});

t.test('what a subscription asked for before bye still comes', async (t) => {
  const harness = await makeHarness();
  const [peer, other] = [await harness.connect(), await harness.connect()];
  for (const key of ['a', 'b']) await other.ask({ op: 'pub', id: 1, channel: 'room', key }, key);
  peer.client.take();
  peer.send({ op: 'sub', id: 1, channel: 'room', since: { seq: 0, epoch: (await epochOf(other)) } });
  peer.send({ op: 'bye' });
  await harness.settle();
  t.same(peer.client.take().map(({ op, server_seq }) => [op, server_seq]), [['ok', 2], ['msg', 1], ['msg', 2]]);
  t.equal(peer.client.closed?.code, 1000);
});

async function epochOf(peer: Peer): Promise<unknown> {
  return (await peer.ask({ op: 'sub', id: 5, channel: 'room' }))[0]?.['epoch'];
}
