import type { KeyHash } from '../key-hash.js';

const INITIAL_ENTRIES = 1024;

/**
 * Hashes of duplicate keys, by the message's number: a chained hash table in typed arrays. A Map of strings was the largest single
 * cost of a publish, for the strings' hashing and for what they cost the garbage collector (bench/micro/publisher.mjs).
 */
export class TailKeys {
  size = 0;
  #high = new Int32Array(INITIAL_ENTRIES);
  #low = new Int32Array(INITIAL_ENTRIES);
  /** The message before this one in its bucket, or -1. */
  #chain = new Int32Array(INITIAL_ENTRIES);
  #buckets = new Int32Array(INITIAL_ENTRIES * 2).fill(-1);

  /** Of the next message; they are numbered from 0. */
  add({ high, low }: KeyHash): void {
    const message = this.size++;
    if (message === this.#high.length) this.#grow();
    this.#high[message] = high;
    this.#low[message] = low;
    this.#link(message, high);
  }

  #link(message: number, high: number): void {
    const bucket = high & (this.#buckets.length - 1);
    this.#chain[message] = this.#buckets[bucket]!;
    this.#buckets[bucket] = message;
  }

  /** Forgets all and keeps the memory. */
  clear(): void {
    this.size = 0;
    this.#buckets.fill(-1);
  }

  /** The newest message with this hash, or -1. */
  find(hash: KeyHash): number {
    return this.#match(this.#buckets[hash.high & (this.#buckets.length - 1)]!, hash);
  }

  /** The one before `message` with this hash, or -1. */
  findBefore(message: number, hash: KeyHash): number {
    return this.#match(this.#chain[message]!, hash);
  }

  #match(from: number, { high, low }: KeyHash): number {
    let message = from;
    while (message >= 0 && (this.#high[message] !== high || this.#low[message] !== low)) message = this.#chain[message]!;
    return message;
  }

  high(message: number): number {
    return this.#high[message]!;
  }

  low(message: number): number {
    return this.#low[message]!;
  }

  #grow(): void {
    const entries = this.#high.length * 2;
    this.#high = larger(this.#high, new Int32Array(entries));
    this.#low = larger(this.#low, new Int32Array(entries));
    this.#chain = new Int32Array(entries);
    this.#buckets = new Int32Array(entries * 2).fill(-1);
    for (let message = 0; message < entries / 2; message++) this.#link(message, this.#high[message]!);
  }
}

function larger(column: Int32Array, next: Int32Array<ArrayBuffer>): Int32Array<ArrayBuffer> {
  next.set(column);
  return next;
}
