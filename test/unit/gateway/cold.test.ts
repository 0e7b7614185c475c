/** Channels whose older messages have left the log: what the cold tier has comes from there, what it has not is said. */
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { StoreError } from '../../../src/errors.js';
import type { HistoryStore } from '../../../src/store/history-store.js';
import { LmdbHistoryStore } from '../../../src/store/lmdb-history-store.js';
import { makeHarness, START, type Harness, type Peer } from '../../support/gateway-harness.js';
import { MemoryHistory } from '../../support/memory-history.js';
import { until } from '../../support/wait.js';

const TOTAL = 40;
/** The log has the messages from here on; the last few are in memory as well. */
const LOGGED = 21;
const ROOM = (harness: Harness): { channel: string; epoch: string } => ({ channel: 'room', epoch: harness.log.openChannel('room').epoch });
const range = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, i) => from + i);

interface Cold extends Harness {
  readonly history: MemoryHistory;
  readonly ids: string[];
  readonly times: number[];
  publish(): Promise<void>;
}

/** `store`: instead of the one in memory. */
async function coldHarness(store: HistoryStore | null = null): Promise<Cold> {
  const history = new MemoryHistory();
  const tier = store ?? history;
  const harness = await makeHarness({ log: { hotMessages: 1 }, limits: { publishRate: 0 }, history: { timeoutMs: 100 } }, {}, tier);
  const writer = await harness.connect();
  const ids: string[] = [];
  const times: number[] = [];
  const publish = async (): Promise<void> => {
    harness.pass(10);
    const [ok] = await writer.ask({ op: 'pub', id: 1, channel: 'room', key: `${ids.length}` }, `body ${ids.length + 1}`);
    ids.push(String(ok?.['msg_id']));
    times.push(Number(ok?.['server_ts']));
  };
  for (let i = 0; i < TOTAL; i += 1) await publish();
  await tier.write([harness.log.segmentBelow('room', LOGGED)]);
  harness.log.expire('room', LOGGED);
  return { ...harness, history, ids, times, publish };
}

/** `seq` of messages, and of what is missing as "from-to reason". */
function take(peer: Peer): (number | string)[] {
  return told(peer.client.take());
}

function told(headers: readonly Record<string, unknown>[]): (number | string)[] {
  return headers
    .filter(({ op }) => op === 'msg' || op === 'incomplete')
    .map(({ op, server_seq: seq, from_seq: from, to_seq: to, reason }) => (op === 'msg' ? Number(seq) : `${from}-${to} ${reason}`));
}

t.test('a subscriber gets all from cold, log and memory, then live', async (t) => {
  const harness = await coldHarness();
  const peer = await harness.connect();
  const answers = await peer.ask({ op: 'sub', id: 1, channel: 'room', since: { seq: 3 } });
  t.match(answers[0], { op: 'ok', server_seq: TOTAL });
  t.same(told(answers), range(4, TOTAL));
  await harness.publish();
  t.same(take(peer), [TOTAL + 1]);
});

t.test('by time and by id, in the cold tier and across its edge', async (t) => {
  const harness = await coldHarness();
  for (const at of [1, 2, 7, LOGGED - 1, LOGGED, LOGGED + 1, TOTAL]) {
    const peer = await harness.connect();
    const byTime = await peer.ask({ op: 'sub', id: 1, channel: 'room', since: { ts: harness.times[at - 1] } });
    t.same(told(byTime), range(at, TOTAL), `time of ${at}`);
    const other = await harness.connect();
    const byId = await other.ask({ op: 'sub', id: 1, channel: 'room', since: { msg_id: harness.ids[at - 1] } });
    t.same(told(byId), range(at + 1, TOTAL), `behind the id of ${at}`);
  }
});

t.test('what the disk has changed of the cold tier is said, and never comes as a message', async (t) => {
  const folder = t.testdir();
  const told = new Array<string>();
  const store = new LmdbHistoryStore({ folder, mapBytes: 2 ** 28, onDamage: ({ message }) => told.push(message) });
  t.teardown(() => store.close());
  const harness = await coldHarness(store);
  const path = join(folder, 'history.mdb');
  const bytes = readFileSync(path);
  // Within the file as it is: the store has it mapped.
  const file = openSync(path, 'r+');
  for (const changed of ['body 7', 'body 12', 'body 13']) {
    for (let at = bytes.indexOf(changed); at >= 0; at = bytes.indexOf(changed, at + 1)) writeSync(file, 'B', at);
  }
  closeSync(file);
  const peer = await harness.connect();
  peer.send({ op: 'sub', id: 1, channel: 'room', since: { seq: 3 } });
  const got = new Array<number | string>();
  await until('it has caught up', async () => {
    await harness.settle();
    got.push(...take(peer));
    return got.at(-1) === TOTAL;
  });
  t.same(got, [4, 5, 6, '7-7 expired', 8, 9, 10, 11, '12-13 expired', ...range(14, TOTAL)]);
  t.equal(told.length, 3);
});

