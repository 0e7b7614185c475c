import { FolderLock } from './folder-lock.js';
import { runOfFrames } from './frame-run.js';
import type { HistoryBounds, HistoryLimits, HistoryPlace, HistorySegment, HistoryStore } from './history-store.js';
import { LmdbEnv } from './lmdb-env.js';
import { nameKey, readU48, segmentKey, seqValue } from './log/table-keys.js';
import { compareIds, idHigh, idLow } from './message-id.js';
import type { FrameRun } from './types.js';

export interface LmdbHistoryOptions {
  /** Made when it is missing. */
  readonly folder: string;
  readonly mapBytes?: number;
}

/**
 * - places: epoch and channel -> number of the place;
 * - messages: (place, seq) -> id, server_ts, frame;
 * - meta: the next place's number.
 */
const TABLES = ['places', 'messages', 'meta'] as const;
type Env = LmdbEnv<(typeof TABLES)[number]>;

const NEXT_PLACE = Buffer.from('nextPlace');
const LAST_SEQ = 2 ** 47;
/** id: high f64, low u32; server_ts f64. */
const VALUE_HEADER = 20;
/** Messages that retention removes of a channel in one go. */
const REMOVED_MAX = 2000;

interface Entry {
  readonly key: Buffer;
  readonly value: Buffer;
}

const seqOf = ({ key }: Entry): number => readU48(key, 4);

/** The cold tier in an LMDB file: for one node, on a disk that is larger or cheaper than the log's. */
export class LmdbHistoryStore implements HistoryStore {
  readonly #lock: FolderLock;
  readonly #env: Env;
  /** Settles with the last commit that was asked for. */
  #last: Promise<void> = Promise.resolve();
  /** Key of the place behind which retention goes on. */
  #retained: Buffer = Buffer.alloc(0);

  /** Throws DataFolderError when the folder cannot be used or another process has it. */
  constructor({ folder, mapBytes = 2 ** 38 }: LmdbHistoryOptions) {
    LmdbEnv.prepare(folder);
    this.#lock = new FolderLock(folder);
    try {
      this.#env = new LmdbEnv({ folder, file: 'history.mdb', names: TABLES, what: 'history store', mapBytes });
    } catch (error) {
      this.#lock.release();
      throw error;
    }
  }

  // --- writing

