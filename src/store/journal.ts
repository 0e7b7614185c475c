import type { LogEntry } from './types.js';
import { Generation } from './generation.js';
import { generationOf, nextRecord } from './journal-record.js';
import { JournalFile } from './journal-file.js';
import { KeyHash, type HashSeed } from './key-hash.js';
import { LogTail } from './log-tail.js';
import { DataFolderError } from '../errors.js';

/** Where the tables stand, which the journal goes on from. */
export interface JournalStart {
  /** The newest generation that is whole in the tables; 0 for none. */
  readonly generation: number;
  /** Of its last commit. */
  readonly commit: number;
  readonly maxLamport: number;
  readonly maxTimestamp: number;
}

const HOLE = { remedy: 'Restore the data folder from a copy; what this file held is lost.' };

/**
 * Two files that are written in turn, a generation each: while one fills, the other's messages move to the tables, and then it is used
 * again. What is in them is the tail of the log.
 */
export class Journal {
  readonly tail: LogTail;
  readonly #files: readonly [JournalFile, JournalFile];
  #commit: number;
  #maxLamport: number;
  #maxTimestamp: number;

  /** Reads what the tables lack. Throws DataFolderError. */
  constructor(paths: readonly [string, string], start: JournalStart, seed: HashSeed) {
    this.#commit = start.commit;
    this.#maxLamport = start.maxLamport;
    this.#maxTimestamp = start.maxTimestamp;
    const first = new JournalFile(paths[0]);
    const second = new JournalFile(paths[1]);
    this.#files = [first, second];
    try {
      this.tail = this.#load(start.generation + 1, new KeyHash(seed));
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** A generation's file is given by its number. */
  #file(generation: Generation): JournalFile {
    return this.#files[generation.number % 2 === 0 ? 0 : 1];
  }

  #load(next: number, hash: KeyHash): LogTail {
    const older = new Generation(next, hash);
    const newer = new Generation(next + 1, hash);
    this.#read(older);
    this.#read(newer);
    const tail = new LogTail(older, newer);
    if (newer.messages > 0) tail.resume(newer);
    return tail;
  }

  #read(generation: Generation): void {
    const file = this.#file(generation);
    const content = file.read();
    const number = generationOf(content);
    if (number === null || number < generation.number) return;
    if (number > generation.number) {
      throw new DataFolderError(file.path, `begins with generation ${number}, not ${generation.number}`, HOLE);
    }
    generation.load(content);
    for (let record = nextRecord(generation, content.length); record !== null; record = nextRecord(generation, content.length)) {
      if (record.commit !== this.#commit + 1) {
        throw new DataFolderError(file.path, `has commit ${record.commit} where ${this.#commit + 1} should follow`, HOLE);
      }
      this.#commit = record.commit;
      this.#maxLamport = record.maxLamport;
      this.#maxTimestamp = record.maxTimestamp;
      generation.rememberRead(record.end);
    }
  }

  get maxLamport(): number {
    return this.#maxLamport;
  }

  get maxTimestamp(): number {
    return this.#maxTimestamp;
  }

  /** Of the last commit. */
  get commit(): number {
    return this.#commit;
  }

  /** Resolves when the entries are on stable storage; rejects with StoreError when they are not. One call at a time. */
  async append(entries: readonly LogEntry[], now: number): Promise<void> {
    const generation = this.tail.filling;
    let maxLamport = this.#maxLamport;
    let maxTimestamp = this.#maxTimestamp;
    for (const { lamport, serverTs } of entries) {
      if (lamport > maxLamport) maxLamport = lamport;
      if (serverTs > maxTimestamp) maxTimestamp = serverTs;
    }
    const commit = this.#commit + 1;
    const end = generation.encode(entries, { commit, maxLamport, maxTimestamp, written: now });
    await this.#file(generation).write(generation.bytes, generation.end, end);
    generation.remember(entries, end);
    this.#commit = commit;
    this.#maxLamport = maxLamport;
    this.#maxTimestamp = maxTimestamp;
  }

  close(): void {
    for (const file of this.#files) file.close();
  }
}