t.test('what the cold tier has no more is said, exactly', async (t) => {
  const harness = await coldHarness();
  harness.history.expire(ROOM(harness), 8);
  const peer = await harness.connect();
  t.same(told(await peer.ask({ op: 'sub', id: 1, channel: 'room', since: { seq: 2 } })), ['3-7 expired', ...range(8, TOTAL)]);
  const early = await harness.connect();
  t.same(told(await early.ask({ op: 'sub', id: 1, channel: 'room', since: { ts: START } })), ['1-7 expired', ...range(8, TOTAL)]);
  const changed = await harness.connect();
  const answers = await changed.ask({ op: 'sub', id: 1, channel: 'room', since: { seq: 30, epoch: 'another' } });
  t.same(told(answers), ['1-7 epoch_changed', ...range(8, TOTAL)]);
});

t.test('a hole between cold and log is said in its place', async (t) => {
  const harness = await coldHarness();
  harness.log.expire('room', 26);
  const peer = await harness.connect();
  t.same(told(await peer.ask({ op: 'sub', id: 1, channel: 'room', since: { seq: 18 } })), [19, 20, '21-25 expired', ...range(26, TOTAL)]);
});

t.test('while the cold tier fails the rest comes, and the range is named', async (t) => {
  const harness = await coldHarness();
  harness.history.failure = new StoreError('no', true);
  const peer = await harness.connect();
  t.same(told(await peer.ask({ op: 'sub', id: 1, channel: 'room', since: { seq: 2 } })), ['3-20 unavailable', ...range(LOGGED, TOTAL)]);
  const early = await harness.connect();
  t.same(told(await early.ask({ op: 'sub', id: 1, channel: 'room', since: { ts: START } })), ['1-20 unavailable', ...range(LOGGED, TOTAL)]);
  t.match(await peer.ask({ op: 'history', id: 2, channel: 'room', before: { seq: 10 } }), [{ op: 'err', id: 2, code: 1013 }]);
  t.equal(harness.gateway.admin.notReady(), null, 'readiness does not depend on it');
  harness.history.failure = null;
  const [, ...answers] = await peer.ask({ op: 'history', id: 3, channel: 'room', before: { seq: 10 }, limit: 3 });
  t.equal(answers.at(-1)?.['op'], 'ok');
});

t.test('a cold tier that does not answer holds up nobody else, and nobody for ever', async (t) => {
  const harness = await coldHarness();
  let open = (): void => undefined;
  harness.history.gate = new Promise((resolve) => (open = resolve));
  const peer = await harness.connect();
  t.same(told(await peer.ask({ op: 'sub', id: 1, channel: 'room', since: { seq: 2 } })), []);
  const other = await harness.connect();
  t.same(told(await other.ask({ op: 'sub', id: 1, channel: 'room', since: { seq: 30 } })), range(31, TOTAL));
  await harness.publish();
  t.same(take(other), [TOTAL + 1]);
  await new Promise((resolve) => setTimeout(resolve, 300));
  await harness.settle();
  t.same(take(peer), ['3-20 unavailable', ...range(LOGGED, TOTAL + 1)]);
  const third = await harness.connect();
  const before = harness.history.reads;
  const soon = await third.ask({ op: 'sub', id: 1, channel: 'room', since: { seq: 2 } });
  t.same(told(soon), ['3-20 unavailable', ...range(LOGGED, TOTAL + 1)]);
  t.equal(harness.history.reads, before, 'it is not asked again at once');
  open();
  await harness.settle();
});

t.test('a connection that ends while its messages are fetched leaves nothing behind', async (t) => {
  const harness = await coldHarness();
  let open = (): void => undefined;
  harness.history.gate = new Promise((resolve) => (open = resolve));
  const peer = await harness.connect();
  await peer.ask({ op: 'sub', id: 1, channel: 'room', since: { ts: START } });
  await peer.ask({ op: 'history', id: 2, channel: 'room', before: { msg_id: harness.ids[9] } });
  harness.port.disconnect(peer.row);
  await harness.settle();
  const next = await harness.connect();
  t.equal(next.row, peer.row);
  open();
  await harness.settle();
  t.same(take(next), []);
});