  write(segments: readonly HistorySegment[]): Promise<void> {
    return this.#commit(({ tables }) => {
      const made = new Map<string, number>();
      for (const segment of segments) this.#put(tables, segment, this.#placeFor(tables, segment, made));
    });
  }

  #commit(write: (env: Env) => void): Promise<void> {
    const result = this.#last.then(() => this.#env.commit(() => write(this.#env)));
    this.#last = result.catch(() => undefined);
    return result;
  }

  /** `made`: places that this commit makes. */
  #placeFor({ places, meta }: Env['tables'], place: HistoryPlace, made: Map<string, number>): number {
    const key = placeKey(place);
    const name = key.toString('latin1');
    const known = made.get(name) ?? this.#place(place);
    if (known !== null) return known;
    const stored = meta.getBinary(NEXT_PLACE);
    const next = Math.max(stored === undefined ? 1 : readU48(stored, 0), ...made.values()) + 1;
    made.set(name, next);
    void places.put(key, seqValue(next));
    void meta.put(NEXT_PLACE, seqValue(next));
    return next;
  }

  #put({ messages }: Env['tables'], { firstSeq, ids, serverTs, frames, ends }: HistorySegment, place: number): void {
    const there = this.#there(place, firstSeq, ends.length);
    // One piece of memory: LMDB's thread reads it, and looks an ArrayBuffer's address up once.
    const memory = Buffer.from(new ArrayBuffer(frames.length + ends.length * VALUE_HEADER));
    let from = 0;
    let at = 0;
    ends.forEach((end, i) => {
      const value = memory.subarray(at, (at += VALUE_HEADER + end - from));
      const id = ids[i] as string;
      value.writeDoubleLE(idHigh(id), 0);
      value.writeUInt32LE(idLow(id), 8);
      value.writeDoubleLE(serverTs[i] as number, 12);
      frames.copy(value, VALUE_HEADER, from, end);
      from = end;
      if (!there.has(firstSeq + i)) void messages.put(segmentKey(place, firstSeq + i), value);
    });
  }

  /** Which of these numbers are stored: none, as a rule. */
  #there(place: number, firstSeq: number, count: number): ReadonlySet<number> {
    const range = { start: segmentKey(place, firstSeq), end: segmentKey(place, firstSeq + count) };
    return new Set([...this.#env.tables.messages.getKeys(range)].map((key) => readU48(key, 4)));
  }

  // --- reading

  async read(place: HistoryPlace, fromSeq: number, maxCount: number, maxBytes: number): Promise<FrameRun | null> {
    const id = this.#place(place);
    const taken = id === null ? null : this.#take(this.#range(id, Math.max(1, fromSeq), false, maxCount), 1, maxCount, maxBytes);
    return taken === null ? null : runOfFrames(taken.seq, taken.frames);
  }

  async readBack(place: HistoryPlace, toSeq: number, maxCount: number, maxBytes: number): Promise<FrameRun | null> {
    const id = this.#place(place);
    const taken = id === null ? null : this.#take(this.#range(id, toSeq, true, maxCount), -1, maxCount, maxBytes);
    return taken === null ? null : runOfFrames(taken.seq - taken.frames.length + 1, taken.frames.reverse());
  }

  /** `seq`: of the first that was taken. */
  #take(
    entries: Iterable<Entry>, step: number, maxCount: number, maxBytes: number,
  ): { readonly seq: number; readonly frames: Buffer[] } | null {
    const frames: Buffer[] = [];
    let seq = 0;
    let bytes = 0;
    for (const entry of entries) {
      if (frames.length === 0) seq = seqOf(entry);
      if (seqOf(entry) !== seq + frames.length * step || frames.length >= maxCount) break;
      bytes += entry.value.length - VALUE_HEADER;
      if (bytes > maxBytes && frames.length > 0) break;
      frames.push(Buffer.from(entry.value.subarray(VALUE_HEADER)));
    }
    return frames.length === 0 ? null : { seq, frames };
  }

  #place(place: HistoryPlace): number | null {
    const stored = this.#env.tables.places.getBinary(placeKey(place));
    return stored === undefined ? null : readU48(stored, 0);
  }

  #range(place: number, seq: number, reverse: boolean, limit: number): Iterable<Entry> {
    const end = reverse ? segmentKey(place, 0) : segmentKey(place, LAST_SEQ);
    return this.#env.tables.messages.getRange({ start: segmentKey(place, seq), end, reverse, limit });
  }

  #first(place: number, seq: number, reverse: boolean): Entry | null {
    for (const entry of this.#range(place, seq, reverse, 1)) return entry;
    return null;
  }

  async bounds(place: HistoryPlace): Promise<HistoryBounds | null> {
    const id = this.#place(place);
    return id === null ? null : this.#bounds(id);
  }

  #bounds(place: number): HistoryBounds | null {
    const oldest = this.#first(place, 0, false);
    if (oldest === null) return null;
    const oldestSeq = seqOf(oldest);
    return { oldestSeq, newestSeq: seqOf(this.#first(place, LAST_SEQ, true) ?? oldest) };
  }

  async seqAtTs(place: HistoryPlace, ts: number): Promise<number | null> {
    return this.#search(this.#place(place), (value) => value.readDoubleLE(12) >= ts);
  }

  async seqAfterId(place: HistoryPlace, id: string): Promise<number | null> {
    const high = idHigh(id);
    const low = idLow(id);
    return this.#search(this.#place(place), (value) => compareIds(value.readDoubleLE(0), value.readUInt32LE(8), high, low) >= 0);
  }

  /** First seq for which `reached` is true; it is false up to some message and true from there on. */
  #search(place: number | null, reached: (value: Buffer) => boolean): number | null {
    const bounds = place === null ? null : this.#bounds(place);
    if (place === null || bounds === null) return null;
    let low = bounds.oldestSeq;
    let high = bounds.newestSeq + 1;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      const entry = this.#first(place, middle, false);
      if (entry === null || reached(entry.value)) high = middle;
      else low = seqOf(entry) + 1;
    }
    const found = this.#first(place, low, false);
    return found === null ? null : seqOf(found);
  }

  // --- retention

  async retain(limits: HistoryLimits, channels: number): Promise<number> {
    if (limits.before === null && limits.maxMessages === null) return 0;
    const places = [...this.#env.tables.places.getRange({ start: this.#retained, limit: channels })].map(({ key, value }) => {
      return { key: Buffer.from(key), place: readU48(value, 0) };
    });
    const last = places.at(-1);
    this.#retained = places.length < channels || last === undefined ? Buffer.alloc(0) : Buffer.concat([last.key, Buffer.alloc(1)]);
    let removed = 0;
    for (const { key, place } of places) removed += await this.#retain(key, place, limits);
    return removed;
  }

  async #retain(key: Buffer, place: number, limits: HistoryLimits): Promise<number> {
    if (this.#expired(place, limits).length === 0) return 0;
    let removed = 0;
    // Looked at once more within the commit: a write may have come before it.
    await this.#commit(({ tables }) => {
      const gone = this.#expired(place, limits);
      for (const message of gone) void tables.messages.remove(message);
      const { oldestSeq = 0, newestSeq = 0 } = this.#bounds(place) ?? {};
      if (gone.length === newestSeq - oldestSeq + 1) void tables.places.remove(key);
      removed = gone.length;
    });
    return removed;
  }

  /** Keys of the oldest messages that may go, some of them where there are many. */
  #expired(place: number, { before, maxMessages }: HistoryLimits): Buffer[] {
    const bounds = this.#bounds(place);
    if (bounds === null) return [];
    const { oldestSeq, newestSeq } = bounds;
    const young = before === null ? oldestSeq : (this.#search(place, (value) => value.readDoubleLE(12) >= before) ?? newestSeq + 1);
    const keepFrom = Math.max(young, maxMessages === null ? oldestSeq : newestSeq - maxMessages + 1);
    const range = { start: segmentKey(place, 0), end: segmentKey(place, keepFrom), limit: REMOVED_MAX };
    return [...this.#env.tables.messages.getKeys(range)].map((found) => Buffer.from(found));
  }

  async close(): Promise<void> {
    await this.#last;
    await this.#env.close();
    this.#lock.release();
  }
}

/** The length keeps epoch "a" of channel "bc" and epoch "ab" of channel "c" apart. */
function placeKey({ channel, epoch }: HistoryPlace): Buffer {
  return nameKey(`${epoch.length}:${epoch}${channel}`);
}
