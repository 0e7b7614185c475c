import type { Clock } from '../../src/client/index.js';

interface Timer {
  readonly at: number;
  readonly order: number;
  readonly callback: () => void;
}

/** A clock that stands still until it is told to go on. */
export class FakeClock implements Clock {
  #now: number;
  #made = 0;
  readonly #timers = new Set<Timer>();

  constructor(now = 1_700_000_000_000) {
    this.#now = now;
  }

  get pending(): number {
    return this.#timers.size;
  }

  /** Time until the next timer, ms; null without one. */
  get nextIn(): number | null {
    const timer = this.#first(Infinity);
    return timer === null ? null : timer.at - this.#now;
  }

  now(): number {
    return this.#now;
  }

  setTimeout(callback: () => void, ms: number): unknown {
    this.#made += 1;
    const timer = { at: this.#now + ms, order: this.#made, callback };
    this.#timers.add(timer);
    return timer;
  }

  clearTimeout(handle: unknown): void {
    this.#timers.delete(handle as Timer);
  }

  /** Lets time pass, running timers in their order. */
  advance(ms: number): void {
    const until = this.#now + ms;
    for (let timer = this.#first(until); timer !== null; timer = this.#first(until)) {
      this.#timers.delete(timer);
      this.#now = Math.max(this.#now, timer.at);
      timer.callback();
    }
    this.#now = until;
  }

  #first(until: number): Timer | null {
    let first: Timer | null = null;
    for (const timer of this.#timers) {
      if (timer.at > until) continue;
      if (first === null || timer.at < first.at || (timer.at === first.at && timer.order < first.order)) first = timer;
    }
    return first;
  }
}

/** Lets promises that are settled run their reactions. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 10; i += 1) await Promise.resolve();
}
