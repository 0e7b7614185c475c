/**
 * Publish rate of each row: a token bucket kept as one number, the time at which the bucket will be full again (the generic
 * cell rate algorithm), in whole microseconds. No timer fills anything.
 */

import type { Row } from '../engine/port.js';

export interface RateLimits {
  /** Publishes a second; 0 sets no limit. */
  readonly publishRate: number;
  readonly publishBurst: number;
  /** Refusals without a pause between that end the connection. */
  readonly publishRefusals: number;
}

export class PublishRate {
  readonly #interval: number;
  readonly #tolerance: number;
  readonly #refusalsMax: number;
  readonly #fullAt: Float64Array;
  readonly #refusals: Uint16Array;

  constructor(rows: number, limits: RateLimits) {
    this.#interval = limits.publishRate === 0 ? 0 : Math.max(1, Math.round(1e6 / limits.publishRate));
    this.#tolerance = this.#interval * (limits.publishBurst - 1);
    this.#refusalsMax = limits.publishRefusals;
    this.#fullAt = new Float64Array(rows);
    this.#refusals = new Uint16Array(rows);
  }

  get memoryBytes(): number {
    return this.#fullAt.byteLength + this.#refusals.byteLength;
  }

  /** Takes one publish: 0 when it may go, else the milliseconds until one may. `now`: milliseconds, monotonic. */
  take(row: Row, now: number): number {
    if (this.#interval === 0) return 0;
    const time = Math.floor(now * 1000);
    const fullAt = Math.max(this.#fullAt[row] as number, time);
    const early = fullAt - time - this.#tolerance;
    if (early > 0) {
      this.#refusals[row] = (this.#refusals[row] as number) + 1;
      return Math.ceil(early / 1000);
    }
    // A client that lets half of its burst come back has heard what it was told.
    if (fullAt - time <= this.#tolerance / 2) this.#refusals[row] = 0;
    this.#fullAt[row] = fullAt + this.#interval;
    return 0;
  }

  /** Whether the row goes on publishing although it is told to wait. */
  ignored(row: Row): boolean {
    return (this.#refusals[row] as number) > this.#refusalsMax;
  }

  clear(row: Row): void {
    this.#fullAt[row] = 0;
    this.#refusals[row] = 0;
  }
}
