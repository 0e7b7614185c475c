/**
 * Reads what the segments of a folder hold: as it was when the process that wrote them ended, or little by little while it still writes,
 * so that its successor has less to read.
 */

import { readdirSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { DataFolderError } from '../../errors.js';
import { decodeSession, readSessionHead } from '../sessions/session-codec.js';
import type { SessionRecord } from '../sessions/session-store.js';
import { deviceHash, fingerprint, wordsAt } from './ids.js';
import { BATCH, batchEnd, KIND, readAlive, RECORD, recordsOf, type Alive } from './format.js';
import { PLACE, SessionPlaces, type Place } from './places.js';
import { DAMAGED, NO_SEGMENT, SegmentFile } from './segment-file.js';
import { segmentName, setPlace } from './session-log.js';

export interface Recovered {
  readonly places: SessionPlaces;
  readonly segments: Map<number, SegmentFile>;
  readonly alive: Map<number, Alive>;
  /** Of this process. */
  readonly start: number;
  readonly created: number;
  readonly batch: number;
  /** Number of the last segment; -1 for none. */
  readonly newest: number;
  readonly liveBytes: number;
}

const NAME = /^sessions-(\d{9})\.log$/;
const READ_BYTES = 1 << 22;
/** Memory is reserved for at least so many sessions. */
const MANY = 16_384;

/** Throws DataFolderError. */
export function recover(folder: string, expected: number): Recovered {
  const recovery = new Recovery(folder, expected);
  try {
    return recovery.finish();
  } catch (error) {
    recovery.close();
    throw error;
  }
}

export class Recovery {
  readonly #folder: string;
  readonly #places: SessionPlaces;
  readonly #segments = new Map<number, SegmentFile>();
  readonly #alive = new Map<number, Alive>();
  /** When each session was begun, of those that have a device. */
  readonly #begun = new Map<Place, number>();
  /** The segment that is being read. */
  #file: SegmentFile | null = null;
  /** Part of it, and where that begins. */
  #content: Buffer = Buffer.alloc(0);
  #base = 0;
  #memory: Buffer = Buffer.alloc(0);
  #start = 0;
  #created = 0;
  /** Number of the last batch that was read, where it begins in the segment (-1: in another one) and its checksum. */
  #batch = -1;
  #lastAt = -1;
  #lastChecksum = 0;
  /** By place: length of its record. */
  #lengths: Uint32Array = new Uint32Array(1024);

  constructor(folder: string, expected: number) {
    this.#folder = folder;
    this.#places = new SessionPlaces(Math.max(MANY, expected));
  }

  /**
   * Reads about `bytes` more; false when that is all there is at the moment. Throws DataFolderError, also where the process that writes
   * was faster: then everything is to be read again.
   */
  advance(bytes: number): boolean {
    // Before the file: when there is a next one by now, this one has all that it will ever have.
    const numbers = this.#numbers();
    if (this.#file !== null && this.#readOn(this.#file, bytes)) return true;
    const next = numbers.find((number) => number > (this.#file?.number ?? -1));
    if (next !== undefined && this.#open(next, next === numbers.at(-1))) return true;
    this.#letGo(numbers);
    return false;
  }

  /** Reads the rest, when nobody writes any more. Throws DataFolderError. */
  finish(): Recovered {
    while (this.advance(READ_BYTES)) continue;
    if (this.#file !== null) this.#checkLast(this.#file);
    // A crash at its very beginning: nothing was in it.
    for (const number of this.#numbers()) if (!this.#segments.has(number & 0xffff)) unlinkSync(join(this.#folder, segmentName(number)));
    const places = this.#places;
    for (let place = 0; place < places.end; place += 1) {
      if (!places.has(place, PLACE.owned)) continue;
      const alive = this.#alive.get(this.#segments.get(places.segment(place))?.head.start ?? 0);
      if (alive !== undefined && alive.until > places.until(place)) places.setUntil(place, alive.until);
    }
    return {
      places, segments: this.#segments, alive: this.#alive, start: this.#start + 1, created: this.#created,
      batch: Math.max(0, this.#batch), newest: this.#file?.number ?? -1, liveBytes: this.#lengths.reduce((sum, length) => sum + length, 0),
    };
  }

  close(): void {
    for (const file of this.#segments.values()) file.close();
    this.#segments.clear();
  }

  #numbers(): number[] {
    const digits = readdirSync(this.#folder).map((name) => NAME.exec(name)?.[1]);
    return digits.filter((found) => found !== undefined).map(Number).sort((a, b) => a - b);
  }

  #open(number: number, last: boolean): boolean {
    const path = join(this.#folder, segmentName(number));
    const file = SegmentFile.adopt(path, number);
    if (file === null && last) return false;
    if (file === null) throw new DataFolderError(path, NO_SEGMENT, DAMAGED);
    this.#segments.set(number & 0xffff, file);
    const { firstBatch, start } = file.head;
    if (this.#batch >= 0 && firstBatch !== this.#batch + 1) {
      throw new DataFolderError(path, `begins with batch ${firstBatch}, where ${this.#batch + 1} should follow`, DAMAGED);
    }
    this.#batch = firstBatch - 1;
    this.#lastAt = -1;
    this.#start = Math.max(this.#start, start);
    this.#file = file;
    return true;
  }

  /** Reads whole batches; false when there is none. */
  #readOn(file: SegmentFile, bytes: number): boolean {
    const { size } = file;
    for (let want = bytes; file.bytes < size; want *= 2) {
      const end = Math.min(size, file.bytes + want);
      const before = file.bytes;
      this.#load(file, end);
      for (let to; (to = batchEnd(this.#content, file.bytes - this.#base, this.#batch + 1)) >= 0; file.bytes = this.#base + to) {
        this.#take(file.bytes - this.#base);
      }
      if (file.bytes > before) return true;
      if (end === size) return false;
    }
    return false;
  }

  #take(at: number): void {
    recordsOf(this.#content, at, (record) => this.#record(record));
    this.#batch += 1;
    this.#lastAt = this.#base + at;
    this.#lastChecksum = this.#content.readUInt32LE(at + BATCH.CHECKSUM);
  }

  /** Loads the file from the last batch on: what failed to be written is written again in its place, whoever read it meanwhile. */
  #load(file: SegmentFile, end: number): void {
    this.#base = this.#lastAt < 0 ? file.bytes : this.#lastAt;
    const length = end - this.#base;
    if (this.#memory.length < length) this.#memory = Buffer.allocUnsafeSlow(length);
    this.#content = this.#memory.subarray(0, file.readAt(this.#memory.subarray(0, length), this.#base));
    if (this.#lastAt < 0) return;
    const same = batchEnd(this.#content, 0, this.#batch) >= 0 && this.#content.readUInt32LE(BATCH.CHECKSUM) === this.#lastChecksum;
    if (!same) throw new DataFolderError(file.path, 'has changed while it was read', DAMAGED);
  }

  #checkLast(file: SegmentFile): void {
    if (this.#lastAt >= 0) this.#load(file, file.bytes);
  }

  /** The writer removes segments when it has written again what was left in them. What is still there only was forgotten. */
  #letGo(numbers: readonly number[]): void {
    const present = new Set(numbers);
    const gone = [...this.#segments.values()].filter(({ number }) => !present.has(number));
    if (gone.length === 0) return;
    const keys = new Set(gone.map(({ number }) => number & 0xffff));
    const places = this.#places;
    for (let place = 0; place < places.end; place += 1) {
      if (!places.has(place, PLACE.used) || !keys.has(places.segment(place))) continue;
      places.remove(place);
      this.#begun.delete(place);
      this.#setLength(place, 0);
    }
    for (const file of gone) {
      file.close();
      this.#segments.delete(file.number & 0xffff);
    }
    if (this.#file !== null && !present.has(this.#file.number)) throw new DataFolderError(this.#file.path, 'is gone', DAMAGED);
  }

  #record(record: number): void {
    const bytes = this.#content;
    const created = bytes.readDoubleLE(record + RECORD.CREATED);
    if (bytes.readUInt32LE(record + RECORD.KIND) === KIND.alive) {
      this.#alive.set(created, readAlive(bytes, record));
      return;
    }
    const words = wordsAt(bytes, record + RECORD.ID);
    const length = bytes.readUInt32LE(record + RECORD.LENGTH);
    const [high, low] = fingerprint(words);
    const known = this.#places.find(high, low);
    const place = known < 0 ? this.#places.add(high, low) : known;
    setPlace(this.#places, place, this.#file?.number ?? 0, this.#base + record, bytes, record + RECORD.BODY);
    this.#created = Math.max(this.#created, created);
    this.#setLength(place, length);
    if (!readSessionHead(bytes, record + RECORD.BODY).hasDevice) return;
    this.#giveDevice(place, decodeSession('', bytes, record + RECORD.BODY), created);
  }

  #setLength(place: Place, length: number): void {
    if (place >= this.#lengths.length) {
      const larger = new Uint32Array(this.#lengths.length * 2);
      larger.set(this.#lengths);
      this.#lengths = larger;
    }
    this.#lengths[place] = length;
  }

  /** A device finds the session that was begun last, whichever was written last. */
  #giveDevice(place: Place, { user, device }: SessionRecord, created: number): void {
    if (user === null || device === null || this.#begun.has(place)) return;
    const hash = deviceHash(user, device);
    this.#begun.set(place, created);
    // By hash alone: two devices with one hash are two entries, told apart when they are looked for.
    const rival = this.#places.findDevice(hash, (other) => this.#isOf(other, user, device));
    if (rival >= 0 && (this.#begun.get(rival) ?? 0) > created) return;
    if (rival >= 0) this.#places.setDevice(rival, null);
    this.#places.setDevice(place, hash);
  }

  #isOf(place: Place, user: string, device: string): boolean {
    const bytes = this.#bytesAt(place);
    const record = decodeSession('', bytes, RECORD.BODY);
    return record.user === user && record.device === device;
  }

  #bytesAt(place: Place): Buffer {
    const segment = this.#places.segment(place);
    const offset = this.#places.offset(place);
    if (segment === ((this.#file?.number ?? 0) & 0xffff) && offset >= this.#base) return this.#content.subarray(offset - this.#base);
    const bytes = Buffer.alloc(1 << 12);
    const file = this.#segments.get(segment) as SegmentFile;
    const got = file.readAt(bytes, offset);
    const length = bytes.readUInt32LE(RECORD.LENGTH);
    if (got >= length) return bytes;
    const whole = Buffer.alloc(length);
    file.readAt(whole, offset);
    return whole;
  }
}
