import { existsSync } from 'node:fs';
import { SluiceError } from '../../errors.js';
import { JournalFollower } from './journal-follower.js';
import { KeyHash } from '../key-hash.js';
import { KeyRuns } from './key-runs.js';
import { LmdbEnv } from '../lmdb-env.js';
import { journalFiles, LOG_FILE, MAP_BYTES, type LmdbMessageLogOptions } from './lmdb-message-log.js';
import { TableWriter } from './table-writer.js';

/**
 * Reads a message log while another process has it, so that an opening behind that one has less to read, and finds code compiled and pages
 * in memory. What it finds in the middle of a change is no fault.
 */
export class LogFollower {
  readonly #options: LmdbMessageLogOptions;
  #journal: JournalFollower | null = null;

  constructor(options: LmdbMessageLogOptions) {
    this.#options = options;
  }

  get journal(): JournalFollower | null {
    return this.#journal;
  }

  /** Reads what an opening reads of the tables. */
  async rehearse(): Promise<void> {
    const { folder, mapBytes = MAP_BYTES } = this.#options;
    const files = journalFiles(folder);
    if (!files.every((file) => existsSync(file))) return;
    let env: LmdbEnv | null = null;
    try {
      env = new LmdbEnv({ ...LOG_FILE, folder, mapBytes, readOnly: true });
      const state = TableWriter.readState(env);
      new KeyRuns(env).seqsOf(new KeyHash(state.seed).of(0, '', ''));
      this.#journal ??= new JournalFollower(files, state.seed);
    } catch (error) {
      if (!(error instanceof SluiceError)) throw error;
    } finally {
      await env?.close();
    }
  }

  /** Reads of the journal up to where it ends at the moment; `over` ends it early. */
  async follow(over: () => boolean): Promise<void> {
    try {
      while (!over() && this.#journal?.advance() === true) await new Promise((resolve) => setImmediate(resolve));
    } catch (error) {
      if (!(error instanceof SluiceError)) throw error;
      this.close();
    }
  }

  close(): void {
    this.#journal?.close();
    this.#journal = null;
  }
}
