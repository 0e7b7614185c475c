import type { StoreError } from '../../errors.js';
import { putU32 } from '../little-endian.js';
import { EncodedCursor } from '../sessions/encoded-cursor.js';
import { CURSOR_MAX, writeFirstCursor, writeFirstEncoded } from '../sessions/session-codec.js';
import type { ChannelCursor, FirstCursors } from '../sessions/session-store.js';
import { ALIVE, BATCH, KIND, RECORD, type Alive } from './format.js';
import { PLACE, type Place, type SessionPlaces } from './places.js';

/** 128 bits as four words. */
export type Words = ArrayLike<number>;

/** Numbers that undo keeps of a record: the place, what it was (a segment below 0: new), the session that its device had before or -1. */
const UNDO = 7;

const INITIAL_BYTES = 1 << 16;
const INITIAL_UNDO = 64 * UNDO;

/** What one write makes durable: records as they will stand in the file, and how things were before. */
export class Group {
  readonly segment: number;
  /** Where it stands in the segment. */
  readonly base: number;
  bytes: Buffer;
  /** The same bytes. */
  view: DataView;
  end: number = BATCH.BYTES;
  count = 0;
  /** By which the sessions' latest records became longer. */
  growth = 0;
  #undo: Float64Array;
  #undone = 0;
  readonly settled: Promise<void>;
  /** The same, for methods that say whether they did something. */
  readonly done: Promise<true>;
  resolve!: () => void;
  reject!: (error: StoreError) => void;

  /** `former`: a group that is over and whose memory is nobody's, or null. */
  constructor(segment: number, base: number, former: Group | null) {
    this.segment = segment;
    this.base = base;
    this.bytes = former?.bytes ?? Buffer.allocUnsafeSlow(INITIAL_BYTES);
    this.view = former?.view ?? viewOf(this.bytes);
    this.#undo = former === null ? new Float64Array(INITIAL_UNDO) : former.#undo;
    this.settled = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
    this.done = this.settled.then(() => true);
    // Who does not wait has nothing to be told; who does has the same promise.
    this.settled.catch(() => undefined);
    this.done.catch(() => undefined);
  }

  /** Where the group ends in the segment. */
  get next(): number {
    return this.base + this.end;
  }

  holds(segment: number, offset: number): boolean {
    return segment === (this.segment & 0xffff) && offset >= this.base && offset < this.base + this.end;
  }

  /** Makes room for a record with a body of up to `bound` bytes; returns where its body begins in `bytes`. */
  claim(bound: number): number {
    const needed = this.end + RECORD.BODY + bound;
    if (needed > this.bytes.length) {
      const larger = Buffer.allocUnsafeSlow(2 ** Math.ceil(Math.log2(needed)));
      this.bytes.copy(larger, 0, 0, this.end);
      this.bytes = larger;
      this.view = viewOf(larger);
    }
    return this.end + RECORD.BODY;
  }

  /** Finishes the record that was claimed last, of the session whose id is `words` from `first` on; returns where it will be. */
  commit(words: Words, first: number, created: number, bodyEnd: number): number {
    const at = this.end;
    const { view } = this;
    view.setUint32(at + RECORD.LENGTH, bodyEnd - at, true);
    view.setUint32(at + RECORD.KIND, KIND.session, true);
    for (let i = 0; i < 4; i += 1) view.setUint32(at + RECORD.ID + i * 4, words[first + i] as number, true);
    view.setFloat64(at + RECORD.CREATED, created, true);
    this.end = bodyEnd;
    this.count += 1;
    return this.base + at;
  }

  /** Copies a record of a group to where one was claimed; returns where it begins in `bytes`. */
  copy(from: DataView, at: number, length: number): number {
    copyBytes(from, at, length, this.view, this.end);
    return this.end;
  }

  /** Finishes the copy, of the same session, which ends at `end` by now; returns where it will be in the segment. */
  commitCopy(end: number): number {
    const at = this.end;
    putU32(this.bytes, at + RECORD.LENGTH, end - at);
    this.end = end;
    this.count += 1;
    return this.base + at;
  }

