/** Reads what the segments of a folder hold, as it was when the process that wrote them ended. */

import { readdirSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { DataFolderError } from '../../errors.js';
import { decodeSession, readSessionHead } from '../session-codec.js';
import type { SessionRecord } from '../session-store.js';
import { deviceHash, fingerprint, wordsAt } from './ids.js';
import { batchEnd, KIND, readAlive, readSegmentHead, RECORD, recordsOf, SEGMENT, type Alive } from './format.js';
import { PLACE, SessionPlaces, type Place } from './places.js';
import { SegmentFile } from './segment-file.js';
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
const REMEDY = { remedy: 'Restore the data folder from a copy, or move its sessions away: clients then begin new ones.' };

/** Throws DataFolderError. */
export function recover(folder: string, expected: number): Recovered {
  const reader = new Reader(folder, expected);
  const numbers = readdirSync(folder).map((name) => NAME.exec(name)?.[1]).filter((digits) => digits !== undefined).map(Number);
  numbers.sort((a, b) => a - b);
  for (const number of numbers) reader.read(number, number === numbers.at(-1));
  return reader.finish();
}

class Reader {
  readonly #folder: string;
  readonly #places: SessionPlaces;
  readonly #segments = new Map<number, SegmentFile>();
  readonly #alive = new Map<number, Alive>();
  /** When each session was begun, of those that have a device. */
  readonly #begun = new Map<Place, number>();
  #content: Buffer = Buffer.alloc(0);
  #segment = 0;
  #start = 0;
  #created = 0;
  #batch = -1;
  #newest = -1;
  /** By place: length of its record. */
  #lengths: Uint32Array = new Uint32Array(1024);

  constructor(folder: string, expected: number) {
    this.#folder = folder;
    this.#places = new SessionPlaces(expected);
  }

  read(number: number, last: boolean): void {
    const path = join(this.#folder, segmentName(number));
    const content = SegmentFile.content(path);
    const head = readSegmentHead(content);
    if (head === null) {
      // A crash at its very beginning: nothing was in it.
      if (last && content.length <= SEGMENT.BYTES) return unlinkSync(path);
      throw new DataFolderError(path, 'is not a segment of a session store, or is damaged', REMEDY);
    }
    if (this.#batch >= 0 && head.firstBatch !== this.#batch + 1) {
      throw new DataFolderError(path, `begins with batch ${head.firstBatch}, where ${this.#batch + 1} should follow`, REMEDY);
    }
    this.#batch = head.firstBatch - 1;
    this.#content = content;
    this.#segment = number;
    let at: number = SEGMENT.BYTES;
    for (let end; (end = batchEnd(content, at, this.#batch + 1)) >= 0; at = end) {
      recordsOf(content, at, (record) => this.#record(record));
      this.#batch += 1;
    }
    this.#segments.set(number & 0xffff, SegmentFile.adopt(path, number, head, at));
    this.#start = Math.max(this.#start, head.start);
    this.#newest = number;
  }

  finish(): Recovered {
    const places = this.#places;
    for (let place = 0; place < places.end; place += 1) {
      if (!places.has(place, PLACE.owned)) continue;
      const alive = this.#alive.get(this.#segments.get(places.segment(place))?.head.start ?? 0);
      if (alive !== undefined && alive.until > places.until(place)) places.setUntil(place, alive.until);
    }
    return {
      places, segments: this.#segments, alive: this.#alive, start: this.#start + 1, created: this.#created,
      batch: Math.max(0, this.#batch), newest: this.#newest, liveBytes: this.#lengths.reduce((sum, length) => sum + length, 0),
    };
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
    setPlace(this.#places, place, this.#segment, record, bytes, record + RECORD.BODY);
    this.#created = Math.max(this.#created, created);
    this.#setLength(place, length);
    if (!readSessionHead(bytes, record + RECORD.BODY).hasDevice) return;
    this.#giveDevice(place, decodeSession('', bytes.subarray(record + RECORD.BODY, record + length)), created);
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
    const record = decodeSession('', bytes.subarray(RECORD.BODY));
    return record.user === user && record.device === device;
  }

  #bytesAt(place: Place): Buffer {
    const segment = this.#places.segment(place);
    const offset = this.#places.offset(place);
    if (segment === (this.#segment & 0xffff)) return this.#content.subarray(offset);
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
