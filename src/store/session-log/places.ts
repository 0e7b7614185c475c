/**
 * Where each session's latest record is, in columns of typed arrays: under 30 bytes for a session and no object. A session is known by
 * 64 bits of its id, which are random; whoever reads a record compares the whole id.
 */

import { HashIndex } from '../hash-index.js';

/** Index of a session's place; -1 for none. */
export type Place = number;

export const PLACE = { used: 1, owned: 2, ended: 4, device: 8 } as const;

const NONE = -1;
/** So many of the places that were made last are found without the index; a power of two. */
const LATEST = 32_768;

export class SessionPlaces {
  #high: Uint32Array;
  #low: Uint32Array;
  /** The low 16 bits of the segment's number. */
  #segment: Uint16Array;
  #offset: Uint32Array;
  /** Generations before the present one: most sessions have none, and pages of zeros take no memory. */
  #former: Uint32Array;
  #flags: Uint8Array;
  #until: Uint32Array;
  #device: Int32Array;
  #used = 0;
  /** Index + 1 of a free place; they are chained through their offsets. */
  #free = 0;
  readonly #byId: HashIndex;
  /**
   * By their hash. A session subscribes right after it began: its place is in cache then, while the index, with as many entries as there
   * are sessions, has another line for each.
   */
  readonly #latest = new Int32Array(LATEST);
  /** The place that was found last: clients mostly come in the order in which their sessions began. */
  #found: Place = NONE;
  readonly #byDevice: HashIndex;
  /** For addMany(). */
  #lows = new Uint32Array(0);

  constructor(expected: number) {
    this.#high = new Uint32Array(expected);
    this.#low = new Uint32Array(expected);
    this.#segment = new Uint16Array(expected);
    this.#offset = new Uint32Array(expected);
    this.#former = new Uint32Array(expected);
    this.#flags = new Uint8Array(expected);
    this.#until = new Uint32Array(expected);
    this.#device = new Int32Array(expected);
    this.#byId = new HashIndex((place) => this.#low[place] as number, expected);
    this.#byDevice = new HashIndex((place) => this.#device[place] as number, expected);
  }

  get count(): number {
    return this.#byId.count;
  }

  /** Places below this may be in use. */
  get end(): Place {
    return this.#used;
  }

  /** Bytes of memory in use: reserved columns that nothing has touched take none. */
  get memoryBytes(): number {
    const devices = this.#byDevice.count === 0 ? 0 : this.#byDevice.bytes + this.#used * 4;
    return this.#used * (4 * 4 + 2 + 1) + this.#byId.bytes + devices;
  }