  /**
   * Adds records of `count` sessions whose ids are `ids`, four words for each: all have the body that is in `body`, and their one of
   * `cursors` behind it. `created`: of the first. Where they will be in the segment is written to `into`. Throws StoreError, and has none.
   */
  addMany(ids: Words, count: number, created: number, body: DataView, cursors: FirstCursors, into: Uint32Array): void {
    const former = { end: this.end, count: this.count };
    const length = body.byteLength;
    try {
      for (let i = 0; i < count; i += 1) {
        const cursor = cursors[i] ?? null;
        const start = this.claim(cursor === null ? length : length + CURSOR_MAX);
        copyBytes(body, 0, length, this.view, start);
        const end = cursor === null ? start + length : this.#addCursor(cursor, start, start + length);
        into[i] = this.commit(ids, i * 4, created + i, end);
      }
    } catch (error) {
      Object.assign(this, former);
      throw error;
    }
  }

  /** The session of [body, end) gets its first cursor; returns where it ends. */
  #addCursor(cursor: ChannelCursor, body: number, end: number): number {
    if (cursor instanceof EncodedCursor) return writeFirstEncoded(this.view, body, end, cursor);
    return writeFirstCursor(this.bytes, body, end, cursor);
  }

  addAlive(start: number, { until, expires, forget }: Alive): void {
    const at = this.claim(ALIVE.BYTES - RECORD.BODY) - RECORD.BODY;
    const { bytes } = this;
    bytes.fill(0, at, at + ALIVE.BYTES);
    bytes.writeUInt32LE(ALIVE.BYTES, at + RECORD.LENGTH);
    bytes.writeUInt32LE(KIND.alive, at + RECORD.KIND);
    bytes.writeDoubleLE(start, at + RECORD.CREATED);
    bytes.writeDoubleLE(until, at + ALIVE.UNTIL);
    bytes.writeDoubleLE(expires, at + ALIVE.EXPIRES);
    bytes.writeDoubleLE(forget, at + ALIVE.FORGET);
    this.end += ALIVE.BYTES;
    this.count += 1;
  }

  /** Remembers how the place is now. `fresh`: it was just made. */
  remember(places: SessionPlaces, place: Place, fresh: boolean, formerDevice: Place = -1): void {
    if (this.#undone + UNDO > this.#undo.length) {
      const larger = new Float64Array(this.#undo.length * 2);
      larger.set(this.#undo);
      this.#undo = larger;
    }
    const undo = this.#undo;
    const at = this.#undone;
    this.#undone += UNDO;
    undo[at] = place;
    undo[at + 1] = fresh ? -1 : places.segment(place);
    undo[at + 6] = formerDevice;
    if (fresh) return;
    undo[at + 2] = places.offset(place);
    undo[at + 3] = places.generation(place);
    undo[at + 4] = places.flags(place);
    undo[at + 5] = places.until(place);
  }

  /** Puts the places back as they were before this group. */
  undo(places: SessionPlaces): void {
    const undo = this.#undo;
    for (let at = this.#undone - UNDO; at >= 0; at -= UNDO) {
      const [place, segment, offset, generation, flags, until, formerDevice] = undo.subarray(at, at + UNDO) as unknown as [
        Place, number, number, number, number, number, Place,
      ];
      const hash = formerDevice >= 0 ? places.deviceHash(place) : 0;
      if (segment < 0) places.remove(place);
      else places.set(place, segment, offset, generation, flags, until);
      if (formerDevice >= 0 && places.has(formerDevice, PLACE.used)) places.setDevice(formerDevice, hash);
    }
    this.#undone = 0;
  }
}

/** Four bytes at a time: a call that copies costs as much as all of them. */
function copyBytes(from: DataView, at: number, length: number, into: DataView, to: number): void {
  let i = 0;
  for (; i + 4 <= length; i += 4) into.setUint32(to + i, from.getUint32(at + i, true), true);
  for (; i < length; i += 1) into.setUint8(to + i, from.getUint8(at + i));
}

export function viewOf({ buffer, byteOffset, length }: Buffer): DataView {
  return new DataView(buffer, byteOffset, length);
}
