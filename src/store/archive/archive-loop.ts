import type { HistoryLimits, HistoryStore } from '../history-store.js';

/** Before a round that failed is tried again: doubled with each failure in a row. */
const RETRY_MIN_MS = 200;
const RETRY_MAX_MS = 10_000;
/** Between two looks at what the cold tier itself is to forget. */
const RETAIN_MS = 1000;
const RETAIN_CHANNELS = 200;

export interface ArchiveLoopOptions {
  readonly store: HistoryStore;
  /** Of the cold tier itself; null keeps for ever. */
  readonly maxAgeMs: number | null;
  readonly maxMessages: number | null;
  /** Milliseconds since the Unix epoch. */
  readonly now: () => number;
  readonly after: (ms: number, run: () => void) => void;
  /** Once when archiving begins to fail, with the reason; once with null when it succeeds again. */
  readonly onHealth?: (error: Error | null) => void;
}

/**
 * The rounds of an archiver: archive, then retention of the cold tier itself, one after another until it is closed. A round that
 * fails is tried again, later and later.
 */
export class ArchiveLoop {
  readonly #options: ArchiveLoopOptions;
  readonly #archive: () => Promise<number>;
  #failures = 0;
  #removed = 0;
  #retryMs = RETRY_MIN_MS;
  #failing = false;
  #retainedAt = -Infinity;
  #closed = false;
  #running: Promise<void> = Promise.resolve();

  /** `archive`: resolves with the milliseconds until the next round. */
  constructor(options: ArchiveLoopOptions, archive: () => Promise<number>) {
    this.#options = options;
    this.#archive = archive;
  }

  get stats(): { readonly failures: number; readonly failing: boolean; readonly removed: number } {
    return { failures: this.#failures, failing: this.#failing, removed: this.#removed };
  }

  get closed(): boolean {
    return this.#closed;
  }

  start(): void {
    this.#plan(0);
  }

  /** Resolves when the round under way is over. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#running;
  }

  #plan(ms: number): void {
    if (this.#closed) return;
    this.#options.after(ms, () => {
      if (!this.#closed) this.#running = this.#round();
    });
  }

  /** Never rejects. */
  async #round(): Promise<void> {
    let wait = RETRY_MIN_MS;
    try {
      wait = await this.#archive();
      await this.#retain();
      this.#succeeded();
    } catch (error) {
      wait = this.#failed(error instanceof Error ? error : new Error(String(error)));
    }
    this.#plan(wait);
  }

  #succeeded(): void {
    this.#retryMs = RETRY_MIN_MS;
    if (this.#failing) this.#options.onHealth?.(null);
    this.#failing = false;
  }

  /** Milliseconds to wait. */
  #failed(error: Error): number {
    const wait = this.#retryMs;
    this.#failures += 1;
    this.#retryMs = Math.min(wait * 2, RETRY_MAX_MS);
    if (!this.#failing && !this.#closed) this.#options.onHealth?.(error);
    this.#failing = true;
    return wait;
  }

  async #retain(): Promise<void> {
    const { store, maxAgeMs, maxMessages, now } = this.#options;
    if ((maxAgeMs === null && maxMessages === null) || now() - this.#retainedAt < RETAIN_MS) return;
    const limits: HistoryLimits = { before: maxAgeMs === null ? null : now() - maxAgeMs, maxMessages };
    const removed = await store.retain(limits, RETAIN_CHANNELS);
    this.#removed += removed;
    this.#retainedAt = now();
  }
}
