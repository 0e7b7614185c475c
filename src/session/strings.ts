/**
 * Strings off the heap: interned, counted, found by content. Millions of user names cost their bytes and about 20 more each,
 * and the garbage collector never sees them. Index 0 is never given out: columns use it for "none".
 */

import { randomBytes } from 'node:crypto';
import { HashIndex } from '../store/hash-index.js';

/** Bytes are allotted in blocks of this size; the free blocks of each size are chained through their first four bytes. */
const GRAIN = 16;
export const STRING_BYTES_MAX = 255;
const SIZES = Math.ceil(STRING_BYTES_MAX / GRAIN) + 1;
const NONE = 0;

export class StringTable {
  #bytes = Buffer.alloc(64 * 1024);
  #bytesUsed = GRAIN;
  readonly #freeBlocks = new Uint32Array(SIZES);
  #start = new Uint32Array(256);
  #length = new Uint8Array(256);
  #refs = new Uint32Array(256);
  #hash = new Int32Array(256);
  #used = 1;
  #freeIndex = NONE;
  readonly #scratch = Buffer.alloc(STRING_BYTES_MAX * 3 + 4);
  readonly #seed = randomBytes(4).readInt32LE();
  readonly #index: HashIndex;

  constructor() {
    this.#index = new HashIndex((index) => this.#hash[index] as number);
  }

  get count(): number {
    return this.#index.count;
  }

  get memoryBytes(): number {
    const columns = this.#start.byteLength + this.#length.byteLength + this.#refs.byteLength + this.#hash.byteLength;
    return this.#bytes.length + columns + this.#index.bytes;
  }

  /** The string's index, with one reference more. At most STRING_BYTES_MAX bytes of UTF-8, or RangeError. */
  intern(text: string): number {
    const length = this.#load(text);
    const hash = this.#hashOf(length);
    const found = this.#search(hash, length);
    const index = found === NONE ? this.#add(hash, length) : found;
    this.#refs[index] = (this.#refs[index] as number) + 1;
    return index;
  }

  /** The string's index without another reference; 0 where it is not in the table. */
  find(text: string): number {
    if (text.length > STRING_BYTES_MAX) return NONE;
    const length = this.#load(text);
    return this.#search(this.#hashOf(length), length);
  }

  get(index: number): string {
    const start = (this.#start[index] as number) * GRAIN;
    return this.#bytes.toString('utf8', start, start + (this.#length[index] as number));
  }

  release(index: number): void {
    const refs = (this.#refs[index] as number) - 1;
    this.#refs[index] = refs;
    if (refs > 0) return;
    this.#index.remove(this.#hash[index] as number, index);
    this.#freeBlock(this.#start[index] as number, blocksFor(this.#length[index] as number));
    this.#start[index] = this.#freeIndex;
    this.#freeIndex = index;
  }

  #load(text: string): number {
    if (text.length > STRING_BYTES_MAX) throw new RangeError(`string of ${text.length} characters`);
    const length = this.#scratch.write(text, 0, 'utf8');
    if (length > STRING_BYTES_MAX) throw new RangeError(`string of ${length} bytes`);
    return length;
  }

  #search(hash: number, length: number): number {
    for (let at = this.#index.first(hash), index; (index = this.#index.value(at)) >= 0; at = this.#index.next(at)) {
      if (this.#hash[index] === hash && this.#length[index] === length && this.#same(index, length)) return index;
    }
    return NONE;
  }

  #same(index: number, length: number): boolean {
    const start = (this.#start[index] as number) * GRAIN;
    return this.#bytes.compare(this.#scratch, 0, length, start, start + length) === 0;
  }

  /** FNV-1a from a random seed, so that nobody can choose names that collide. */
  #hashOf(length: number): number {
    let hash = 0x811c9dc5 ^ this.#seed;
    for (let i = 0; i < length; i += 1) hash = Math.imul(hash ^ (this.#scratch[i] as number), 0x01000193);
    return hash;
  }

  #add(hash: number, length: number): number {
    const index = this.#takeIndex();
    const start = this.#takeBlock(blocksFor(length));
    this.#scratch.copy(this.#bytes, start * GRAIN, 0, length);
    this.#start[index] = start;
    this.#length[index] = length;
    this.#hash[index] = hash;
    this.#refs[index] = 0;
    this.#index.insert(hash, index);
    return index;
  }

  #takeIndex(): number {
    if (this.#freeIndex !== NONE) {
      const index = this.#freeIndex;
      this.#freeIndex = this.#start[index] as number;
      return index;
    }
    if (this.#used === this.#start.length) this.#growColumns();
    this.#used += 1;
    return this.#used - 1;
  }

  #growColumns(): void {
    const size = this.#start.length * 2;
    const grow = <T extends Uint32Array | Uint8Array | Int32Array>(old: T, larger: T): T => (larger.set(old), larger);
    this.#start = grow(this.#start, new Uint32Array(size));
    this.#length = grow(this.#length, new Uint8Array(size));
    this.#refs = grow(this.#refs, new Uint32Array(size));
    this.#hash = grow(this.#hash, new Int32Array(size));
  }

  #takeBlock(blocks: number): number {
    const free = this.#freeBlocks[blocks] as number;
    if (free !== NONE) {
      this.#freeBlocks[blocks] = this.#bytes.readUInt32LE(free * GRAIN);
      return free;
    }
    while (this.#bytesUsed + blocks * GRAIN > this.#bytes.length) {
      const larger = Buffer.alloc(this.#bytes.length * 2);
      this.#bytes.copy(larger);
      this.#bytes = larger;
    }
    const start = this.#bytesUsed / GRAIN;
    this.#bytesUsed += blocks * GRAIN;
    return start;
  }

  #freeBlock(start: number, blocks: number): void {
    this.#bytes.writeUInt32LE(this.#freeBlocks[blocks] as number, start * GRAIN);
    this.#freeBlocks[blocks] = start;
  }
}

function blocksFor(length: number): number {
  return Math.max(1, Math.ceil(length / GRAIN));
}
