import type { Test } from 'tap';
import type { HistoryPlace, HistorySegment, HistoryStore } from '../../../src/store/history-store.js';
import type { FrameRun } from '../../../src/store/types.js';
import { StoreError } from '../../../src/errors.js';

/** What every HistoryStore does, whatever it keeps messages in. */
export interface HistoryUnderTest {
  readonly store: HistoryStore;
  /** Closes the store and opens the same one again, as after a restart. */
  reopen(): Promise<HistoryStore>;
}

type Make = (t: Test) => Promise<HistoryUnderTest>;

const A: HistoryPlace = { channel: 'room', epoch: 'e1' };
const START = 1_700_000_000_000;
const idOf = (seq: number): string => String(7_200_000_000_000_000_000n + BigInt(seq) * 5n);
const tsOf = (seq: number): number => START + Math.floor(seq / 4) * 10;
const bodyOf = (seq: number): string => `frame ${seq} ${'x'.repeat(seq % 7)}`;

export function segment(place: HistoryPlace, from: number, to: number, body = bodyOf): HistorySegment {
  const seqs = Array.from({ length: to - from + 1 }, (_, i) => from + i);
  const frames = seqs.map((seq) => Buffer.from(body(seq)));
  let end = 0;
  return {
    ...place, firstSeq: from, ids: seqs.map(idOf), serverTs: seqs.map(tsOf), frames: Buffer.concat(frames),
    ends: Uint32Array.from(frames, ({ length }) => (end += length)),
  };
}

export function bodies(run: FrameRun | null): string[] {
  let from = 0;
  return [...(run?.ends ?? [])].map((end) => Buffer.from(run?.frames.subarray(from, (from = end)) ?? []).toString());
}

const range = (from: number, to: number): string[] => Array.from({ length: to - from + 1 }, (_, i) => bodyOf(from + i));

export function historyStoreSuite(t: Test, make: Make): void {
  readingTests(t, make);
  writingTests(t, make);
  positionTests(t, make);
  retentionTests(t, make);
}

function readingTests(t: Test, make: Make): void {
  t.test('what was written is read in both directions, and after a restart', async (t) => {
    const made = await make(t);
    await made.store.write([segment(A, 1, 20), segment({ ...A, channel: 'other' }, 1, 3), segment(A, 21, 40)]);
    const check = async (store: HistoryStore): Promise<void> => {
      t.same(bodies(await store.read(A, 1, 100, 1e6)), range(1, 40));
      t.match(await store.read(A, 1, 100, 1e6), { firstSeq: 1, lastSeq: 40 });
      t.same(bodies(await store.read(A, 38, 100, 1e6)), range(38, 40));
      t.same(bodies(await store.read(A, 5, 3, 1e6)), range(5, 7));
      t.same(bodies(await store.readBack(A, 10, 3, 1e6)), range(8, 10));
      t.match(await store.readBack(A, 10, 3, 1e6), { firstSeq: 8, lastSeq: 10 });
      t.same(bodies(await store.readBack(A, 1000, 2, 1e6)), range(39, 40));
      t.same(bodies(await store.readBack(A, 2, 10, 1e6)), range(1, 2));
      t.equal(await store.read(A, 41, 10, 1e6), null);
      t.equal(await store.readBack(A, 0, 10, 1e6), null);
      t.equal(await store.read(A, 1, 0, 1e6), null);
      t.same(await store.bounds(A), { oldestSeq: 1, newestSeq: 40 });
    };
    await check(made.store);
    await check(await made.reopen());
  });

  t.test('bytes bound a run, and one message comes whatever its size', async (t) => {
    const { store } = await make(t);
    await store.write([segment(A, 1, 10, () => 'y'.repeat(100))]);
    t.equal((await store.read(A, 1, 10, 350))?.lastSeq, 3);
    t.match(await store.readBack(A, 10, 10, 350), { firstSeq: 8, lastSeq: 10 });
    t.equal((await store.read(A, 4, 10, 1))?.lastSeq, 4);
    t.match(await store.readBack(A, 4, 10, 1), { firstSeq: 4, lastSeq: 4 });
  });

  t.test('a run ends at a hole, and begins behind one', async (t) => {
    const { store } = await make(t);
    await store.write([segment(A, 5, 8), segment(A, 12, 15)]);
    t.match(await store.read(A, 1, 100, 1e6), { firstSeq: 5, lastSeq: 8 });
    t.match(await store.read(A, 9, 100, 1e6), { firstSeq: 12, lastSeq: 15 });
    t.match(await store.readBack(A, 100, 100, 1e6), { firstSeq: 12, lastSeq: 15 });
    t.match(await store.readBack(A, 11, 100, 1e6), { firstSeq: 5, lastSeq: 8 });
  });

  t.test('frames are any bytes, channels any names, numbers beyond 32 bits', async (t) => {
    const { store } = await make(t);
    const bytes = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
    const from = 2 ** 40;
    const names = ['ünï ☃ 🙂', 'a\\"\'; drop table x', 'x'.repeat(255), '{a,b}', 'NULL'];
    for (const channel of names) {
      const place = { channel, epoch: 'e' };
      await store.write([{ ...segment(place, from, from), frames: bytes, ends: Uint32Array.of(bytes.length) }]);
      const run = await store.read(place, 1, 1, 1e6);
      t.equal(run?.firstSeq, from);
      t.ok(bytes.equals(Buffer.from(run?.frames ?? [])));
    }
    t.equal(await store.read({ channel: 'nobody', epoch: 'e' }, 1, 1, 1), null);
    t.equal(await store.bounds({ channel: 'nobody', epoch: 'e' }), null);
  });

  t.test('after close everything is refused', async (t) => {
    const { store } = await make(t);
    await store.write([segment(A, 1, 1)]);
    await store.close();
    await t.rejects(store.write([segment(A, 2, 2)]), StoreError);
    await t.rejects(store.read(A, 1, 1, 1), StoreError);
  });
}