t.test('history in both directions, with the channel\'s true beginning', async (t) => {
  const harness = await coldHarness();
  const peer = await harness.connect();
  const ask = async (query: Record<string, unknown>): Promise<unknown> => {
    const answers = await peer.ask({ op: 'history', id: 5, channel: 'room', ...query });
    t.match(answers.at(-1), { op: 'ok', id: 5, oldest_seq: 1, server_seq: TOTAL, count: answers.length - 1 });
    return told(answers);
  };
  t.same(await ask({ before: { seq: 24 }, limit: 8 }), range(16, 23));
  t.same(await ask({ before: { seq: 5 }, limit: 10 }), range(1, 4));
  t.same(await ask({ after: { seq: 15 }, limit: 10 }), range(16, 25));
  t.same(await ask({ after: { seq: 0 }, limit: 5 }), range(1, 5));
  t.same(await ask({ before: { ts: harness.times[9] }, limit: 3 }), range(7, 9));
  t.same(await ask({ after: { ts: harness.times[9] }, limit: 3 }), range(11, 13));
  t.same(await ask({ before: { msg_id: harness.ids[20] }, limit: 3 }), range(18, 20));
  t.same(await ask({ after: { msg_id: harness.ids[17] }, limit: 5 }), range(19, 23));
  t.same(await ask({ limit: 100 }), range(1, TOTAL));
  const { messages } = await harness.gateway.admin.history('room', { after: 17, limit: 6 });
  t.same(messages.map(({ server_seq: seq, body }) => [seq, body]), range(18, 23).map((seq) => [seq, `body ${seq}`]));
});

t.test('hello brings what the device lacks from the cold tier', async (t) => {
  const harness = await coldHarness();
  const { epoch } = ROOM(harness);
  const named = await harness.connect(null);
  const [welcome, ...more] = await named.ask({ op: 'hello', cursors: { room: { seq: 5, epoch } } });
  t.match(welcome, { op: 'welcome', channels: { room: { seq: 5, epoch } } });
  t.same(told(more), range(6, TOTAL));
  const byId = await harness.connect(null);
  const [second, ...rest] = await byId.ask({ op: 'hello', cursors: { room: { msg_id: harness.ids[6] } } });
  t.match(second, { channels: { room: { seq: 7, epoch } } }, 'the position is known before the welcome');
  t.same(told(rest), range(8, TOTAL));
  harness.history.failure = new StoreError('no', true);
  const failing = await harness.connect(null);
  const [third, ...others] = await failing.ask({ op: 'hello', cursors: { room: { msg_id: harness.ids[6] } } });
  t.match(third, { op: 'welcome' });
  t.same(told(others), ['1-20 unavailable', ...range(LOGGED, TOTAL)]);
});

t.test('a message of the cold tier that was seen moves the cursor to itself, not to the log', async (t) => {
  const harness = await coldHarness();
  const peer = await harness.connect({ device: 'phone' });
  await peer.ask({ op: 'sub', id: 1, channel: 'room', since: { seq: 0 } });
  await peer.ask({ op: 'seen', channel: 'room', msg_id: harness.ids[8] });
  harness.port.disconnect(peer.row);
  await harness.settle();
  const again = await harness.connect(null);
  const [welcome, ...more] = await again.ask({ op: 'hello', resume: peer.welcome['resume'], device: 'phone' });
  t.match(welcome, { resumed: true, channels: { room: { seq: 9 } }, last_seen_message_id: harness.ids[8] });
  t.same(told(more), range(10, TOTAL));
});

t.test('the last seen message is known where several of the cold tier are told at once, or it does not answer', async (t) => {
  const harness = await coldHarness();
  const peer = await harness.connect();
  const { epoch } = ROOM(harness);
  for (const seq of [3, 4, 11]) peer.send({ op: 'seen', channel: 'room', seq, epoch });
  await harness.settle();
  const lastSeen = async (): Promise<string | null | undefined> => {
    harness.port.disconnect(peer.row);
    await harness.settle();
    return harness.store.records.get(String(peer.welcome['session']))?.lastSeenMessageId;
  };
  t.ok(harness.history.reads <= 3);
  harness.history.failure = new StoreError('the database is away', true);
  await peer.ask({ op: 'seen', channel: 'room', seq: 12, epoch });
  t.equal(await lastSeen(), harness.ids[10], 'the last one that could be looked up');
});

t.test('a sync takes its delta through all tiers', async (t) => {
  const harness = await coldHarness();
  const { epoch } = ROOM(harness);
  const peer = await harness.connect();
  const { encodeSyncCursor } = await import('../../../src/sync/sync-cursor.js');
  const answers = await peer.ask({ op: 'sync', id: 9, sync_cursor: encodeSyncCursor([{ channel: 'room', seq: 12, epoch }]) });
  t.same(told(answers), range(13, TOTAL));
  t.match(answers.at(-1), { op: 'ok', id: 9 });
});
