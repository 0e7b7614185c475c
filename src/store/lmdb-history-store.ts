import type { StoreError } from '../errors.js';
import { Damage } from './damage.js';
import { FolderLock } from './folder-lock.js';
import { runOfFrames } from './frame-run.js';
import { ENTRY_HEADER, openEntry, sealEntry, type HistoryEntry } from './history-entry.js';
import type { HistoryBounds, HistoryLimits, HistoryPlace, HistorySegment, HistoryStore } from './history-store.js';
import { LmdbEnv } from './lmdb-env.js';
import { nameKey, readU48, segmentKey, seqValue } from './log/table-keys.js';
import { compareIds, idHigh, idLow } from './message-id.js';
import type { FrameRun } from './types.js';

export interface LmdbHistoryOptions {
  /** Made when it is missing. */
  readonly folder: string;
  readonly mapBytes?: number;
  /** Messages cannot be read any more, because bits have changed on the disk; once for each. */
  readonly onDamage?: (error: StoreError) => void;
}

/**
 * - places: epoch and channel -> number of the place;
 * - messages: (place, seq) -> id, server_ts, frame (history-entry.ts);
 * - meta: the next place's number.
 */
const TABLES = ['places', 'messages', 'meta'] as const;
type Env = LmdbEnv<(typeof TABLES)[number]>;

const NEXT_PLACE = Buffer.from('nextPlace');
const LAST_SEQ = 2 ** 47;
/** Messages that retention removes of a channel in one go. */
const REMOVED_MAX = 2000;

interface Entry {
  readonly key: Buffer;
  readonly value: Buffer;
}

const seqOf = ({ key }: Entry): number => readU48(key, 4);

/**
 * The cold tier in an LMDB file: for one node, on a disk that is larger or cheaper than the log's. A message that the disk has changed
 * is as if it were not there, and reported.
 */
export class LmdbHistoryStore implements HistoryStore {
  readonly #lock: FolderLock;
  readonly #env: Env;
  readonly #damage: Damage;
  /** Settles with the last commit that was asked for. */
  #last: Promise<void> = Promise.resolve();
  /** Key of the place behind which retention goes on. */
  #retained: Buffer = Buffer.alloc(0);

  /** Throws DataFolderError when the folder cannot be used or another process has it. */
  constructor({ folder, mapBytes = 2 ** 38, onDamage = () => undefined }: LmdbHistoryOptions) {
    LmdbEnv.prepare(folder);
    this.#lock = new FolderLock(folder);
    try {
      this.#env = new LmdbEnv({ folder, file: 'history.mdb', names: TABLES, what: 'history store', mapBytes });
    } catch (error) {
      this.#lock.release();
      throw error;
    }
    this.#damage = new Damage(this.#env.path, onDamage);
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
    const memory = Buffer.from(new ArrayBuffer(frames.length + ends.length * ENTRY_HEADER));
    let from = 0;
    let at = 0;
    ends.forEach((end, i) => {
      const value = memory.subarray(at, (at += ENTRY_HEADER + end - from));
      const key = segmentKey(place, firstSeq + i);
      frames.copy(value, ENTRY_HEADER, from, end);
      sealEntry(value, key, ids[i] as string, serverTs[i] as number);
      from = end;
      if (!there.has(firstSeq + i)) void messages.put(key, value);
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
    const taken = id === null ? null : this.#take(this.#range(id, Math.max(1, fromSeq), false), 1, maxCount, maxBytes);
    return taken === null ? null : runOfFrames(taken.seq, taken.frames);
  }

  async readBack(place: HistoryPlace, toSeq: number, maxCount: number, maxBytes: number): Promise<FrameRun | null> {
    const id = this.#place(place);
    const taken = id === null ? null : this.#take(this.#range(id, toSeq, true), -1, maxCount, maxBytes);
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
      if (frames.length >= maxCount || (frames.length > 0 && seqOf(entry) !== seq + frames.length * step)) break;
      const opened = this.#whole(entry);
      if (opened === null && frames.length > 0) break;
      if (opened === null) continue;
      if (frames.length === 0) seq = seqOf(entry);
      bytes += opened.frame.length;
      if (bytes > maxBytes && frames.length > 0) break;
      frames.push(Buffer.from(opened.frame));
    }
    return frames.length === 0 ? null : { seq, frames };
  }

  /** Null where it is damaged. */
  #whole({ key, value }: Entry): HistoryEntry | null {
    const opened = openEntry(key, value);
    if (typeof opened !== 'string') return opened;
    this.#damage.report(`message ${readU48(key, 4)} of its channel ${key.readUInt32BE(0)}`, opened);
    return null;
  }

  #place(place: HistoryPlace): number | null {
    const stored = this.#env.tables.places.getBinary(placeKey(place));
    return stored === undefined ? null : readU48(stored, 0);
  }

  #range(place: number, seq: number, reverse: boolean): Iterable<Entry> {
    const end = reverse ? segmentKey(place, 0) : segmentKey(place, LAST_SEQ);
    return this.#env.tables.messages.getRange({ start: segmentKey(place, seq), end, reverse });
  }

  #first(place: number, seq: number, reverse: boolean): Entry | null {
    for (const entry of this.#range(place, seq, reverse)) return entry;
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
    return this.#search(this.#place(place), ({ serverTs }) => serverTs >= ts);
  }

  async seqAfterId(place: HistoryPlace, id: string): Promise<number | null> {
    const high = idHigh(id);
    const low = idLow(id);
    return this.#search(this.#place(place), (entry) => compareIds(entry.idHigh, entry.idLow, high, low) >= 0);
  }

  /**
   * First seq for which `reached` is true; it is false up to some message and true from there on. Behind damaged ones it may be the seq of
   * one of those: nothing that can be read is passed over.
   */
  #search(place: number | null, reached: (entry: HistoryEntry) => boolean): number | null {
    const bounds = place === null ? null : this.#bounds(place);
    if (place === null || bounds === null) return null;
    let low = bounds.oldestSeq;
    let high = bounds.newestSeq + 1;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      const found = this.#firstWhole(place, middle, high);
      if (found === null || reached(found.entry)) high = middle;
      else low = found.seq + 1;
    }
    const found = this.#first(place, low, false);
    return found === null ? null : seqOf(found);
  }

  #firstWhole(place: number, from: number, end: number): { readonly seq: number; readonly entry: HistoryEntry } | null {
    for (const found of this.#range(place, from, false)) {
      const seq = seqOf(found);
      if (seq >= end) return null;
      const entry = this.#whole(found);
      if (entry !== null) return { seq, entry };
    }
    return null;
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
    const young = before === null ? oldestSeq : (this.#search(place, ({ serverTs }) => serverTs >= before) ?? newestSeq + 1);
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
