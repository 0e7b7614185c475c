import { existsSync } from 'node:fs';
import type { LogEntry } from '../types.js';
import { Generation } from './generation.js';
import { JournalFile } from './journal-file.js';
import type { JournalFollower } from './journal-follower.js';
import { JournalWriter } from './journal-writer.js';
import { beginningOf, goesOnBehind, HOLE, readRecords } from './journal-read.js';
import { KeyHash, type HashSeed } from '../key-hash.js';
import { LogTail } from './tail.js';
import { DataFolderError } from '../../errors.js';

/** Where the tables stand, which the journal goes on from. */
export interface JournalStart {
  /** The newest generation that is whole in the tables; 0 for none. */
  readonly generation: number;
  /** Of its last commit. */
  readonly commit: number;
  readonly maxLamport: number;
  readonly maxTimestamp: number;
}

export interface JournalOptions {
  /** Of what was read of it already. */
  readonly follower?: JournalFollower | null;
  /** Only what comes next is looked at, not whether more is behind what cannot be read. */
  readonly hurried?: boolean;
  /** What a generation may take on the disk. */
  readonly generationBytes?: number;
  /** Whether the thread that writes goes before others, where it may; it does unless it is said not to. */
  readonly realtime?: boolean;
}

/** Channels are numbers in a journal: those of another log.mdb would be other channels. Throws DataFolderError. */
export function checkNoJournal(paths: readonly string[], tables: string): void {
  for (const path of paths) {
    if (!existsSync(path)) continue;
    const file = new JournalFile(path, null);
    const beginning = beginningOf(file);
    void file.close();
    if (beginning === null) continue;
    throw new DataFolderError(path, `holds messages of a log of which ${tables} is gone`, {
      remedy: 'Restore the data folder from a copy; or remove its folder `log` as a whole, and the messages with it.',
    });
  }
}

/**
 * Two files that are written in turn, a generation each: while one fills, the other's messages move to the tables, and then it is used
 * again. What is in them is the tail of the log.
 */
export class Journal {
  readonly tail: LogTail;
  readonly #files: readonly JournalFile[];
  readonly #writer: JournalWriter;
  #commit: number;
  #maxLamport: number;
  #maxTimestamp: number;

  /** Reads what the tables lack. Throws DataFolderError. */
  constructor(paths: readonly [string, string], start: JournalStart, seed: HashSeed, options: JournalOptions = {}) {
    const { follower = null, hurried = false, generationBytes = 0, realtime = true } = options;
    this.#commit = start.commit;
    this.#maxLamport = start.maxLamport;
    this.#maxTimestamp = start.maxTimestamp;
    this.#writer = new JournalWriter(realtime);
    const files: JournalFile[] = [];
    this.#files = files;
    try {
      for (const path of paths) files.push(new JournalFile(path, this.#writer, generationBytes));
      const generations = [start.generation + 1, start.generation + 2].map((number) => this.#load(number, seed, follower, hurried));
      this.tail = makeTail(...(generations as [Generation, Generation]));
    } catch (error) {
      void this.close();
      throw error;
    }
  }

  /** A generation's file is given by its number. */
  #file(number: number): JournalFile {
    return this.#files[number % 2] as JournalFile;
  }

  #load(number: number, seed: HashSeed, follower: JournalFollower | null, hurried: boolean): Generation {
    const file = this.#file(number);
    const followed = follower?.take(number, seed, file) ?? null;
    const generation = followed?.firstCommit === this.#commit + 1 ? followed : new Generation(number, new KeyHash(seed));
    if (generation.messages > 0) this.#goOn(generation);
    const found = beginningOf(file)?.generation ?? 0;
    if (found > number) throw new DataFolderError(file.path, `begins with generation ${found}, not ${number}`, HOLE);
    while (found === number && readRecords(file, generation, this.#commit)) this.#goOn(generation);
    if (goesOnBehind(file, generation, this.#commit, hurried)) {
      const where = `at byte ${generation.end}, behind commit ${this.#commit}`;
      throw new DataFolderError(file.path, `is damaged ${where}, and goes on behind that`, HOLE);
    }
    return generation;
  }

  #goOn({ lastCommit, maxLamport, maxTimestamp }: Generation): void {
    this.#commit = lastCommit;
    this.#maxLamport = maxLamport;
    this.#maxTimestamp = maxTimestamp;
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
    const file = this.#file(generation.number);
    await file.write(generation.bytes, generation.end, end);
    const next = this.#file(generation.number + 1);
    if (file.isBusy && !next.isWhole) next.prepare();
    generation.remember(entries, end);
    this.#commit = commit;
    this.#maxLamport = maxLamport;
    this.#maxTimestamp = maxTimestamp;
  }

  async close(): Promise<void> {
    this.#writer.close();
    await Promise.all(this.#files.map((file) => file.close()));
  }
}

function makeTail(older: Generation, newer: Generation): LogTail {
  const tail = new LogTail(older, newer);
  if (newer.messages > 0) tail.resume(newer);
  return tail;
}
