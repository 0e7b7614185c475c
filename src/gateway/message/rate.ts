/**
 * Publish rate of each row: a token bucket kept as one number, the time at which the bucket will be full again (the generic
 * cell rate algorithm), in whole microseconds. No timer fills anything.
 */

import type { Row } from '../../engine/port.js';

export interface RateLimits {
  /** Publishes a second; 0 sets no limit. */
  readonly publishRate: number;
  readonly publishBurst: number;
  /** Refusals without a pause between that end the connection. */
  readonly publishRefusals: number;
}

/** What waits in sockets is read within this time behind a pause. */
const FORGIVE_MS = 2000;

export class PublishRate {
  readonly #interval: number;
  readonly #tolerance: number;
  readonly #refusalsMax: number;
  readonly #fullAt: Float64Array;
  readonly #refusals: Uint16Array;
  #rowsUsed = 0;
  /** Microseconds by which a bucket may be fuller than full, and until when. */
  #forgiven = 0;
  #forgivenUntil = 0;

  constructor(rows: number, limits: RateLimits) {
    this.#interval = limits.publishRate === 0 ? 0 : Math.max(1, Math.round(1e6 / limits.publishRate));
    this.#tolerance = this.#interval * (limits.publishBurst - 1);
    this.#refusalsMax = limits.publishRefusals;
    this.#fullAt = new Float64Array(rows);
    this.#refusals = new Uint16Array(rows);
  }

  /** Of rows up to the last that has published: the others' columns are untouched. */
  get memoryBytes(): number {
    return this.#rowsUsed * (8 + 2);
  }

  /** Takes one publish: 0 when it may go, else the milliseconds until one may. `now`: milliseconds, monotonic. */
  take(row: Row, now: number): number {
    if (this.#interval === 0) return 0;
    if (row >= this.#rowsUsed) this.#rowsUsed = row + 1;
    const time = Math.floor(now * 1000);
    const fullAt = Math.max(this.#fullAt[row] as number, time < this.#forgivenUntil ? time - this.#forgiven : time);
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

  /** Nobody counted for `ms` until now: what was sent meanwhile comes at once, and must not pass for a burst. */
  forgive(ms: number, now: number): void {
    this.#forgiven = Math.floor(ms * 1000);
    this.#forgivenUntil = Math.floor((now + ms + FORGIVE_MS) * 1000);
  }

  clear(row: Row): void {
    // Of rows that never publish nothing is ever written, and so nothing takes memory.
    if (this.#fullAt[row] !== 0) this.#fullAt[row] = 0;
    if (this.#refusals[row] !== 0) this.#refusals[row] = 0;
  }
}
