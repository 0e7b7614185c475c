import { StoreError } from '../errors.js';

/** Told each; more than so many are all said to be damaged by then. */
const REPORTS = 1_000;

/** What bits have changed of on the disk: told once for each part of the file. */
export class Damage {
  readonly #path: string;
  readonly #tell: (error: StoreError) => void;
  readonly #told = new Set<string>();

  constructor(path: string, tell: (error: StoreError) => void) {
    this.#path = path;
    this.#tell = tell;
  }

  /** `part` cannot be read: `why`. */
  report(part: string, why: string): void {
    if (this.#told.has(part) || this.#told.size === REPORTS) return;
    this.#told.add(part);
    this.#tell(new StoreError(`${this.#path} is damaged: ${part} cannot be read (${why})`, false));
  }
}

/** Parts of files that were found to be damaged: chunks of the log, messages of the cold tier. */
export interface DamageCounts {
  log: number;
  history: number;
}

/** Counts what it tells. */
export class DamageWatch {
  readonly counts: DamageCounts = { log: 0, history: 0 };
  readonly #tell: ((error: StoreError) => void) | undefined;

  constructor(tell: ((error: StoreError) => void) | undefined) {
    this.#tell = tell;
  }

  of(file: keyof DamageCounts): (error: StoreError) => void {
    return (error) => {
      this.counts[file] += 1;
      this.#tell?.(error);
    };
  }
}
