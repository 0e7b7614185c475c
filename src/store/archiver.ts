import type { ArchiveBacklog, ArchiveSource } from './archive-source.js';
import type { HistoryLimits, HistoryStore } from './history-store.js';

/** Bytes of messages written at once: what decoding and encoding them takes of this thread is a few milliseconds. */
const BATCH_BYTES = 256 << 10;
/** Between two looks at a log that had nothing. */
const IDLE_MS = 500;
/** Between two batches, so that archiving a long backlog leaves publishes their share of the thread and of the disk. */
const PAUSE_MS = 5;
export const RETRY_MIN_MS = 200;
export const RETRY_MAX_MS = 10_000;
const RETAIN_MS = 1000;
const RETAIN_CHANNELS = 200;

export interface ArchiverOptions {
  readonly log: ArchiveSource;
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

export interface ArchiverStats {
  /** Messages written, in the life of this process; some of them perhaps again. */
  readonly archived: number;
  readonly failures: number;
  readonly failing: boolean;
  /** Messages that cold retention removed. */
  readonly removed: number;
  readonly backlog: ArchiveBacklog;
}

/** What a gateway has of an archiver, of either kind. */
export interface Archiving {
  readonly stats: ArchiverStats;
  start(): void;
  close(): Promise<void>;
}

/**
 * Moves what the log has on to the history store, all the time: one batch after another, each again until both the store and the log have
 * taken it. The log keeps what was not taken, so a store that is dead for a day costs disk and nothing else.
 */
export class Archiver implements Archiving {
  readonly #options: ArchiverOptions;
  #archived = 0;
  #failures = 0;
  #removed = 0;
  #retryMs = RETRY_MIN_MS;
  #failing = false;
  #retainedAt = -Infinity;
  #closed = false;
  #running: Promise<void> = Promise.resolve();

  constructor(options: ArchiverOptions) {
    this.#options = options;
  }

  get stats(): ArchiverStats {
    const { log } = this.#options;
    return { archived: this.#archived, failures: this.#failures, failing: this.#failing, removed: this.#removed, backlog: log.backlog };
  }

  start(): void {
    this.#plan(0);
  }

  #plan(ms: number): void {
    if (this.#closed) return;
    this.#options.after(ms, () => {
      if (!this.#closed) this.#running = this.#step();
    });
  }

  /** Never rejects. */
  async #step(): Promise<void> {
    let wait = RETRY_MIN_MS;
    try {
      wait = (await this.#archive()) ? PAUSE_MS : IDLE_MS;
      await this.#retain();
      this.#succeeded();
    } catch (error) {
      this.#failures += 1;
      wait = this.#retryMs;
      this.#retryMs = Math.min(this.#retryMs * 2, RETRY_MAX_MS);
      if (!this.#failing && !this.#closed) this.#options.onHealth?.(error instanceof Error ? error : new Error(String(error)));
      this.#failing = true;
    }
    this.#plan(wait);
  }

  #succeeded(): void {
    this.#retryMs = RETRY_MIN_MS;
    if (this.#failing) this.#options.onHealth?.(null);
    this.#failing = false;
  }

  /** Whether there was something. */
  async #archive(): Promise<boolean> {
    const { log, store } = this.#options;
    const batch = log.nextForArchive(BATCH_BYTES);
    if (batch === null) return false;
    await store.write(batch.segments);
    await log.archived(batch);
    this.#archived += batch.messages;
    return true;
  }

  async #retain(): Promise<void> {
    const removed = await retain(this.#options, this.#retainedAt);
    if (removed === null) return;
    this.#removed += removed;
    this.#retainedAt = this.#options.now();
  }

  /** Resolves when the batch under way is written, or has failed. What is left goes on with the next start. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#running;
  }
}

/** Retention of the cold tier itself. Returns how many messages went; null where it is not its time, or all stay. */
export async function retain(
  { store, maxAgeMs, maxMessages, now }: Pick<ArchiverOptions, 'store' | 'maxAgeMs' | 'maxMessages' | 'now'>, retainedAt: number,
): Promise<number | null> {
  if ((maxAgeMs === null && maxMessages === null) || now() - retainedAt < RETAIN_MS) return null;
  const limits: HistoryLimits = { before: maxAgeMs === null ? null : now() - maxAgeMs, maxMessages };
  return store.retain(limits, RETAIN_CHANNELS);
}
