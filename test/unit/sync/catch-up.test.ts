import t from 'tap';
import { CatchUp } from '../../../src/sync/catch-up.js';
import { Replays } from '../../../src/sync/replays.js';
import { TieredSource } from '../../../src/sync/tiers.js';
import type { ReplayChannel, ReplayJob, ReplayRun, ReplaySink, ReplaySource } from '../../../src/sync/types.js';
import type { FrameRun } from '../../../src/store/types.js';

/** Messages of ten bytes each, retained from `oldest` on. */
function source(oldest: number, head: number): ReplaySource & { reads: number } {
  return {
    reads: 0,
    read(_channel, fromSeq, toSeq, maxBytes): ReplayRun | null {
      this.reads += 1;
      const firstSeq = Math.max(fromSeq, oldest);
      if (firstSeq > Math.min(toSeq, head)) return null;
      const count = Math.max(1, Math.min(toSeq - firstSeq + 1, Math.floor(maxBytes / 10)));
      return { firstSeq, lastSeq: firstSeq + count - 1, length: count * 10, pieces: null, frames: new Uint8Array(count * 10) };
    },
  };
}

class Recorder implements ReplaySink {
  readonly seen: string[] = [];
  readonly waiting = new Set<number>();
  frames(row: number, run: ReplayRun): void {
    this.seen.push(`${row}: ${run.firstSeq}-${run.lastSeq}`);
  }
  framesCopy(): void {}
  historyDone(): void {}
  historyFailed(): void {}
  synced(): void {}
  incomplete(row: number, _channel: unknown, fromSeq: number, toSeq: number, reason: string): void {
    this.seen.push(`${row}: ${reason} ${fromSeq}-${toSeq}`);
  }
  live(row: number): void {
    this.seen.push(`${row}: live`);
  }
  notifyWritable(row: number): void {
    this.waiting.add(row);
  }
  failed(row: number, error: unknown): void {
    this.seen.push(`${row}: ${(error as Error).message}`);
  }
  take(): string[] {
    return this.seen.splice(0);
  }
}

const channel = (publishedSeq: number): ReplayChannel => ({ id: 1, name: 'room', epoch: 'e', publishedSeq });

t.test('the last chunk and live come in one step', async (t) => {
  const sink = new Recorder();
  const job = new CatchUp(channel(25), 1, source(1, 25));
  t.equal(job.step(7, sink, 100), 100);
  t.same(sink.take(), ['7: 1-10']);
  t.equal(job.step(7, sink, 100), 100);
  t.equal(job.step(7, sink, 100), 50);
  t.same(sink.take(), ['7: 11-20', '7: 21-25', '7: live']);
  t.ok(job.done);
});

t.test('exactly at the head there is nothing to send', async (t) => {
  const sink = new Recorder();
  for (const from of [6, 9]) t.equal(new CatchUp(channel(5), from, source(1, 5)).step(0, sink, 100), 0);
  t.same(sink.take(), ['0: live', '0: live']);
});

t.test('what is gone is said', async (t) => {
  const sink = new Recorder();
  new CatchUp(channel(12), 3, source(8, 12)).step(0, sink, 1000);
  t.same(sink.take(), ['0: expired 3-7', '0: 8-12', '0: live']);
  new CatchUp(channel(12), 3, source(13, 12)).step(0, sink, 1000);
  t.same(sink.take(), ['0: expired 3-12', '0: live']);
});

t.test('messages that expire between two chunks are said too', async (t) => {
  const sink = new Recorder();
  let oldest = 1;
  const job = new CatchUp(channel(30), 1, { read: (...args) => source(oldest, 30).read(...args) });
  job.step(0, sink, 100);
  oldest = 21;
  job.step(0, sink, 1000);
  t.same(sink.take(), ['0: 1-10', '0: expired 11-20', '0: 21-30', '0: live']);
});

t.test('rows take turns, a chunk each, and wait until they are writable', async (t) => {
  const sink = new Recorder();
  const replays = new Replays({ chunkBytes: 100, turnBytes: 1000 }, sink, () => 0);
  for (const row of [1, 2]) replays.add(row, new CatchUp(channel(25), 1, source(1, 25)), false);
  replays.pump();
  t.same(sink.take(), ['1: 1-10', '2: 1-10']);
  t.same([...sink.waiting], [1, 2]);
  t.notOk(replays.ready);
  replays.onWritable(2);
  replays.pump();
  t.same(sink.take(), ['2: 11-20'], 'row 1 is still blocked');
  replays.onWritable(1);
  replays.onWritable(2);
  replays.pump();
  t.same(sink.take(), ['1: 11-20', '2: 21-25', '2: live']);
  replays.onWritable(2);
  t.equal(replays.active, 1);
});

