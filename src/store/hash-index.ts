/**
 * Open addressing over one Int32Array: finds rows of other columns by a hash, with 5 to 11 bytes for each entry and no object.
 * Linear probing; removal shifts back, so there are no tombstones and lookups stay short for ever.
 */

/** Slots hold value + 1, so that fresh pages are empty slots and take no memory until one is used. */
const EMPTY = 0;

export class HashIndex {
  #slots: Int32Array;
  #mask: number;
  #count = 0;
  readonly #hashOf: (value: number) => number;

  /** `hashOf` gives the hash that a stored value was inserted with. `expected` entries fit without growing. */
  constructor(hashOf: (value: number) => number, expected = 16) {
    this.#hashOf = hashOf;
    const size = powerOfTwo(Math.max(16, Math.ceil(expected / 0.75)));
    this.#slots = new Int32Array(size);
    this.#mask = size - 1;
  }

  get count(): number {
    return this.#count;
  }

  get bytes(): number {
    return this.#slots.byteLength;
  }

  /** Where a search for `hash` begins. Search: `for (let at = first(h); (v = value(at)) >= 0; at = next(at))`. */
  first(hash: number): number {
    return mix(hash) & this.#mask;
  }

  next(at: number): number {
    return (at + 1) & this.#mask;
  }

  /** The value at a place of the search, or -1 at its end. */
  value(at: number): number {
    return (this.#slots[at] as number) - 1;
  }

  insert(hash: number, value: number): void {
    if ((this.#count + 1) * 4 > this.#slots.length * 3) this.#grow();
    let at = this.first(hash);
    while (this.#slots[at] !== EMPTY) at = this.next(at);
    this.#slots[at] = value + 1;
    this.#count += 1;
  }

  /**
   * The first `count` of them, each at its hash. Nothing else is done between two of them: where each comes to lie is in no cache, and
   * so the processor waits for several at a time.
   */
  insertMany(hashes: Uint32Array, values: Int32Array, count: number): void {
    while ((this.#count + count) * 4 > this.#slots.length * 3) this.#grow();
    const slots = this.#slots;
    const mask = this.#mask;
    for (let i = 0; i < count; i += 1) {
      let at = mix(hashes[i] as number) & mask;
      while (slots[at] !== EMPTY) at = (at + 1) & mask;
      slots[at] = (values[i] as number) + 1;
    }
    this.#count += count;
  }

  /** False when the value is not there. */
  remove(hash: number, value: number): boolean {
    let at = this.first(hash);
    while (this.#slots[at] !== value + 1) {
      if (this.#slots[at] === EMPTY) return false;
      at = this.next(at);
    }
    this.#shiftBack(at);
    this.#count -= 1;
    return true;
  }

  #shiftBack(hole: number): void {
    const slots = this.#slots;
    let empty = hole;
    for (let at = this.next(hole); slots[at] !== EMPTY; at = this.next(at)) {
      const stored = slots[at] as number;
      const home = this.first(this.#hashOf(stored - 1));
      // Move unless the value's home lies between the hole and here, cyclically: then it could no longer be found.
      if (((at - home) & this.#mask) >= ((at - empty) & this.#mask)) {
        slots[empty] = stored;
        empty = at;
      }
    }
    slots[empty] = EMPTY;
  }

  #grow(): void {
    const old = this.#slots;
    this.#slots = new Int32Array(old.length * 2);
    this.#mask = this.#slots.length - 1;
    for (const stored of old) {
      if (stored === EMPTY) continue;
      let at = this.first(this.#hashOf(stored - 1));
      while (this.#slots[at] !== EMPTY) at = this.next(at);
      this.#slots[at] = stored;
    }
  }
}

/** Finaliser of MurmurHash3: spreads neighbouring numbers over the table. */
function mix(hash: number): number {
  let h = hash | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

function powerOfTwo(atLeast: number): number {
  return 2 ** Math.ceil(Math.log2(atLeast));
}
