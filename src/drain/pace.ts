/**
 * How many connections a second are let go while a gateway drains: additive increase while the nodes that receive them say that they
 * have room, multiplicative decrease when they do not. As with TCP's congestion control, many nodes that drain towards the same
 * receivers come to share them evenly. Pure: load and time are handed in.
 */

export interface PaceOptions {
  /** Connections a second to begin with, and as long as no receiver says anything. */
  readonly initial: number;
  readonly max: number;
  /** Load up to which receivers have room, 0 to 1; above it they are spared. */
  readonly full: number;
}

/** Never none: a receiver that reports for ever that it is full would keep this node for ever. */
const MIN_RATE = 1;
/** Share of the initial rate that a second with room adds. */
const INCREASE = 0.5;
const DECREASE = 0.5;
/** After a decrease the receivers need this long to feel it; what they report before is of the old rate. */
const SETTLE_MS = 2000;

export class Pace {
  readonly #options: PaceOptions;
  #rate: number;
  #changedAt: number;
  #decreasedAt = -Infinity;

  constructor(options: PaceOptions, now: number) {
    this.#options = options;
    this.#rate = options.initial;
    this.#changedAt = now;
  }

  /** Connections a second. */
  get rate(): number {
    return this.#rate;
  }

  /** `load`: of the fullest receiver, 0 to 1; null when nothing is known. */
  update(load: number | null, now: number): void {
    const seconds = (now - this.#changedAt) / 1000;
    this.#changedAt = now;
    const { initial, max, full } = this.#options;
    if (load === null) return;
    if (load > full) {
      if (now - this.#decreasedAt < SETTLE_MS) return;
      this.#decreasedAt = now;
      this.#rate = Math.max(MIN_RATE, this.#rate * DECREASE);
    } else {
      this.#rate = Math.min(max, this.#rate + initial * INCREASE * seconds);
    }
  }
}
