import { DataFolderError } from '../../errors.js';
import { recover, Recovery, type Recovered } from './recovery.js';

/** Read in one turn of the event loop: some milliseconds' worth. */
const SLICE_BYTES = 1 << 19;
/** What has to be read anew so often in a row is read when nobody writes any more. */
const TRIES = 3;

/** Reads the sessions of a folder along with the process that writes them: who takes over from it has little left to read. */
export class SessionFollower {
  readonly #folder: string;
  readonly #expected: number;
  #recovery: Recovery | null = null;
  #failures = 0;

  constructor(folder: string, expected: number) {
    this.#folder = folder;
    this.#expected = expected;
  }

  /** Reads up to where the log ends at the moment; `over` ends it early. Never rejects. */
  async follow(over: () => boolean): Promise<void> {
    if (this.#failures === TRIES) return;
    try {
      for (; !over(); await new Promise((resolve) => setImmediate(resolve))) {
        if (this.#step()) continue;
        this.#failures = 0;
        return;
      }
    } catch {
      // A folder that is not there yet, or a writer that was faster. What is wrong with it shows when it is opened.
      this.#failures += 1;
      this.close();
    }
  }

  #step(): boolean {
    this.#recovery ??= new Recovery(this.#folder, this.#expected);
    return this.#recovery.advance(SLICE_BYTES);
  }

  /** The whole of it, when nobody writes any more; once only. Throws DataFolderError. */
  recover(): Recovered {
    const recovery = this.#recovery;
    this.#recovery = null;
    try {
      if (recovery !== null) return recovery.finish();
    } catch (error) {
      recovery?.close();
      if (!(error instanceof DataFolderError)) throw error;
    }
    return recover(this.#folder, this.#expected);
  }

  close(): void {
    this.#recovery?.close();
    this.#recovery = null;
  }
}
