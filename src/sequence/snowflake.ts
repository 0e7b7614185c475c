import { InvalidError } from '../errors.js';
import { EPOCH_MS } from '../store/message-id.js';

/**
 * Snowflake ids: 41 bits of milliseconds since EPOCH_MS, 10 bits of worker, 12 bits of counter. They never step back and none
 * is given twice by one worker, whatever the clock does, as long as a new process starts above the last one's timestamp.
 */

const MAX_WORKER = 1023;
const COUNTERS = 4096;
const LOW = 10_000;
const TIMESTAMP_SHIFT = 4_194_304n; // 2^22
const WORKER_SHIFT = 4096;

/** "0000" to "9999": an id is a prefix, made once a millisecond, and one of these. */
const LOW_DIGITS: readonly string[] = Array.from({ length: LOW }, (_, i) => String(i).padStart(4, '0'));

export class Snowflake {
  readonly #worker: number;
  /** Milliseconds since the Unix epoch of the last id. */
  #timestamp: number;
  #counter = COUNTERS;
  /** All digits but the last four of the id with counter 0 in this millisecond, and its last four. */
  #prefix = '';
  #base = 0;
  /** The prefix has been stepped on because the last four digits overflowed. */
  #carried = false;

  /** `lastTimestamp`: highest one used with this worker number before, or 0. */
  constructor(worker: number, lastTimestamp: number) {
    if (!Number.isInteger(worker) || worker < 0 || worker > MAX_WORKER)
      throw new InvalidError(`worker: an integer from 0 to ${MAX_WORKER}`);
    this.#worker = worker;
    this.#timestamp = Math.max(lastTimestamp, EPOCH_MS);
  }

  /** Of the last id, in milliseconds since the Unix epoch. Never below an earlier one; ahead of the clock after a step back. */
  get timestamp(): number {
    return this.#timestamp;
  }

  /** `now` in milliseconds since the Unix epoch. A clock behind the last id goes on in that id's millisecond, then in the next. */
  next(now: number): string {
    const millisecond = Math.floor(now);
    if (millisecond > this.#timestamp) this.#start(millisecond);
    else if (this.#counter >= COUNTERS) this.#start(this.#timestamp + 1);
    let low = this.#base + this.#counter++;
    if (low >= LOW) {
      low -= LOW;
      if (!this.#carried) this.#carry();
    }
    return this.#prefix + LOW_DIGITS[low]!;
  }

  #start(timestamp: number): void {
    this.#timestamp = timestamp;
    this.#counter = 0;
    this.#carried = false;
    const first = this.#first();
    this.#prefix = (first / BigInt(LOW)).toString();
    this.#base = Number(first % BigInt(LOW));
  }

  #first(): bigint {
    return BigInt(this.#timestamp - EPOCH_MS) * TIMESTAMP_SHIFT + BigInt(this.#worker * WORKER_SHIFT);
  }

  #carry(): void {
    this.#carried = true;
    this.#prefix = (this.#first() / BigInt(LOW) + 1n).toString();
  }
}
