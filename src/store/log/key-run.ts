import type { KeyHash } from '../key-hash.js';

/**
 * A run: the hashes of many messages' duplicate keys with their seqs, written once. It has 64 × 8^level buckets by the hash's first bits,
 * some 300 entries each, and a Bloom filter for each bucket, which is kept in memory.
 */

const BUCKET_BITS = 6;
const LEVEL_BITS = 3;
export const RUNS_TO_MERGE = 2 ** LEVEL_BITS;
/** 6 + 3 × 7 bits of the hash choose the bucket: 10^10 messages and more. */
export const MAX_LEVEL = 7;
/** high u32 · low u32 · seq as two u32. */
export const KEY_ENTRY_BYTES = 16;
/** Twenty bits for each of 310 keys and six of them looked at: one look in 3,000 is for nothing, one in 100 with twice the keys. */
export const FILTER_BYTES = 768;
/** Buckets whose filters are one record. */
export const FILTER_GROUP = 64;
const FILTER_BITS = FILTER_BYTES * 8;
const PROBES = 6;
const U32 = 0x1_0000_0000;

export interface RunInfo {
  readonly id: number;
  readonly level: number;
  /** The newest chunk that has a message of it. */
  readonly lastChunk: number;
}

export const bucketsOf = (level: number): number => 2 ** (BUCKET_BITS + LEVEL_BITS * level);

export const bucketOf = (high: number, level: number): number => high >>> (32 - BUCKET_BITS - LEVEL_BITS * level);

export function addToFilter(filter: Uint8Array, bucket: number, low: number): void {
  const base = bucket * FILTER_BYTES;
  const step = (low >>> 16) | 1;
  for (let i = 0, at = low; i < PROBES; i++, at += step) {
    const bit = ((at & 0xffff) * FILTER_BITS) >>> 16;
    filter[base + (bit >>> 3)]! |= 1 << (bit & 7);
  }
}

export function filterHas(filter: Uint8Array, bucket: number, low: number): boolean {
  const base = bucket * FILTER_BYTES;
  const step = (low >>> 16) | 1;
  for (let i = 0, at = low; i < PROBES; i++, at += step) {
    const bit = ((at & 0xffff) * FILTER_BITS) >>> 16;
    if ((filter[base + (bit >>> 3)]! & (1 << (bit & 7))) === 0) return false;
  }
  return true;
}

/** The seqs in a bucket's record that have this hash. */
export function seqsIn(record: Buffer, length: number, { high, low }: KeyHash): number[] {
  const seqs: number[] = [];
  for (let at = 0; at < length; at += KEY_ENTRY_BYTES) {
    if (record.readInt32LE(at) !== high || record.readInt32LE(at + 4) !== low) continue;
    seqs.push(record.readUInt32LE(at + 8) + record.readUInt32LE(at + 12) * U32);
  }
  return seqs;
}

/** Entries sorted into the buckets of one part of a run, and the filters over them. */
export class BucketSet {
  readonly #words: Uint32Array;
  readonly #bytes: Buffer;
  /** By bucket: where its entries begin; after the fill, where they end. */
  readonly #ends: Uint32Array;
  readonly #level: number;
  readonly #first: number;

  /** `counts`: entries of each bucket, from the run's bucket `first` on. */
  constructor(level: number, first: number, counts: Uint32Array) {
    this.#level = level;
    this.#first = first;
    this.#ends = new Uint32Array(counts.length);
    let total = 0;
    for (let i = 0; i < counts.length; i++) {
      this.#ends[i] = total;
      total += counts[i]!;
    }
    // Not from Node's pool: LMDB's thread reads it, and its address is looked up once per ArrayBuffer.
    const memory = new ArrayBuffer(total * KEY_ENTRY_BYTES);
    this.#words = new Uint32Array(memory);
    this.#bytes = Buffer.from(memory);
  }

  add(filter: Uint8Array, high: number, low: number, seqLow: number, seqHigh: number): void {
    const bucket = bucketOf(high, this.#level);
    const at = this.#ends[bucket - this.#first]!++ * 4;
    this.#words[at] = high;
    this.#words[at + 1] = low;
    this.#words[at + 2] = seqLow;
    this.#words[at + 3] = seqHigh;
    addToFilter(filter, bucket, low);
  }

  /** The records, from the first bucket on. */
  *records(): Generator<Buffer> {
    let from = 0;
    for (const end of this.#ends) {
      yield this.#bytes.subarray(from * KEY_ENTRY_BYTES, end * KEY_ENTRY_BYTES);
      from = end;
    }
  }
}

export const seqLow = (seq: number): number => seq >>> 0;
export const seqHigh = (seq: number): number => Math.floor(seq / U32);
