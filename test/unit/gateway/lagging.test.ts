import t from 'tap';
import { makeHarness, type Peer } from '../../support/gateway-harness.js';

const LIMITS = { publishRate: 0, catchUpChunkBytes: 4096, catchUpTurnBytes: 8192, slowConsumerTimeoutMs: 30_000 };

async function publish(writer: Peer, from: number, count: number): Promise<void> {
  for (let i = from; i < from + count; i += 1) await writer.ask({ op: 'pub', id: i, channel: 'room', key: `${i}` }, 'x'.repeat(500));
}

const seqs = (peer: Peer): unknown[] => peer.client.take().filter(({ op }) => op === 'msg').map(({ server_seq }) => server_seq);
const range = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, i) => from + i);

t.test('a consumer that stops reading is caught up when it reads again', async (t) => {
  const harness = await makeHarness({ limits: LIMITS }, { sendBudget: 2000 });
  const writer = await harness.connect();
  const peer = await harness.connect();
  await peer.ask({ op: 'sub', id: 1, channel: 'room' });
  await publish(writer, 1, 3);
  peer.client.reading = false;
  await publish(writer, 4, 40);
  const before = seqs(peer);
  t.ok(before.length < 15, `${before.length} before it lagged: memory is bounded`);
  t.notOk(peer.client.subscribed.size, 'live fan-out skips it');
  t.equal(harness.gateway.admin.stats().counters['lagging_events'], 1);
  peer.client.reading = true;
  harness.port.drain(peer.row);
  await harness.settle();
  await publish(writer, 44, 2);
  t.same([...before, ...seqs(peer)], range(1, 45));
  t.equal(peer.client.subscribed.size, 1);
});

t.test('without progress it is closed with 4009', async (t) => {
  const harness = await makeHarness({ limits: LIMITS }, { sendBudget: 2000 });
  const writer = await harness.connect();
  const peer = await harness.connect();
  await peer.ask({ op: 'sub', id: 1, channel: 'room' });
  peer.client.reading = false;
  await publish(writer, 1, 20);
  harness.gateway.start();
  harness.pass(29_999);
  await new Promise((resolve) => setTimeout(resolve, 600));
  t.equal(peer.client.closed, null);
  harness.pass(1);
  await new Promise((resolve) => setTimeout(resolve, 600));
  t.match(peer.client.closed, { code: 4009 });
  await harness.settle();
  t.equal(writer.client.closed, null);
  t.equal(harness.gateway.admin.stats().subscriptions, 0);
  await harness.gateway.stop();
});

t.test('a slow one that goes on reading is not', async (t) => {
  const harness = await makeHarness({ limits: LIMITS }, { sendBudget: 2000 });
  const writer = await harness.connect();
  const peer = await harness.connect();
  await peer.ask({ op: 'sub', id: 1, channel: 'room' });
  peer.client.reading = false;
  await publish(writer, 1, 60);
  harness.gateway.start();
  const got: unknown[] = seqs(peer);
  for (let round = 0; round < 10; round += 1) {
    harness.pass(20_000);
    harness.port.drain(peer.row);
    await harness.settle();
    got.push(...seqs(peer));
  }
  t.equal(peer.client.closed, null);
  t.same(got, range(1, 60));
  await harness.gateway.stop();
});

t.test('a catch-up does not hold up the others', async (t) => {
  const harness = await makeHarness({ limits: LIMITS }, { sendBudget: 2000 });
  const writer = await harness.connect();
  await publish(writer, 1, 60);
  const slow = await harness.connect();
  const quick = await harness.connect();
  slow.client.reading = false;
  await slow.ask({ op: 'sub', id: 1, channel: 'room', since: { seq: 0 } });
  await quick.ask({ op: 'sub', id: 1, channel: 'room', since: { seq: 0 } });
  t.ok(seqs(slow).length < 12);
  await publish(writer, 61, 1);
  await harness.settle();
  t.equal(quick.client.closed, null);
});

t.test('lagging of a subscription that is gone means nothing', async (t) => {
  const harness = await makeHarness({ limits: LIMITS });
  const peer = await harness.connect();
  const { id } = harness.log.openChannel('room');
  harness.gateway.onLagging(peer.row, id, 5);
  harness.gateway.onLagging(peer.row, 999, 5);
  await peer.ask({ op: 'sub', id: 1, channel: 'room' });
  harness.gateway.onLagging(peer.row, id, 0);
  await harness.settle();
  t.same(peer.client.take(), []);
  t.equal(harness.gateway.admin.stats().counters['lagging_events'], 0);
});

t.test('messages that cannot be read close with 1013, and only that connection', async (t) => {
  const harness = await makeHarness({ limits: LIMITS, log: { hotAgeMs: 1000 } });
  const writer = await harness.connect();
  await publish(writer, 1, 5);
  harness.pass(10_000);
  harness.gateway.start();
  await new Promise((resolve) => setTimeout(resolve, 600));
  harness.log.readFailure = new Error('disk');
  const peer = await harness.connect();
  await peer.ask({ op: 'sub', id: 1, channel: 'room', since: { seq: 0 } });
  t.match(peer.client.closed, { code: 1013 });
  t.equal(writer.client.closed, null);
  await harness.gateway.stop();
});
