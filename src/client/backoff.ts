/**
 * Exponential back-off with full jitter: the n-th delay is uniform in [0, min(cap, base × 2ⁿ)). Full jitter spreads the clients
 * of a gateway that died over the whole interval; delays with a fixed part bring them back in waves.
 */
export class Backoff {
  readonly #baseMs: number;
  readonly #capMs: number;
  readonly #random: () => number;
  #attempts = 0;

  constructor(baseMs: number, capMs: number, random: () => number) {
    this.#baseMs = baseMs;
    this.#capMs = capMs;
    this.#random = random;
  }

  /** Delays handed out since the last reset. */
  get attempts(): number {
    return this.#attempts;
  }

  /** Largest value that next() can return now, ms. */
  get bound(): number {
    return Math.min(this.#capMs, this.#baseMs * 2 ** Math.min(this.#attempts, 52));
  }

  /** Delay before the next attempt, ms. */
  next(): number {
    const delay = this.#random() * this.bound;
    this.#attempts += 1;
    return delay;
  }

  reset(): void {
    this.#attempts = 0;
  }
}