  find(high: number, low: number): Place {
    const next = this.#found + 1;
    if (next < this.#used && this.#isAt(next, high, low)) return (this.#found = next);
    const latest = this.#latest[low & (LATEST - 1)] as Place;
    if (this.#isAt(latest, high, low)) return (this.#found = latest);
    const index = this.#byId;
    for (let at = index.first(low), place; (place = index.value(at)) >= 0; at = index.next(at)) {
      if (this.#low[place] === low && this.#high[place] === high) return place;
    }
    return NONE;
  }

  #isAt(place: Place, high: number, low: number): boolean {
    return this.#low[place] === low && this.#high[place] === high && this.#flags[place] !== 0;
  }

  /** By the id itself. */
  findId(words: ArrayLike<number>): Place {
    return this.find((words[0]! ^ words[2]!) >>> 0, (words[1]! ^ words[3]!) >>> 0);
  }

  add(high: number, low: number): Place {
    const place = this.#take();
    this.#high[place] = high;
    this.#low[place] = low;
    this.#flags[place] = PLACE.used;
    this.#byId.insert(low, place);
    this.#latest[low & (LATEST - 1)] = place;
    return place;
  }

  /** The same for the first `count` of these ids, of four words each, whose places are written to `into`. */
  addMany(ids: Uint32Array, count: number, into: Int32Array): void {
    if (this.#lows.length < count) this.#lows = new Uint32Array(count);
    const lows = this.#lows;
    for (let i = 0; i < count; i += 1) {
      const at = i * 4;
      const place = this.#take();
      const low = (ids[at + 1]! ^ ids[at + 3]!) >>> 0;
      this.#high[place] = ids[at]! ^ ids[at + 2]!;
      this.#low[place] = low;
      this.#flags[place] = PLACE.used;
      this.#latest[low & (LATEST - 1)] = place;
      lows[i] = low;
      into[i] = place;
    }
    this.#byId.insertMany(lows, into, count);
  }

  remove(place: Place): void {
    this.setDevice(place, null);
    this.#byId.remove(this.#low[place] as number, place);
    this.#flags[place] = 0;
    this.#offset[place] = this.#free;
    this.#free = place + 1;
  }

  /** `flags`: of PLACE; whether it is its device's session stays as it is. */
  set(place: Place, segment: number, offset: number, generation: number, flags: number, until: number): void {
    this.#segment[place] = segment;
    this.#offset[place] = offset;
    if (this.#former[place] !== generation - 1) this.#former[place] = generation - 1;
    this.#flags[place] = PLACE.used | (flags & ~PLACE.device) | ((this.#flags[place] as number) & PLACE.device);
    this.#until[place] = until;
  }

  /** The place's record is elsewhere, and otherwise the same. */
  move(place: Place, segment: number, offset: number): void {
    this.#segment[place] = segment;
    this.#offset[place] = offset;
  }

  flags(place: Place): number {
    return this.#flags[place] as number;
  }

  has(place: Place, flag: number): boolean {
    return ((this.#flags[place] as number) & flag) !== 0;
  }

  segment(place: Place): number {
    return this.#segment[place] as number;
  }

  offset(place: Place): number {
    return this.#offset[place] as number;
  }

  isAt(place: Place, segment: number, offset: number): boolean {
    return this.#segment[place] === (segment & 0xffff) && this.#offset[place] === offset;
  }

  generation(place: Place): number {
    return (this.#former[place] as number) + 1;
  }

  /** In seconds since the Unix epoch: of an owned session its lease's end, of others when it may be forgotten. */
  until(place: Place): number {
    return this.#until[place] as number;
  }

  setUntil(place: Place, until: number): void {
    this.#until[place] = until;
  }

  /** Makes it the session that is found by this hash of its device; null takes it out. */
  setDevice(place: Place, hash: number | null): void {
    const flags = this.#flags[place] as number;
    if ((flags & PLACE.device) !== 0) this.#byDevice.remove(this.#device[place] as number, place);
    this.#flags[place] = hash === null ? flags & ~PLACE.device : flags | PLACE.device;
    if (hash === null) return;
    this.#device[place] = hash;
    this.#byDevice.insert(hash, place);
  }

  deviceHash(place: Place): number {
    return this.#device[place] as number;
  }

  /** The first of the places with this hash that `matches`. */
  findDevice(hash: number, matches: (place: Place) => boolean): Place {
    const index = this.#byDevice;
    for (let at = index.first(hash), place; (place = index.value(at)) >= 0; at = index.next(at)) {
      if (this.#device[place] === hash && matches(place)) return place;
    }
    return NONE;
  }

  #take(): Place {
    if (this.#free !== 0) {
      const place = this.#free - 1;
      this.#free = this.#offset[place] as number;
      return place;
    }
    if (this.#used === this.#low.length) this.#grow();
    this.#used += 1;
    return this.#used - 1;
  }

  #grow(): void {
    const size = Math.max(1024, this.#low.length * 2);
    const grown = <T extends Uint32Array | Uint16Array | Uint8Array | Int32Array>(old: T, larger: T): T => (larger.set(old), larger);
    this.#high = grown(this.#high, new Uint32Array(size));
    this.#low = grown(this.#low, new Uint32Array(size));
    this.#segment = grown(this.#segment, new Uint16Array(size));
    this.#offset = grown(this.#offset, new Uint32Array(size));
    this.#former = grown(this.#former, new Uint32Array(size));
    this.#flags = grown(this.#flags, new Uint8Array(size));
    this.#until = grown(this.#until, new Uint32Array(size));
    this.#device = grown(this.#device, new Int32Array(size));
  }
}
