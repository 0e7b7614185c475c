import type { StoreError } from '../../errors.js';
import { ALIVE, BATCH, KIND, RECORD, type Alive } from './format.js';
import { PLACE, type Place, type SessionPlaces } from './places.js';

/** 128 bits as four words. */
export type Words = ArrayLike<number>;

/** Numbers that undo keeps of a record: the place, what it was (a segment below 0: new), the session that its device had before or -1. */
const UNDO = 7;

const INITIAL_BYTES = 1 << 16;

/** What one write makes durable: records as they will stand in the file, and how things were before. */
export class Group {
  readonly segment: number;
  /** Where it stands in the segment. */
  readonly base: number;
  bytes: Buffer;
  end: number = BATCH.BYTES;
  count = 0;
  /** By which the sessions' latest records became longer. */
  growth = 0;
  readonly #undo: number[] = [];
  readonly settled: Promise<void>;
  /** The same, for methods that say whether they did something. */
  readonly done: Promise<true>;
  resolve!: () => void;
  reject!: (error: StoreError) => void;

  /** `bytes`: memory of a group that is over, or null. */
  constructor(segment: number, base: number, bytes: Buffer | null) {
    this.segment = segment;
    this.base = base;
    this.bytes = bytes ?? Buffer.allocUnsafeSlow(INITIAL_BYTES);
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
    }
    return this.end + RECORD.BODY;
  }

  /** Finishes the record that was claimed last; returns where it will be in the segment. */
  commit(words: Words, created: number, bodyEnd: number): number {
    const at = this.end;
    const { bytes } = this;
    bytes.writeUInt32LE(bodyEnd - at, at + RECORD.LENGTH);
    bytes.writeUInt32LE(KIND.session, at + RECORD.KIND);
    for (let i = 0; i < 4; i += 1) bytes.writeUInt32LE(words[i] as number, at + RECORD.ID + i * 4);
    bytes.writeDoubleLE(created, at + RECORD.CREATED);
    this.end = bodyEnd;
    this.count += 1;
    return this.base + at;
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
    const segment = fresh ? -1 : places.segment(place);
    const undo = this.#undo;
    undo.push(place, segment, places.offset(place), places.generation(place), places.flags(place), places.until(place), formerDevice);
  }

  /** Puts the places back as they were before this group. */
  undo(places: SessionPlaces): void {
    const undo = this.#undo;
    for (let at = undo.length - UNDO; at >= 0; at -= UNDO) {
      const [place, segment, offset, generation, flags, until, formerDevice] = undo.slice(at, at + UNDO) as [
        Place, number, number, number, number, number, Place,
      ];
      const hash = formerDevice >= 0 ? places.deviceHash(place) : 0;
      if (segment < 0) places.remove(place);
      else places.set(place, segment, offset, generation, flags, until);
      if (formerDevice >= 0 && places.has(formerDevice, PLACE.used)) places.setDevice(formerDevice, hash);
    }
    undo.length = 0;
  }
}
