/**
 * The Lamport clock of a node: local = max(local, received) + 1.
 *
 * A client names `received`, so it is bounded: a value above now × 1024 (milliseconds since the Unix epoch) is ignored. No honest
 * clock gets there, because that takes a million messages a second since 1970; whoever pushes the clock to the bound moves it to
 * where time moves it anyway, and 2^53 is reached in the year 2248 by neither.
 */

const TICKS_PER_MS = 1024;

export class LamportClock {
  #value: number;

  /** `start`: the highest value known (MessageLog.maxLamport). */
  constructor(start: number) {
    this.#value = start;
  }

  get value(): number {
    return this.#value;
  }

  /** Highest value that is believed at `now`, in milliseconds since the Unix epoch. */
  static ceiling(now: number): number {
    return Math.min(Number.MAX_SAFE_INTEGER, now * TICKS_PER_MS);
  }

  /** A message of another node carried this value. */
  receive(value: number, now: number): void {
    if (value > this.#value && Number.isSafeInteger(value) && value <= LamportClock.ceiling(now)) this.#value = value;
  }

  /** The stamp for a message that carried `received`; what is no safe integer or beyond the bound counts as not received. */
  stamp(received: number, now: number): number {
    this.receive(received, now);
    return ++this.#value;
  }
}
