import type { Generation } from './generation.js';
import { ENTRY } from './journal-record.js';
import { bucketOf, BucketSet, bucketsOf, FILTER_BYTES, seqHigh, seqLow } from './key-run.js';

/** The run of a generation's keys, made in steps beside its slices: all at once it would hold up this thread as long as ten of them. */
export class KeyDraft {
  readonly filter = new Uint8Array(bucketsOf(0) * FILTER_BYTES);
  readonly #generation: Generation;
  readonly #counts = new Uint32Array(bucketsOf(0));
  #set: BucketSet | null = null;
  #counted = 0;
  #added = 0;

  constructor(generation: Generation) {
    this.#generation = generation;
  }

  /** Each key is counted, then put in its place: that of so many messages. */
  step(messages: number): void {
    const { keys, messages: all } = this.#generation;
    let left = 2 * messages;
    for (; this.#counted < all && left > 0; left--) this.#counts[bucketOf(keys.high(this.#counted++), 0)]!++;
    if (this.#counted < all) return;
    this.#set ??= new BucketSet(0, 0, this.#counts);
    for (; this.#added < all && left > 0; left--) this.#add(this.#set, this.#added++);
  }

  #add(set: BucketSet, message: number): void {
    const { keys, f64 } = this.#generation;
    const seq = f64[(this.#generation.entryOf(message) + ENTRY.SEQ) >> 3]!;
    set.add(this.filter, keys.high(message), keys.low(message), seqLow(seq), seqHigh(seq));
  }

  /** By bucket, with what is not there yet. */
  records(): Iterable<Buffer> {
    this.step(this.#generation.messages);
    return this.#set!.records();
  }
}
