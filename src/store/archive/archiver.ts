import { ArchiveLoop, type ArchiveLoopOptions } from './archive-loop.js';
import type { ArchiveBacklog, ArchiveSource } from './archive-source.js';

/** Bytes of messages written at once: what decoding and encoding them takes of this thread is a few milliseconds. */
const BATCH_BYTES = 256 << 10;
/** Between two looks at a log that had nothing. */
const IDLE_MS = 500;
/** Between two batches, so that archiving a long backlog leaves publishes their share of the thread and of the disk. */
const PAUSE_MS = 5;

export interface ArchiverOptions extends ArchiveLoopOptions {
  readonly log: ArchiveSource;
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
  readonly #loop: ArchiveLoop;
  #archived = 0;

  constructor(options: ArchiverOptions) {
    this.#options = options;
    this.#loop = new ArchiveLoop(options, async () => ((await this.#archive()) ? PAUSE_MS : IDLE_MS));
  }

  get stats(): ArchiverStats {
    return { ...this.#loop.stats, archived: this.#archived, backlog: this.#options.log.backlog };
  }

  start(): void {
    this.#loop.start();
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

  /** Resolves when the batch under way is written, or has failed. What is left goes on with the next start. */
  close(): Promise<void> {
    return this.#loop.close();
  }
}
