import t from 'tap';
import { PublishRate } from '../../../src/gateway/message/rate.js';
import { makeHarness, type Harness, type Peer } from '../../support/gateway-harness.js';

const LIMITS = { publishRate: 10, publishBurst: 5, publishRefusals: 8 };

async function publish(peer: Peer, harness: Harness, count: number, from: number): Promise<Record<string, unknown>[]> {
  for (let i = 0; i < count; i += 1) peer.send({ op: 'pub', id: from + i, channel: 'room', key: `${from + i}` }, 'x');
  await harness.settle();
  return peer.client.take().filter(({ op }) => op !== 'msg');
}

const codes = (answers: readonly Record<string, unknown>[]): unknown[] => answers.map(({ op, code }) => code ?? op);

t.test('over the rate: err 4008 with retry_after_ms, not sequenced', async (t) => {
  const harness = await makeHarness({ limits: LIMITS });
  const peer = await harness.connect();
  const answers = await publish(peer, harness, 7, 0);
  t.same(codes(answers).sort(), [4008, 4008, 'ok', 'ok', 'ok', 'ok', 'ok']);
  const refused = answers.find(({ op }) => op === 'err');
  t.match(refused, { id: 5, name: 'rate_limited', retry_after_ms: 100, message: String });
  harness.pass(99);
  t.same(codes(await publish(peer, harness, 1, 10)), [4008]);
  harness.pass(1);
  t.match(await publish(peer, harness, 1, 20), [{ op: 'ok', server_seq: 6 }], 'the sequence has no hole');
  t.same(codes(await publish(peer, harness, 1, 30)), [4008]);
  t.equal(harness.gateway.admin.stats().drops['rate_limited'], 4);
});

t.test('a client that ignores it is closed with 4008', async (t) => {
  const harness = await makeHarness({ limits: LIMITS });
  const peer = await harness.connect();
  const answers = await publish(peer, harness, 5 + 8, 0);
  t.equal(peer.client.closed, null);
  t.equal(codes(answers).filter((code) => code === 4008).length, 8);
  await publish(peer, harness, 1, 20);
  t.equal(peer.client.closed?.code, 4008);
});

t.test('one that waits is not', async (t) => {
  const harness = await makeHarness({ limits: LIMITS });
  const peer = await harness.connect();
  for (let round = 0; round < 10; round += 1) {
    await publish(peer, harness, 8, round * 10);
    harness.pass(1000);
  }
  t.equal(peer.client.closed, null);
});

t.test('one client\'s rate is not another\'s, nor that of the next on its row', async (t) => {
  const harness = await makeHarness({ limits: LIMITS });
  const peer = await harness.connect();
  await publish(peer, harness, 6, 0);
  t.match(await publish(await harness.connect(), harness, 1, 0), [{ op: 'ok' }]);
  harness.port.disconnect(peer.row);
  await harness.settle();
  const next = await harness.connect();
  t.equal(next.row, peer.row);
  t.same(codes(await publish(next, harness, 5, 0)), ['ok', 'ok', 'ok', 'ok', 'ok']);
});

t.test('other operations have no such rate', async (t) => {
  const harness = await makeHarness({ limits: LIMITS });
  const peer = await harness.connect();
  for (let i = 0; i < 50; i += 1) peer.send({ op: 'unsub', id: i, channel: 'a' });
  await harness.settle();
  t.ok(peer.client.take().every(({ op }) => op === 'ok'));
});

t.test('the bucket', async (t) => {
  const rate = new PublishRate(1, { publishRate: 50, publishBurst: 100, publishRefusals: 10 });
  const taken = (now: number): number => {
    let count = 0;
    while (rate.take(0, now) === 0) count += 1;
    return count;
  };
  t.equal(taken(0), 100);
  t.equal(taken(1000), 50);
  t.equal(taken(1000 + 60_000), 100, 'never more than the burst');
  const none = new PublishRate(1, { publishRate: 0, publishBurst: 1, publishRefusals: 1 });
  for (let i = 0; i < 1000; i += 1) if (none.take(0, 0) !== 0) t.fail('0 sets no limit');
  t.notOk(none.ignored(0));
});
