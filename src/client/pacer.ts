/** Token bucket: keeps the client below the rate that the gateway allows, so that it is not told 4008 again and again. Pure. */
export class Pacer {
  readonly #perMs: number;
  readonly #burst: number;
  #tokens: number;
  #at: number;

  constructor(perSecond: number, burst: number, now: number) {
    this.#perMs = perSecond / 1000;
    this.#burst = burst;
    this.#tokens = burst;
    this.#at = now;
  }

  /** Takes a token and returns 0, or returns the time until there is one, ms. */
  take(now: number): number {
    // A clock that steps back gives nothing and takes nothing.
    this.#tokens = Math.min(this.#burst, this.#tokens + Math.max(0, now - this.#at) * this.#perMs);
    this.#at = now;
    // Sums of fractions may stop just short of a whole token.
    if (this.#tokens < 1 - 1e-9) return Math.max(1, Math.ceil((1 - this.#tokens) / this.#perMs));
    this.#tokens -= 1;
    return 0;
  }
}