t.test('a turn is bounded, and the next goes on with those that were not reached', async (t) => {
  const sink = new Recorder();
  const replays = new Replays({ chunkBytes: 100, turnBytes: 200 }, sink, () => 0);
  for (const row of [1, 2, 3]) replays.add(row, new CatchUp(channel(10), 1, source(1, 10)), false);
  replays.pump();
  t.same(sink.take(), ['1: 1-10', '1: live', '2: 1-10', '2: live']);
  t.ok(replays.ready);
  replays.add(1, new CatchUp(channel(10), 10, source(1, 10)), false);
  replays.pump();
  t.same(sink.take(), ['3: 1-10', '3: live'], 'row 1 has its chunk in flight');
});

t.test('many channels of one row share its chunk', async (t) => {
  const sink = new Recorder();
  const replays = new Replays({ chunkBytes: 100, turnBytes: 10_000 }, sink, () => 0);
  for (let i = 0; i < 4; i += 1) replays.add(1, new CatchUp(channel(4), 1, source(1, 4)), false);
  replays.pump();
  t.same(sink.take(), ['1: 1-4', '1: live', '1: 1-4', '1: live', '1: 1-2'], 'one hundred bytes');
  replays.onWritable(1);
  replays.pump();
  t.same(sink.take(), ['1: 1-4', '1: live', '1: 3-4', '1: live']);
});

t.test('channels at their head cost no chunk', async (t) => {
  const sink = new Recorder();
  const replays = new Replays({ chunkBytes: 100, turnBytes: 1000 }, sink, () => 0);
  for (let i = 0; i < 50; i += 1) replays.add(1, new CatchUp(channel(4), 5, source(1, 4)), false);
  replays.pump();
  t.equal(sink.take().length, 50);
  t.equal(replays.active, 0, 'nothing in flight, nothing kept');
  t.equal(sink.waiting.size, 0);
});

t.test('a lagging row waits before its first chunk', async (t) => {
  const sink = new Recorder();
  let now = 0;
  const replays = new Replays({ chunkBytes: 100, turnBytes: 1000 }, sink, () => now);
  replays.add(1, new CatchUp(channel(4), 1, source(1, 4)), true);
  replays.pump();
  t.same(sink.take(), []);
  t.same([...sink.waiting], [1]);
  now = 29_999;
  t.same(replays.stalled(30_000), []);
  now = 30_000;
  t.same(replays.stalled(30_000), [1]);
  replays.onWritable(1);
  t.same(replays.stalled(30_000), []);
  replays.pump();
  t.same(sink.take(), ['1: 1-4', '1: live']);
  now = 100_000;
  t.same(replays.stalled(30_000), [], 'caught up: how slowly it reads the rest is the engine\'s matter');
});

t.test('cancelling', async (t) => {
  const sink = new Recorder();
  const replays = new Replays({ chunkBytes: 100, turnBytes: 1000 }, sink, () => 0);
  const first = new CatchUp(channel(4), 1, source(1, 4));
  const second = new CatchUp(channel(4), 2, source(1, 4));
  replays.add(1, first, false);
  replays.add(1, second, false);
  t.equal(replays.find(1, (job): job is CatchUp => job === second), second);
  replays.cancel(1, (job) => job === first);
  replays.pump();
  t.same(sink.take(), ['1: 2-4', '1: live']);
  replays.add(2, new CatchUp(channel(4), 1, source(1, 4)), false);
  replays.cancelRow(2);
  replays.add(2, new CatchUp(channel(4), 3, source(1, 4)), false);
  replays.pump();
  t.same(sink.take(), ['2: 3-4', '2: live'], 'what was queued for the former connection is void');
  replays.cancel(9, () => true);
  replays.cancelRow(9);
  replays.onWritable(9);
});

