import type { ByteRange } from './lmdb-env.js';
import type { DuplicateKey } from './log-keys.js';

const INITIAL_ENTRIES = 64;
const INITIAL_BYTES = 4096;

/**
 * Duplicate keys in memory: a chained hash table in typed arrays over one buffer of keys. A Map of strings was the largest single
 * cost of a publish, for the strings' hashing and for what they cost the garbage collector (bench/micro/publisher.mjs).
 */
export class TailKeys {
  size = 0;
  readonly #range = { bytes: Buffer.alloc(0), from: 0, to: 0 };
  #bytes = Buffer.allocUnsafeSlow(INITIAL_BYTES);
  /** Entry i is #bytes from #offsets[i] to #offsets[i + 1]. */
  #offsets = new Uint32Array(INITIAL_ENTRIES + 1);
  #seqs = new Float64Array(INITIAL_ENTRIES);
  #hashes = new Int32Array(INITIAL_ENTRIES);
  /** Next entry of the same bucket, or -1. */
  #chain = new Int32Array(INITIAL_ENTRIES);
  /** Entry before this one of the same channel, or -1. */
  #before = new Int32Array(INITIAL_ENTRIES);
  #buckets = new Int32Array(INITIAL_ENTRIES * 2).fill(-1);

  /** `before` is the channel's last entry, or -1. Returns the new entry. */
  add(key: DuplicateKey, seq: number, before: number): number {
    const entry = this.size++;
    if (entry === this.#seqs.length) this.#growEntries();
    const from = this.#offsets[entry]!;
    const to = from + key.length;
    if (to > this.#bytes.length) this.#growBytes(to);
    copyShort(key.bytes, this.#bytes, from, key.length);
    this.#offsets[entry + 1] = to;
    this.#seqs[entry] = seq;
    this.#hashes[entry] = key.hash;
    this.#before[entry] = before;
    const bucket = key.hash & (this.#buckets.length - 1);
    this.#chain[entry] = this.#buckets[bucket]!;
    this.#buckets[bucket] = entry;
    return entry;
  }

  /** The seq of the key, or -1. */
  find(key: DuplicateKey): number {
    let entry = this.#buckets[key.hash & (this.#buckets.length - 1)]!;
    while (entry >= 0) {
      if (this.#hashes[entry] === key.hash && this.#equals(entry, key)) return this.#seqs[entry]!;
      entry = this.#chain[entry]!;
    }
    return -1;
  }

  #equals(entry: number, key: DuplicateKey): boolean {
    const from = this.#offsets[entry]!;
    return this.#bytes.compare(key.bytes, 0, key.length, from, this.#offsets[entry + 1]) === 0;
  }

  before(entry: number): number {
    return this.#before[entry]!;
  }

  seq(entry: number): number {
    return this.#seqs[entry]!;
  }

  /** Valid until the next call: one object stands for all. */
  key(entry: number): ByteRange {
    this.#range.bytes = this.#bytes;
    this.#range.from = this.#offsets[entry]!;
    this.#range.to = this.#offsets[entry + 1]!;
    return this.#range;
  }

  #growBytes(needed: number): void {
    const larger = Buffer.allocUnsafeSlow(Math.max(needed, this.#bytes.length * 2));
    this.#bytes.copy(larger);
    this.#bytes = larger;
  }

  #growEntries(): void {
    const entries = this.#seqs.length * 2;
    const offsets = new Uint32Array(entries + 1);
    offsets.set(this.#offsets);
    this.#offsets = offsets;
    const seqs = new Float64Array(entries);
    seqs.set(this.#seqs);
    this.#seqs = seqs;
    this.#hashes = larger(this.#hashes, entries);
    this.#before = larger(this.#before, entries);
    this.#chain = larger(this.#chain, entries);
    this.#buckets = new Int32Array(entries * 2).fill(-1);
    for (let entry = 0; entry < entries / 2; entry++) {
      const bucket = this.#hashes[entry]! & (this.#buckets.length - 1);
      this.#chain[entry] = this.#buckets[bucket]!;
      this.#buckets[bucket] = entry;
    }
  }
}

function larger(column: Int32Array, entries: number): Int32Array<ArrayBuffer> {
  const next = new Int32Array(entries);
  next.set(column);
  return next;
}

/** Keys are some 40 bytes: a loop costs less than the call of copy(). */
function copyShort(source: Buffer, target: Buffer, at: number, length: number): void {
  for (let i = 0; i < length; i++) target[at + i] = source[i]!;
}