function writingTests(t: Test, make: Make): void {
  t.test('writing again does nothing, whatever the pieces are', async (t) => {
    const { store } = await make(t);
    await store.write([segment(A, 1, 10)]);
    await store.write([segment(A, 1, 10)]);
    await store.write([segment(A, 8, 14, (seq) => (seq <= 10 ? `other ${seq}` : bodyOf(seq)))]);
    await store.write([]);
    t.same(bodies(await store.read(A, 1, 100, 1e6)), range(1, 14));
  });

  t.test('writes at once come together', async (t) => {
    const { store } = await make(t);
    await Promise.all([store.write([segment(A, 1, 50)]), store.write([segment(A, 51, 100)]), store.write([segment(A, 40, 60)])]);
    t.same(bodies(await store.read(A, 1, 1000, 1e6)), range(1, 100));
  });

  t.test('each epoch is a sequence of its own', async (t) => {
    const { store } = await make(t);
    const b = { ...A, epoch: 'e2' };
    await store.write([segment(A, 1, 5), segment(b, 1, 2, (seq) => `second ${seq}`)]);
    t.same(bodies(await store.read(b, 1, 10, 1e6)), ['second 1', 'second 2']);
    t.same(await store.bounds(A), { oldestSeq: 1, newestSeq: 5 });
    // What is joined must not meet what is split elsewhere.
    await store.write([segment({ channel: 'bc', epoch: 'a' }, 1, 1), segment({ channel: 'c', epoch: 'ab' }, 9, 9)]);
    t.same(await store.bounds({ channel: 'bc', epoch: 'a' }), { oldestSeq: 1, newestSeq: 1 });
  });
}

function positionTests(t: Test, make: Make): void {
  t.test('positions by time and by id', async (t) => {
    const { store } = await make(t);
    t.equal(await store.seqAtTs(A, 5), null);
    t.equal(await store.seqAfterId(A, '5'), null);
    await store.write([segment(A, 11, 50), segment(A, 61, 70)]);
    t.equal(await store.seqAtTs(A, 0), 11);
    t.equal(await store.seqAfterId(A, '0'), 11);
    for (const seq of [11, 12, 13, 30, 50, 61, 62, 63, 70]) {
      const first = Array.from({ length: 60 }, (_, i) => i + 11).find((one) => (one <= 50 || one > 60) && tsOf(one) >= tsOf(seq));
      t.equal(await store.seqAtTs(A, tsOf(seq)), first, `time of ${seq}`);
      t.equal(await store.seqAfterId(A, idOf(seq)), seq, `id of ${seq}`);
      t.equal(await store.seqAfterId(A, String(BigInt(idOf(seq)) - 2n)), seq, `just below the id of ${seq}`);
    }
    t.equal(await store.seqAfterId(A, idOf(55)), 61, 'an id in a hole');
    t.equal(await store.seqAtTs(A, tsOf(70) + 1), null);
    t.equal(await store.seqAfterId(A, '9223372036854775807'), null);
  });
}

function retentionTests(t: Test, make: Make): void {
  const all = async (store: HistoryStore, limits: Parameters<HistoryStore['retain']>[0]): Promise<void> => {
    for (let i = 0; i < 10; i += 1) await store.retain(limits, 2);
  };

  t.test('by age and by count, in every channel, with few of them looked at at once', async (t) => {
    const { store } = await make(t);
    const places = Array.from({ length: 5 }, (_, i) => ({ channel: `room${i}`, epoch: 'e' }));
    await store.write(places.map((place) => segment(place, 1, 40)));
    t.equal(await store.retain({ before: null, maxMessages: null }, 100), 0);
    await all(store, { before: tsOf(9), maxMessages: null });
    for (const place of places) t.same(await store.bounds(place), { oldestSeq: 8, newestSeq: 40 });
    await all(store, { before: tsOf(9), maxMessages: 10 });
    for (const place of places) t.same(await store.bounds(place), { oldestSeq: 31, newestSeq: 40 });
    t.same(bodies(await store.read(places[0] as HistoryPlace, 1, 100, 1e6)), range(31, 40));
    await all(store, { before: tsOf(100), maxMessages: null });
    for (const place of places) t.equal(await store.bounds(place), null);
    await store.write([segment(places[0] as HistoryPlace, 41, 42)]);
    t.same(await store.bounds(places[0] as HistoryPlace), { oldestSeq: 41, newestSeq: 42 });
  });
}
