/** Nodes that move the messages of shared channels on to a cold tier, over a real Redis. */
import t, { type Test } from 'tap';
import { StoreError } from '../../../../src/errors.js';
import { RedisArchive } from '../../../../src/store/redis/archive.js';
import { SharedArchiver } from '../../../../src/store/archive/shared-archiver.js';
import { MemoryHistory } from '../../../support/memory-history.js';
import { noRedis, RedisServer } from '../../../support/redis-server.js';
import { until } from '../../../support/wait.js';
import { openNode, sharedEntry, type LogNode } from './log-fixture.js';

const server = noRedis === false ? await RedisServer.start() : null;
t.setTimeout(240_000);
t.teardown(() => server?.remove());

interface Archiving extends LogNode {
  readonly archive: RedisArchive;
  readonly archiver: SharedArchiver;
  /** Every hour of this node has so many milliseconds less. */
  skip(ms: number): void;
  append(channel: string, from: number, count: number): Promise<string>;
}

interface Settings {
  readonly messagesMax?: number;
  readonly backlogMax?: number;
  readonly retentionMs?: number;
  readonly leftMs?: number;
}

function openArchiving(t: Test, name: string, history: MemoryHistory, settings: Settings = {}): Archiving {
  const { messagesMax = 100, backlogMax = 10_000, retentionMs = 0, leftMs = 120_000 } = settings;
  const node = openNode(t, server?.url ?? '', name, { messagesMax, retentionMs, backlog: backlogMax });
  let skipped = 0;
  const archive = new RedisArchive({ redis: node.client, owner: name, messagesMax, backlogMax, retentionMs });
  const archiver = new SharedArchiver({
    log: archive, store: history, maxAgeMs: null, maxMessages: null, leftMs,
    now: () => Date.now() + skipped, after: (ms, run) => void setTimeout(run, ms),
  });
  t.teardown(() => archiver.close());
  const append = async (channel: string, from: number, count: number): Promise<string> => {
    let epoch = '';
    for (let i = from; i < from + count; i += 10) {
      archiver.appending(channel);
      const entries = Array.from({ length: 10 }, (_, j) => sharedEntry(channel, `k${i + j}`, `${i + j}`));
      ({ epoch } = await node.log.append(channel, entries, null));
      archiver.appended(channel);
    }
    return epoch;
  };
  return { ...node, archive, archiver, append, skip: (ms) => void (skipped += ms) };
}

const seqs = (history: MemoryHistory, channel: string, epoch: string): number[] => history.all({ channel, epoch }).map(([seq]) => seq);
const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i + 1);

t.test('the stream keeps what the cold tier does not take, and lets go of it then', { skip: noRedis, timeout: 200_000 }, async (t) => {
  const history = new MemoryHistory();
  const { log, append, archiver } = openArchiving(t, 'a', history);
  history.failure = new StoreError('away', true);
  const epoch = await append('room', 1, 100);
  archiver.start();
  await until('a failure', () => archiver.stats.failing);
  await append('room', 101, 900);
  t.match(await log.head('room', false), { headSeq: 1000, oldestSeq: 1 }, 'ten times what it would keep');
  history.failure = null;
  await until('the archive', () => seqs(history, 'room', epoch).length === 1000);
  t.same(seqs(history, 'room', epoch), upTo(1000));
  await until('the trimming', async () => ((await log.head('room', false))?.oldestSeq ?? 0) > 800);
  const run = await log.read('room', 1, 1);
  t.ok(run !== null && run.firstSeq <= 901, 'and keeps what it is to keep');
  t.match(archiver.stats, { archived: 1000, failing: false, backlog: { dropped: 0 } });
  const oldest = (await log.head('room', false))?.oldestSeq ?? 0;
  const stored = history.all({ channel: 'room', epoch });
  const last = await log.read('room', oldest, 1);
  t.same(stored[oldest - 1]?.[1], Buffer.from(last?.frames.subarray(0, last.ends[0]) ?? []), 'the same bytes in both tiers');
});

