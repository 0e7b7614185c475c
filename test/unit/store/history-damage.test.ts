import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { StoreError } from '../../../src/errors.js';
import type { HistorySegment } from '../../../src/store/history-store.js';
import { ENTRY_HEADER } from '../../../src/store/history-entry.js';
import { LmdbEnv } from '../../../src/store/lmdb-env.js';
import { LmdbHistoryStore } from '../../../src/store/lmdb-history-store.js';

const PLACE = { channel: 'c', epoch: 'e' };
const START = 1_750_000_000_000;
const MESSAGES = 12;
const MAP_BYTES = 2 ** 28;
const frameOf = (seq: number): Buffer => Buffer.from(`written on the disk: ${seq};`);
const idOf = (seq: number): string => String(7_000_000_000_000_000_000n + BigInt(seq));

function segment(firstSeq: number, count: number): HistorySegment {
  const seqs = Array.from({ length: count }, (_, i) => firstSeq + i);
  const frames = seqs.map(frameOf);
  let end = 0;
  return {
    ...PLACE, firstSeq, ids: seqs.map(idOf), serverTs: seqs.map((seq) => START + seq), frames: Buffer.concat(frames),
    ends: Uint32Array.from(frames, ({ length }) => (end += length)),
  };
}

async function written(t: Test): Promise<string> {
  const folder = t.testdir();
  const store = new LmdbHistoryStore({ folder, mapBytes: MAP_BYTES });
  await store.write([segment(1, MESSAGES)]);
  await store.close();
  return folder;
}

/** Flips a bit, as a disk would, wherever the message lies: LMDB leaves former copies of pages behind. */
function damage(folder: string, seq: number, offset = 3): void {
  const path = join(folder, 'history.mdb');
  const bytes = readFileSync(path);
  const text = frameOf(seq);
  for (let at = bytes.indexOf(text); at >= 0; at = bytes.indexOf(text, at + 1)) bytes[at + offset] = bytes[at + offset]! ^ 1;
  writeFileSync(path, bytes);
}

function open(t: Test, folder: string): { store: LmdbHistoryStore; told: StoreError[] } {
  const told: StoreError[] = [];
  const store = new LmdbHistoryStore({ folder, mapBytes: MAP_BYTES, onDamage: (error) => told.push(error) });
  t.teardown(() => store.close());
  return { store, told };
}

/** All that reads from 1 on give; each time begun behind what came last. */
async function readAll(store: LmdbHistoryStore, maxCount: number): Promise<number[]> {
  const seqs: number[] = [];
  for (let from = 1; ; ) {
    const run = await store.read(PLACE, from, maxCount, 1e6);
    if (run === null) return seqs;
    let text = '';
    for (let seq = run.firstSeq; seq <= run.lastSeq; seq += 1) {
      seqs.push(seq);
      text += frameOf(seq).toString();
    }
    if (run.frames.toString() !== text) throw new Error(`other messages than were written: ${run.frames.toString()}`);
    from = run.lastSeq + 1;
  }
}

const without = (...gone: number[]): number[] => Array.from({ length: MESSAGES }, (_, i) => i + 1).filter((seq) => !gone.includes(seq));

t.test('a message of the cold tier whose bits have changed is left out and reported once, and its neighbours are read', async (t) => {
  const folder = await written(t);
  for (const [seq, offset] of [[1, 3], [2, 3], [5, -1], [9, -ENTRY_HEADER], [12, -ENTRY_HEADER + 5]] as const) damage(folder, seq, offset);
  const { store, told } = open(t, folder);
  for (const maxCount of [1, 2, 100]) t.same(await readAll(store, maxCount), without(1, 2, 5, 9, 12));
  t.equal(told.length, 5);
  for (const error of told) t.match(error, { code: 'SLUICE_STORE', retryable: false, message: /history\.mdb is damaged: message \d+ / });
  t.match(await store.readBack(PLACE, MESSAGES, 100, 1e6), { firstSeq: 10, lastSeq: 11 });
  t.match(await store.readBack(PLACE, 9, 2, 1e6), { firstSeq: 7, lastSeq: 8 });
  t.equal(await store.readBack(PLACE, 2, 100, 1e6), null);
  t.same(await store.bounds(PLACE), { oldestSeq: 1, newestSeq: MESSAGES });
  for (const seq of without()) {
    for (const found of [await store.seqAtTs(PLACE, START + seq), await store.seqAfterId(PLACE, idOf(seq))]) {
      const whole = without(1, 2, 5, 9, 12).find((each) => each >= seq);
      if (whole === undefined) continue;
      t.ok(found !== null && found <= whole && found >= seq - 2, `nothing that is there is passed over: ${seq}, ${found}`);
    }
  }
  await store.write([segment(MESSAGES + 1, 1)]);
  t.match(await store.read(PLACE, 12, 10, 1e6), { firstSeq: MESSAGES + 1 }, 'and it goes on');
});

t.test('retention removes what is damaged with what is as old', async (t) => {
  const folder = await written(t);
  for (const seq of [1, 4, 6]) damage(folder, seq);
  const { store } = open(t, folder);
  await store.retain({ before: START + 6, maxMessages: null }, 10);
  t.same(await store.bounds(PLACE), { oldestSeq: 6, newestSeq: MESSAGES });
  await store.retain({ before: null, maxMessages: 3 }, 10);
  t.same(await readAll(store, 100), [10, 11, 12]);
});

/** The values of the messages, changed by `change`; by what number each is stored. */
async function rewrite(folder: string, change: (value: Buffer, seq: number, all: readonly Buffer[]) => Buffer): Promise<void> {
  const names = ['places', 'messages', 'meta'] as const;
  const env = new LmdbEnv({ folder, file: 'history.mdb', names, what: 'history store', mapBytes: MAP_BYTES });
  const entries = [...env.tables.messages.getRange({})].map(({ key, value }) => ({ key: Buffer.from(key), value: Buffer.from(value) }));
  const all = entries.map(({ value }) => value);
  env.commitSync(({ messages }) => {
    for (const [i, { key, value }] of entries.entries()) void messages.put(key, change(value, i + 1, all));
  });
  await env.close();
}

t.test('messages that were written before there were checksums are read as before, and are not written again', async (t) => {
  const folder = await written(t);
  await rewrite(folder, (value, seq) => (seq <= 6 ? value.subarray(8) : value));
  const { store, told } = open(t, folder);
  await store.write([segment(5, 4), segment(MESSAGES + 1, 1)]);
  t.same(await readAll(store, 4), [...without(), MESSAGES + 1]);
  for (const seq of without()) t.equal(await store.seqAtTs(PLACE, START + seq), seq);
  for (const seq of without()) t.equal(await store.seqAfterId(PLACE, idOf(seq)), seq);
  t.same(told, []);
});

t.test('what lies in another\'s place, was cut, or is nothing is no message', async (t) => {
  const folder = await written(t);
  const nothing = (value: Buffer, seq: number, all: readonly Buffer[]): Buffer => {
    if (seq === 3) return all[3]!;
    if (seq === 5) return Buffer.alloc(value.length);
    if (seq === 7) return value.subarray(0, 10);
    return seq === 8 ? Buffer.alloc(0) : seq === 10 ? value.subarray(0, -1) : value;
  };
  await rewrite(folder, nothing);
  const { store, told } = open(t, folder);
  t.same(await readAll(store, 100), without(3, 5, 7, 8, 10));
  t.equal(told.length, 5);
});
