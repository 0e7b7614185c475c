/**
 * Sessions in files that are only appended to, found by their places in memory. What is written in one turn of the event loop, and while
 * a write is under way, is one write. Everything is decided in memory, within one turn, so that whoever reads, decides and writes is alone.
 */

import { join } from 'node:path';
import { StoreError } from '../../errors.js';
import {
  CURSOR_MAX, decodeSession, encodeSession, isFresh, readSessionHead, sessionBound, writeFirstCursor, writeReleased, writeSession,
} from '../sessions/session-codec.js';
import { getDouble, getU32 } from '../little-endian.js';
import type { ChannelCursor, FirstCursors, SessionRecord, SessionTimes } from '../sessions/session-store.js';
import { storeError } from '../store-failure.js';
import { RECORD, SEGMENT, sealBatch, type Alive } from './format.js';
import { Group, viewOf, type Words } from './group.js';
import { PLACE, SessionPlaces, type Place } from './places.js';
import type { Recovered } from './recovery.js';
import { SegmentFile } from './segment-file.js';

/** Groups that were written last stay in memory: what is read of a session is mostly what was just written. */
const RECENT = 8;
const RECENT_BYTES = 1 << 20;
const FIRST_READ = 512;
/** Where so many records come with one write, what comes in the next moment goes with what waits: a write costs as much as ten. */
const CROWD = 32;
const CROWD_MS = 2;
const NO_CURSORS: FirstCursors = [];

export class SessionLog {
  readonly places: SessionPlaces;
  readonly segments: Map<number, SegmentFile>;
  /** Leases that were prolonged, by the process that held them (its start). */
  readonly alive: Map<number, Alive>;
  readonly start: number;
  /** A segment takes no further batch beyond this. */
  readonly segmentBytes: number;
  /** Called when a write is done. */
  onWritten: () => void = () => undefined;
  readonly #folder: string;
  readonly #firstSegment: number;
  #created: number;
  #batch: number;
  #newest: number;
  #gathering: Group;
  #committing: Group | null = null;
  #recent: Group[] = [];
  /** Nothing is being written, but the loop that writes goes on. */
  #pausing = false;
  #aliveWritten = true;
  #scheduled = false;
  #closed = false;
  #running: Promise<void> = Promise.resolve();
  #scratch = Buffer.allocUnsafeSlow(FIRST_READ);
  #liveBytes: number;
  /** Places that createMany() made, and where their records are. */
  #made = new Int32Array(0);
  #madeAt = new Uint32Array(0);

  constructor(folder: string, recovered: Recovered, segmentBytes: number) {
    this.#folder = folder;
    this.segmentBytes = segmentBytes;
    this.places = recovered.places;
    this.segments = recovered.segments;
    this.alive = recovered.alive;
    this.start = recovered.start;
    this.#created = recovered.created;
    this.#batch = recovered.batch;
    this.#newest = recovered.newest + 1;
    this.#firstSegment = this.#newest;
    this.#liveBytes = recovered.liveBytes;
    this.#gathering = new Group(this.#newest, SEGMENT.BYTES, null);
  }

  /** Bytes of the sessions' latest records. */
  get liveBytes(): number {
    return this.#liveBytes;
  }

  get newest(): number {
    return this.#newest;
  }

  /** Whether the session's latest record is not durable yet. */
  isPending(place: Place): boolean {
    const [segment, offset] = [this.places.segment(place), this.places.offset(place)];
    return this.#gathering.holds(segment, offset) || this.#committing?.holds(segment, offset) === true;
  }

