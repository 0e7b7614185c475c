import t from 'tap';
import { makeHarness, type Harness, type Peer } from '../../support/gateway-harness.js';

type Fields = Record<string, unknown>;

/** Lets the drain's ticks come, in real time, and moves the gateway's clock with them. */
async function run(harness: Harness, ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 50) {
    harness.pass(50);
    await new Promise((resolve) => setTimeout(resolve, 55));
    await harness.settle();
  }
}

const notice = (peer: Peer): Fields | undefined => peer.client.take().findLast(({ op }) => op === 'drain');

t.test('clients are told, new ones are refused, and who does not go is closed with 1012', async (t) => {
  const harness = await makeHarness({ drain: { graceMs: 300, target: 'wss://other.test/v1' } });
  const peers: Peer[] = [];
  for (let i = 0; i < 10; i += 1) peers.push(await harness.connect());
  let drained = false;
  void harness.gateway.drain({ deadlineMs: 30_000 }).then(() => (drained = true));
  await harness.settle();
  t.same(harness.port.health, { state: 'draining', retryAfter: 1 });
  t.equal(harness.gateway.admin.health, 'draining');
  const notices = peers.map((peer) => notice(peer));
  for (const drain of notices) {
    t.match(drain, { op: 'drain', reason: 'the node is stopping', deadline_ms: 30_000, target: 'wss://other.test/v1' });
    t.ok(Number(drain?.['reconnect_in_ms']) <= 100);
  }
  t.ok(new Set(notices.map((drain) => drain?.['reconnect_in_ms'])).size > 3, 'each has a time of its own');
  const late = await harness.connect(null);
  t.equal(late.client.closed?.code, 1012, 'it was on its way');
  t.match(harness.gateway.admin.stats().drain, { state: 'draining', initial: 10, connections: 10 });
  t.match(await peers[0]!.ask({ op: 'pub', id: 1, channel: 'a', key: 'k' }, 'x'), [{ op: 'ok' }], 'publishing goes on');
  harness.port.disconnect(peers[1]!.row);
  t.notOk(drained);
  await run(harness, 1500);
  for (const peer of [peers[0]!, ...peers.slice(2)]) t.match(peer.client.closed, { code: 1012 });
  t.match(harness.gateway.admin.drainStatus(), { state: 'drained', connections: 0, forced: 9 });
  t.ok(drained);
});

t.test('many clients are spread over the time there is', async (t) => {
  const harness = await makeHarness({ drain: { rate: 4, graceMs: 60_000 } }, { rows: 256 });
  const peers: Peer[] = [];
  for (let i = 0; i < 100; i += 1) peers.push(await harness.connect());
  const waiting = await harness.connect(null);
  harness.gateway.admin.startDrain(100_000, null);
  await harness.settle();
  const times = peers.map((peer) => Number(notice(peer)?.['reconnect_in_ms']));
  t.equal(times.filter((ms) => ms <= 1000).length < 6, true);
  const later = times.filter((ms) => ms > 1000).sort((a, b) => a - b);
  t.ok((later.at(-1) ?? 0) > 60_000 && (later.at(-1) ?? 0) <= 80_000, `the last in ${later.at(-1)} ms`);
  t.ok((later[Math.floor(later.length / 2)] ?? 0) > 20_000, 'half of them in the second half');
  t.equal(waiting.client.received.length, 0, 'who has not said hello is told nothing');
  await run(harness, 3000);
  const told = peers.filter((peer) => notice(peer) !== undefined).length;
  t.ok(told >= 4 && told <= 16, `${told} told again to go sooner, at 4 a second less those who go by themselves`);
  t.match(harness.gateway.admin.stats().drain, { state: 'draining', target: null, receiver_load: null });
  await harness.gateway.stop();
});

t.test('clients go in their order, and none is told a time before it is told', async (t) => {
  const harness = await makeHarness({ drain: { rate: 1, graceMs: 60_000 } }, { rows: 512 });
  const peers: Peer[] = [];
  for (let i = 0; i < 400; i += 1) peers.push(await harness.connect());
  harness.gateway.admin.startDrain(1_000_000, null);
  await run(harness, 200);
  const times = peers.map((peer) => Number(notice(peer)?.['reconnect_in_ms']));
  t.ok(times.every((ms) => ms >= 0 && ms <= 800_000));
  // Within a twentieth of all the order is left to chance.
  for (let i = 0; i + 40 < times.length; i += 1) t.ok(times[i]! < times[i + 40]!, `${i} goes before ${i + 40}`);
  for (let hundred = 0; hundred < 4; hundred += 1) {
    const went = times.filter((ms) => ms >= hundred * 200_000 && ms < (hundred + 1) * 200_000).length;
    t.ok(went > 85 && went < 115, `${went} of 400 go in that quarter of the time`);
  }
  await harness.gateway.stop();
});

t.test('while the engine is congested few are told, and few are closed', async (t) => {
  const harness = await makeHarness({ drain: { rate: 1, graceMs: 100 } }, { rows: 1024 });
  const peers: Peer[] = [];
  for (let i = 0; i < 1000; i += 1) peers.push(await harness.connect());
  harness.port.congested = true;
  const done = harness.gateway.drain({ deadlineMs: 2000 });
  await run(harness, 150);
  const told = peers.filter((peer) => notice(peer) !== undefined).length;
  t.ok(told > 0 && told < 600, `${told} told in 150 ms, at a thousand a second`);
  harness.port.congested = false;
  await run(harness, 300);
  t.ok(peers.filter((peer) => notice(peer) !== undefined).length + told >= 1000, 'the others when there is room');
  await run(harness, 3000);
  await done;
  t.equal(harness.gateway.admin.drainStatus().connections, 0);
});

t.test('at the deadline all are closed', async (t) => {
  const harness = await makeHarness({ drain: { graceMs: 60_000 } });
  const peers = [await harness.connect(), await harness.connect(null)];
  let over = false;
  void harness.gateway.drain({ deadlineMs: 200 }).then(() => (over = true));
  while (!over) await run(harness, 50);
  for (const peer of peers) t.match(peer.client.closed, { code: 1012 });
});

t.test('a drain without connections is over at once, and a second one is the first', async (t) => {
  const harness = await makeHarness();
  await harness.gateway.drain();
  t.match(harness.gateway.admin.startDrain(5, 'ws://x'), { state: 'drained', target: null });
});

t.test('sessions that were drained are resumed from where they were', async (t) => {
  const harness = await makeHarness({ drain: { graceMs: 0 } });
  const peer = await harness.connect();
  await peer.ask({ op: 'sub', id: 1, channel: 'a' });
  void harness.gateway.drain();
  await run(harness, 800);
  t.equal(peer.client.closed?.code, 1012);
  t.match([...harness.store.records.values()], [{ owner: null, cursors: [{ channel: 'a', subscribed: true }] }]);
});