t.test('beyond the backlog the oldest go, and are counted', { skip: noRedis, timeout: 200_000 }, async (t) => {
  const history = new MemoryHistory();
  const { log, append, archiver } = openArchiving(t, 'a', history, { backlogMax: 300 });
  history.failure = new StoreError('away', true);
  const epoch = await append('full', 1, 100);
  archiver.start();
  await until('a failure', () => archiver.stats.failing);
  await append('full', 101, 900);
  const oldest = (await log.head('full', false))?.oldestSeq ?? 0;
  t.ok(oldest > 500 && oldest <= 601, `from ${oldest} on`);
  history.failure = null;
  await until('the archive', () => seqs(history, 'full', epoch).at(-1) === 1000);
  t.same(seqs(history, 'full', epoch), upTo(1000).slice(oldest - 1));
  t.equal(archiver.stats.backlog.dropped, oldest - 1);
});

t.test('two nodes archive one channel between them, and go on for one that is gone', { skip: noRedis, timeout: 200_000 }, async (t) => {
  const history = new MemoryHistory();
  const [a, b] = [openArchiving(t, 'a', history), openArchiving(t, 'b', history, { leftMs: 0 })];
  a.archiver.start();
  b.archiver.start();
  let epoch = '';
  for (let i = 0; i < 10; i++) {
    epoch = await a.append('both', 1 + i * 100, 50);
    await b.append('both', 51 + i * 100, 50);
  }
  await until('both halves', () => seqs(history, 'both', epoch).length === 1000);
  t.same(seqs(history, 'both', epoch), upTo(1000));
  const written = (): number => a.archiver.stats.archived + b.archiver.stats.archived;
  await until('both to count them', () => written() >= 1000);
  t.equal(written(), 1000, 'each written once, as the lease has it');

  await a.archiver.close();
  const left = await a.append('left', 1, 200);
  b.skip(20_000);
  await until('what a left', () => seqs(history, 'left', left).length === 200);
  // Nothing waits: the next look strikes them off the list.
  await until('an empty list', async () => {
    b.skip(20_000);
    return (await b.archive.marked(0, 10)).length === 0;
  });
  await a.append('left', 201, 10);
  t.match(await b.archive.marked(0, 10), [], 'a mark lasts a while');
});

t.test('an epoch that began anew is archived from the oldest message on', { skip: noRedis, timeout: 200_000 }, async (t) => {
  const history = new MemoryHistory();
  const { log, append, archiver } = openArchiving(t, 'a', history);
  archiver.start();
  const former = await append('anew', 1, 50);
  await until('the first life', () => seqs(history, 'anew', former).length === 50);
  await log.renew('anew', former, 60);
  const epoch = await append('anew', 61, 10);
  t.not(epoch, former);
  await until('the second', () => seqs(history, 'anew', epoch).length === 60);
  t.same(seqs(history, 'anew', epoch), [...upTo(50), ...upTo(70).slice(60)]);
});

t.test('messages grow old in the stream only once they are archived', { skip: noRedis, timeout: 200_000 }, async (t) => {
  const history = new MemoryHistory();
  const { log, append, archiver } = openArchiving(t, 'a', history, { retentionMs: 300 });
  history.failure = new StoreError('away', true);
  const epoch = await append('aging', 1, 50);
  archiver.start();
  await until('a failure', () => archiver.stats.failing);
  await append('aging', 51, 50);
  await new Promise((resolve) => setTimeout(resolve, 700));
  await append('aging', 101, 10);
  t.match(await log.head('aging', false), { headSeq: 110, oldestSeq: 1 });
  history.failure = null;
  await until('the archive', () => seqs(history, 'aging', epoch).length === 110);
  await until('the stream to go', async () => (await log.head('aging', false))?.oldestSeq === 111);
});