t.test('a failing read ends the row\'s replay only', async (t) => {
  const sink = new Recorder();
  const replays = new Replays({ chunkBytes: 100, turnBytes: 1000 }, sink, () => 0);
  const failing: ReplaySource = {
    read: () => {
      throw new Error('disk');
    },
  };
  replays.add(1, new CatchUp(channel(4), 1, failing), false);
  replays.add(2, new CatchUp(channel(4), 1, source(1, 4)), false);
  replays.pump();
  t.same(sink.take(), ['1: disk', '2: 1-4', '2: live']);
  t.equal(replays.find(1, (job): job is ReplayJob & CatchUp => job instanceof CatchUp), undefined);
});

t.test('tiers: hot first, then the log, and never above what is published', async (t) => {
  const run = (firstSeq: number, count: number): FrameRun => ({
    firstSeq, lastSeq: firstSeq + count - 1, frames: new Uint8Array(count * 10),
    ends: Uint32Array.from({ length: count }, (_, i) => (i + 1) * 10),
  });
  const hot = {
    read: (_id: number, from: number, count: number) => {
      const taken = Math.min(count, 5);
      return from < 20 ? null : [{ address: from * 10, length: 10 * taken, lastSeq: from + taken - 1 }];
    },
    firstSeq: () => 20,
  };
  const tiers = new TieredSource(hot, { read: (_id, from, count) => run(Math.max(from, 8), count) });
  t.match(tiers.read(1, 20, 22, 1000), { firstSeq: 20, lastSeq: 22, length: 30, pieces: [{ address: 200 }], frames: null });
  t.match(tiers.read(1, 10, 12, 1000), { firstSeq: 10, lastSeq: 12, length: 30, pieces: null });
  t.match(tiers.read(1, 5, 9, 1000), { firstSeq: 8, lastSeq: 9, length: 20 }, 'a run that skips what expired is cut');
  t.equal(tiers.read(1, 5, 7, 1000), null, 'and none is left of one that begins above');
  const unlogged = new TieredSource(hot, { read: () => null });
  t.match(unlogged.read(1, 5, 30, 1000), { firstSeq: 20, lastSeq: 24 }, 'what is not logged may still be in memory');
});

/** A source that has to fetch every run first, when the test says so. */
class Remote implements ReplaySource {
  readonly #under = source(1, 30);
  #fetched = -1;
  fetches: { resolve: () => void; reject: (error: Error) => void }[] = [];
  read(channelId: number, fromSeq: number, toSeq: number, maxBytes: number): ReplayRun | null | Promise<void> {
    if (this.#fetched === fromSeq) return this.#under.read(channelId, fromSeq, toSeq, maxBytes);
    return new Promise((resolve, reject) => {
      const done = (): void => {
        this.#fetched = fromSeq;
        resolve();
      };
      this.fetches.push({ resolve: done, reject });
    });
  }
}

t.test('what has to be fetched is waited for, and other rows go on meanwhile', async (t) => {
  const sink = new Recorder();
  const remote = new Remote();
  const replays = new Replays({ chunkBytes: 200, turnBytes: 1000 }, sink, () => 0, () => queueMicrotask(() => replays.pump()));
  replays.add(1, new CatchUp(channel(30), 21, remote), false);
  replays.add(2, new CatchUp(channel(25), 21, source(1, 25)), false);
  await new Promise(setImmediate);
  t.same(sink.take(), ['2: 21-25', '2: live']);
  t.ok(replays.find(1, (job): job is CatchUp => job instanceof CatchUp), 'the row still counts as catching up');
  t.same(replays.stalled(0).filter((row) => row === 1), [], 'who waits for the store is no slow consumer');
  remote.fetches.shift()?.resolve();
  await new Promise(setImmediate);
  t.same(sink.take(), ['1: 21-30', '1: live']);
});

t.test('a job that is cancelled while its messages are fetched sends nothing; one whose messages cannot be read fails', async (t) => {
  const sink = new Recorder();
  const remote = new Remote();
  const replays = new Replays({ chunkBytes: 200, turnBytes: 1000 }, sink, () => 0, () => queueMicrotask(() => replays.pump()));
  replays.add(1, new CatchUp(channel(30), 1, remote), false);
  await new Promise(setImmediate);
  replays.cancel(1, () => true);
  remote.fetches.shift()?.resolve();
  await new Promise(setImmediate);
  t.same(sink.take(), []);
  t.equal(replays.active, 0);
  replays.add(1, new CatchUp(channel(30), 2, remote), false);
  await new Promise(setImmediate);
  remote.fetches.shift()?.reject(new Error('no'));
  await new Promise(setImmediate);
  t.same(sink.take(), ['1: no']);
  t.equal(replays.active, 0);
});