  /** Whether its owner is a process that has ended. */
  isOrphan(place: Place): boolean {
    return this.places.has(place, PLACE.owned) && ((this.places.segment(place) - this.#firstSegment) << 16) < 0;
  }

  /** The record of a place, with what its lease was prolonged to; null where it is another session's. Throws StoreError. */
  read(place: Place, id: string, words: Words): SessionRecord | null {
    return this.#record(place, this.bytesOf(place), 0, id, words);
  }

  /** The record at `at`. */
  #record(place: Place, bytes: Buffer, at: number, id: string, words: Words): SessionRecord | null {
    return !isOf(viewOf(bytes), at, words) ? null : this.#prolonged(place, decodeSession(id, bytes, at + RECORD.BODY));
  }

  /** What there is of a session that is not there. Throws StoreError when the store is closed. */
  none(): null {
    this.#check();
    return null;
  }

  /** Good until the next call. Throws StoreError. */
  bytesOf(place: Place): Buffer {
    this.#check();
    const [segment, offset] = [this.places.segment(place), this.places.offset(place)];
    const group = this.#groupOf(segment, offset);
    if (group !== null) {
      const at = offset - group.base;
      return group.bytes.subarray(at, at + group.bytes.readUInt32LE(at + RECORD.LENGTH));
    }
    const file = this.segments.get(segment);
    if (file === undefined) throw new StoreError(`a segment of the sessions in ${this.#folder} is missing`, false);
    let got = file.readAt(this.#scratch, offset);
    const length = got < RECORD.BODY ? RECORD.BODY : this.#scratch.readUInt32LE(RECORD.LENGTH);
    if (length > this.#scratch.length) {
      this.#scratch = Buffer.allocUnsafeSlow(2 ** Math.ceil(Math.log2(length)));
      got = file.readAt(this.#scratch, offset);
    }
    if (got < length) throw new StoreError(`${file.path} ends within a session`, false);
    return this.#scratch.subarray(0, length);
  }

  /** The group in memory that has this place of a segment. */
  #groupOf(segment: number, offset: number): Group | null {
    if (this.#gathering.holds(segment, offset)) return this.#gathering;
    if (this.#committing?.holds(segment, offset) === true) return this.#committing;
    for (let i = 0; i < this.#recent.length; i += 1) if (this.#recent[i]!.holds(segment, offset)) return this.#recent[i]!;
    return null;
  }

  /** A new session. The promise is the same for all that becomes durable together. Throws StoreError. */
  create(words: Words, high: number, low: number, record: SessionRecord, device: number | null, formerDevice: Place): Promise<void> {
    this.#check();
    const place = this.places.add(high, low);
    this.#created += 1;
    try {
      this.#put(place, words, this.#created, record, 0, formerDevice);
    } catch (error) {
      this.places.remove(place);
      throw error;
    }
    if (formerDevice >= 0) this.places.setDevice(formerDevice, null);
    if (device !== null) this.places.setDevice(place, device);
    return this.#gathering.settled;
  }

  /** New sessions that differ in their ids, four words each, and in having their one of `cursors`. Throws StoreError. */
  createMany(ids: Uint32Array, count: number, record: SessionRecord, cursors: FirstCursors = NO_CURSORS): Promise<void> {
    this.#check();
    const { places } = this;
    const group = this.#gathering;
    const body = encodeSession(record);
    const { flags, generation, until } = placeHead(body, 0);
    if (this.#made.length < count) [this.#made, this.#madeAt] = [new Int32Array(count), new Uint32Array(count)];
    const [made, madeAt] = [this.#made, this.#madeAt];
    const former = group.end;
    group.addMany(ids, count, this.#created + 1, viewOf(body), cursors, madeAt);
    this.#created += count;
    places.addMany(ids, count, made);
    for (let i = 0; i < count; i += 1) {
      group.remember(places, made[i]!, true);
      places.set(made[i]!, group.segment, madeAt[i]!, generation, flags, until);
    }
    this.#grow(group, group.end - former);
    this.#schedule();
    return group.settled;
  }

  /**
   * Another record of the session, made from the one that there is: resolves with true. Null: it is another session, or `change` makes
   * none. Throws StoreError.
   */
  change(place: Place, id: string, words: Words, change: (record: SessionRecord) => SessionRecord | null): Promise<true> | null {
    this.#check();
    const offset = this.places.offset(place);
    const holder = this.#groupOf(this.places.segment(place), offset);
    const former = holder?.bytes ?? this.bytesOf(place);
    const from = holder === null ? 0 : offset - holder.base;
    const created = getDouble(former, from + RECORD.CREATED);
    const length = getU32(former, from + RECORD.LENGTH);
    const record = this.#record(place, former, from, id, words);
    const changed = record === null ? null : change(record);
    if (changed === null) return null;
    this.#put(place, words, created, changed, length, -1);
    return this.#gathering.done;
  }

  /** The session is forgotten. What the log still has of it is found again at the next start, and forgotten again. */
  forget(place: Place): void {
    this.#liveBytes -= this.#liveBytes / this.places.count;
    this.places.remove(place);
  }

  /** The same for a session's first cursor, without reading the record; null where it has some, or for other reasons not so simple. */
  addFirstCursor(place: Place, words: Words, cursor: ChannelCursor): Promise<true> | null {
    this.#check();
    const offset = this.places.offset(place);
    const holder = this.#groupOf(this.places.segment(place), offset);
    // Of the same memory it may be: a group's that grows meanwhile is left behind, not changed.
    const former = holder?.view ?? viewOf(this.bytesOf(place));
    const from = holder === null ? 0 : offset - holder.base;
    // A lease that was prolonged stands in no record yet.
    if (!isOf(former, from, words) || !isFresh(former, from + RECORD.BODY, this.places.until(place))) return null;
    const length = former.getUint32(from + RECORD.LENGTH, true);
    const group = this.#gathering;
    const body = group.claim(length - RECORD.BODY + CURSOR_MAX);
    const start = group.copy(former, from, length);
    const end = writeFirstCursor(group.bytes, body, start + length, cursor);
    group.remember(this.places, place, false);
    // All else that the place has of the record is as it was.
    this.places.move(place, group.segment, group.commitCopy(end));
    this.#grow(group, end - start - length);
    this.#schedule();
    return group.done;
  }

  /**
   * The session's connection is gone, and `cursor` is all that is to be told of its channels. Null where its record is another session's,
   * or not so simple.
   */
  release(place: Place, words: Words, times: SessionTimes, cursor: ChannelCursor | null): Promise<true> | null {
    this.#check();
    const offset = this.places.offset(place);
    const holder = this.#groupOf(this.places.segment(place), offset);
    const former = holder?.bytes ?? this.bytesOf(place);
    const from = holder === null ? 0 : offset - holder.base;
    if (!isOf(holder?.view ?? viewOf(former), from, words)) return null;
    const length = getU32(former, from + RECORD.LENGTH);
    const group = this.#gathering;
    const body = group.claim(length - RECORD.BODY);
    const end = writeReleased(former, from + RECORD.BODY, from + length, cursor, times, group.bytes, body);
    if (end < 0) return null;
    this.#append(place, words, getDouble(former, from + RECORD.CREATED), body, end, length, -1);
    return group.done;
  }

  /** Start of the process that wrote the session's record. */
  writerOf(place: Place): number {
    return this.isOrphan(place) ? (this.segments.get(this.places.segment(place))?.head.start ?? 0) : this.start;
  }

  /** Leases of sessions whose records these processes wrote last longer now. */
  async prolong(writers: Iterable<number>, alive: Alive): Promise<void> {
    this.#check();
    for (const writer of writers) this.alive.set(writer, alive);
    return this.writeAlive();
  }

  /** Writes again what is known of the leases. */
  writeAlive(): Promise<void> {
    this.#aliveWritten = false;
    this.#schedule();
    return this.#gathering.settled;
  }

  /** Leases of processes that have no segment left are nobody's. */
  forgetAlive(): void {
    const starts = new Set([...this.segments.values()].map(({ head }) => head.start));
    for (const start of this.alive.keys()) if (start !== this.start && !starts.has(start)) this.alive.delete(start);
  }

  /** Writes what there is and ends. */
  async close(): Promise<void> {
    if (this.#closed) return this.#running;
    this.#closed = true;
    if (this.#isIdle && this.#waiting) this.#running = this.#commitAll();
    await this.#running;
    for (const file of this.segments.values()) file.close();
    this.segments.clear();
  }

  get #isIdle(): boolean {
    return this.#committing === null && !this.#pausing;
  }

  get #waiting(): boolean {
    return this.#gathering.count > 0 || !this.#aliveWritten;
  }

  #check(): void {
    if (this.#closed) throw new StoreError('the session store is closed', false);
  }

  /** `formerBytes`: length of the record that this one replaces, 0 for a new session. */
  #put(place: Place, words: Words, created: number, record: SessionRecord, formerBytes: number, formerDevice: Place): void {
    this.#check();
    const group = this.#gathering;
    const body = group.claim(sessionBound(record));
    const end = writeSession(record, group.bytes, body);
    this.#append(place, words, created, body, end, formerBytes, formerDevice);
  }

  /** The record whose body is there, in the gathering group, becomes the session's. */
  #append(place: Place, words: Words, created: number, body: number, end: number, formerBytes: number, formerDevice: Place): void {
    const group = this.#gathering;
    group.remember(this.places, place, formerBytes === 0, formerDevice);
    const offset = group.commit(words, 0, created, end);
    this.#grow(group, end - body + RECORD.BODY - formerBytes);
    setPlace(this.places, place, group.segment, offset, group.bytes, body);
    this.#schedule();
  }

  #grow(group: Group, bytes: number): void {
    this.#liveBytes += bytes;
    group.growth += bytes;
  }

  /** An owned session with the lease that it has by now. */
  #prolonged(place: Place, record: SessionRecord): SessionRecord {
    const leaseUntil = this.places.until(place) * 1000;
    if (record.owner === null || leaseUntil <= record.leaseUntil) return record;
    const alive = this.alive.get(this.writerOf(place));
    if (alive === undefined) return record;
    return { ...record, leaseUntil, expiresAt: leaseUntil + alive.expires, forgetAt: leaseUntil + alive.forget };
  }

  #schedule(): void {
    if (this.#scheduled || !this.#isIdle) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      if (this.#isIdle && this.#waiting && !this.#closed) this.#running = this.#commitAll();
    });
  }

  /** Never rejects: writers are told through their groups. */
  async #commitAll(): Promise<void> {
    while (this.#waiting) {
      const group = this.#gathering;
      if (!this.#aliveWritten) for (const [start, alive] of this.alive) group.addAlive(start, alive);
      this.#aliveWritten = true;
      const isFull = group.next > this.segmentBytes;
      const [segment, base] = isFull ? [group.segment + 1, SEGMENT.BYTES] : [group.segment, group.next];
      this.#committing = group;
      this.#gathering = new Group(segment, base, this.#memory());
      try {
        await this.#write(group);
        this.#committing = null;
        this.#recent.unshift(group);
        group.resolve();
      } catch (error) {
        this.#fail(group, error);
      }
      this.onWritten();
      if (group.count < CROWD || this.#closed) continue;
      this.#pausing = true;
      await new Promise((resolve) => setTimeout(resolve, CROWD_MS));
      this.#pausing = false;
    }
  }

  async #write(group: Group): Promise<void> {
    let file = this.segments.get(group.segment & 0xffff);
    if (file === undefined) {
      const path = join(this.#folder, segmentName(group.segment));
      file = await SegmentFile.create(path, group.segment, { start: this.start, firstBatch: this.#batch + 1 });
      this.segments.set(group.segment & 0xffff, file);
      this.#newest = group.segment;
    }
    sealBatch(group.bytes, group.end, this.#batch + 1, group.count);
    await file.write(group.bytes, group.end, group.base);
    this.#batch += 1;
  }

  /** What gathered meanwhile may build on what failed, so it fails too. */
  #fail(group: Group, cause: unknown): void {
    const error = storeError(cause, this.#folder);
    const behind = this.#gathering;
    behind.undo(this.places);
    group.undo(this.places);
    this.#liveBytes -= group.growth + behind.growth;
    this.#committing = null;
    this.#gathering = new Group(group.segment, group.base, null);
    group.reject(error);
    behind.reject(error);
  }

  /** A group that need not be kept any more. */
  #memory(): Group | null {
    const last = this.#recent.length >= RECENT ? this.#recent.pop() : undefined;
    return last === undefined || last.bytes.length > RECENT_BYTES ? null : last;
  }
}

function isOf(view: DataView, record: number, words: Words): boolean {
  for (let i = 0; i < 4; i += 1) if (view.getUint32(record + RECORD.ID + i * 4, true) !== words[i]) return false;
  return true;
}

export function segmentName(number: number): string {
  return `sessions-${String(number).padStart(9, '0')}.log`;
}

/** The place's record is at `offset` of the segment; its body is at `body` of `bytes`. */
export function setPlace(places: SessionPlaces, place: Place, segment: number, offset: number, bytes: Buffer, body: number): void {
  const { generation, flags, until } = placeHead(bytes, body);
  places.set(place, segment, offset, generation, flags, until);
}

/** What a place has of the record whose body is at `body`. */
function placeHead(bytes: Buffer, body: number): { readonly generation: number; readonly flags: number; readonly until: number } {
  const { owned, ended, generation, leaseUntil, forgetAt } = readSessionHead(bytes, body);
  const flags = (owned ? PLACE.owned : 0) | (ended ? PLACE.ended : 0);
  // Never after its lease's end, and never before it may be forgotten.
  const until = owned ? Math.floor(leaseUntil / 1000) : Math.ceil(forgetAt / 1000);
  return { generation, flags, until: Math.min(until, 0xffffffff) };
}
