/** The log hands its messages on before retention removes them, and keeps what was not taken. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { StoreError } from '../../../src/errors.js';
import { Archiver, type ArchiverOptions } from '../../../src/store/archive/archiver.js';
import { LmdbMessageLog, type LmdbMessageLogOptions } from '../../../src/store/log/lmdb-message-log.js';
import { MemoryHistory } from '../../support/memory-history.js';
import { until } from '../../support/wait.js';
import { deliveries } from './entries.js';
import { bodies } from './history-store-suite.js';

t.setTimeout(240_000);

interface World {
  readonly history: MemoryHistory;
  log: LmdbMessageLog;
  now: number;
  health: (string | null)[];
  archiver(options?: Partial<ArchiverOptions>): Archiver;
  reopen(): Promise<void>;
}

function world(t: Test, options: Partial<LmdbMessageLogOptions>): World {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-archive-'));
  const open = (): LmdbMessageLog => {
    return new LmdbMessageLog({ folder, mapBytes: 2 ** 28, tailMessages: 50, backlogBytes: 2 ** 30, now: () => made.now, ...options });
  };
  const made: World = {
    history: new MemoryHistory(), now: 1_800_000_000_000, health: [],
    log: null as unknown as LmdbMessageLog,
    archiver(more = {}) {
      const archiver = new Archiver({
        log: made.log, store: made.history, maxAgeMs: null, maxMessages: null, now: () => made.now,
        after: (ms, run) => void setTimeout(run, Math.min(ms, 5)).unref(),
        onHealth: (error) => void made.health.push(error === null ? null : error.message), ...more,
      });
      t.teardown(() => archiver.close());
      archiver.start();
      return archiver;
    },
    reopen: async () => {
      await made.log.close();
      made.log = open();
    },
  };
  made.log = open();
  t.teardown(async () => {
    await made.log.close();
    rmSync(folder, { recursive: true, force: true });
  });
  return made;
}

/** Appends messages from..to of the channel, in batches. */
async function append(world: World, channel: string, from: number, to: number): Promise<{ channel: string; epoch: string }> {
  const { id, epoch } = world.log.openChannel(channel);
  for (let at = from; at <= to; at += 25) await world.log.append(deliveries(id, channel, at, Math.min(to, at + 24), world.now));
  return { channel, epoch };
}

t.test('everything arrives, once and in order, over restarts of the log', async (t) => {
  const made = world(t, {});
  const room = await append(made, 'room', 1, 500);
  const other = await append(made, 'ünï ☃', 1, 120);
  let archiver = made.archiver();
  await until('most of them', () => made.history.size > 500);
  await archiver.close();
  await made.reopen();
  archiver = made.archiver();
  await append(made, 'room', 501, 900);
  // What is still in the journal moves on after a while.
  made.now += 60_000;
  await until('all of them', () => made.history.size === 1020);
  for (const [place, count] of [[room, 900], [other, 120]] as const) {
    const seqs = bodies(await made.history.read(place, 1, 1000, 1e9)).map((frame) => Number(/"server_seq":(\d+)/.exec(frame)?.[1]));
    t.same(seqs, Array.from({ length: count }, (_, i) => i + 1));
  }
  await until('the cursor', () => made.log.backlog.bytes === 0);
  t.match(made.log.backlog, { since: null, dropped: 0 });
  t.ok(archiver.stats.archived > 0);
});

t.test('a crash between the store and the log\'s cursor writes the same again', async (t) => {
  const made = world(t, {});
  await append(made, 'room', 1, 200);
  await until('the tables', () => made.log.nextForArchive(1) !== null);
  const batch = made.log.nextForArchive(1 << 20);
  await made.history.write(batch?.segments ?? []);
  const { size } = made.history;
  t.ok(size > 0);
  await made.reopen();
  const again = made.log.nextForArchive(1 << 20);
  t.same(again?.segments[0]?.ids, batch?.segments[0]?.ids, 'the cursor did not move');
  await made.history.write(again?.segments ?? []);
  await made.log.archived(again as NonNullable<typeof again>);
  t.ok(made.history.size >= size);
  await made.reopen();
  t.not(made.log.nextForArchive(1)?.segments[0]?.firstSeq, 1, 'now it did');
});

t.test('retention waits for a store that is down, and everything comes when it is back', async (t) => {
  const made = world(t, { maxAgeMs: 1000 });
  made.history.failure = new StoreError('the database is away', true);
  const archiver = made.archiver();
  await append(made, 'room', 1, 300);
  await until('the backlog', () => made.log.backlog.bytes > 0);
  made.now += 60_000;
  // Retention has had every opportunity.
  await append(made, 'room', 301, 600);
  await new Promise((resolve) => setTimeout(resolve, 1500));
  t.equal(made.log.findChannel('room')?.oldestSeq, 1);
  t.ok(archiver.stats.failing && archiver.stats.failures > 0);
  t.same(made.health, ['the database is away']);
  made.history.failure = null;
  await until('the store', () => made.history.size >= 500);
  made.now += 60_000;
  await append(made, 'room', 601, 700);
  await until('retention', () => (made.log.findChannel('room')?.oldestSeq ?? 1) > 300);
  t.same(made.health, ['the database is away', null]);
  t.equal(made.log.backlog.dropped, 0);
});

t.test('at the bound of the backlog the oldest go, and are counted', async (t) => {
  const made = world(t, { maxAgeMs: 1000, backlogBytes: 40_000 });
  made.history.failure = new StoreError('away', true);
  made.archiver();
  await append(made, 'room', 1, 600);
  made.now += 60_000;
  await append(made, 'room', 601, 1000);
  made.now += 60_000;
  await until('the bound', () => made.log.backlog.dropped > 0);
  await until('its keeping', () => made.log.backlog.bytes < 80_000);
  const { dropped } = made.log.backlog;
  const oldest = made.log.findChannel('room')?.oldestSeq ?? 0;
  t.equal(dropped, oldest - 1, 'what is gone is what is counted');
  made.history.failure = null;
  made.now += 60_000;
  await until('the rest', () => made.history.size === 1000 - dropped);
});

t.test('the cold tier has a retention of its own', async (t) => {
  const made = world(t, {});
  const room = await append(made, 'room', 1, 200);
  const archiver = made.archiver({ maxMessages: 50 });
  made.now += 60_000;
  await until('all of them', () => archiver.stats.archived === 200);
  made.now += 60_000;
  await until('retention', () => archiver.stats.removed === 150);
  t.same(await made.history.bounds(room), { oldestSeq: 151, newestSeq: 200 });
});

t.test('without an archive nothing waits', async (t) => {
  const made = world(t, { backlogBytes: null, maxAgeMs: 1000 });
  await append(made, 'room', 1, 200);
  made.now += 60_000;
  await append(made, 'room', 201, 400);
  await until('retention', () => (made.log.findChannel('room')?.oldestSeq ?? 1) > 1);
  t.equal(made.log.nextForArchive(1), null);
});
