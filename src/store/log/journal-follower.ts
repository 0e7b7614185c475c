import { Generation } from './generation.js';
import { JournalFile } from './journal-file.js';
import { beginningOf, readRecords } from './journal-read.js';
import { KeyHash, type HashSeed } from '../key-hash.js';

/** Reads the two files of a journal along with the process that writes them: who opens it behind that one has little left to read. */
export class JournalFollower {
  readonly #files: readonly JournalFile[];
  readonly #seed: HashSeed;
  /** By file. */
  readonly #generations: (Generation | null)[] = [null, null];

  /** Throws DataFolderError. */
  constructor(paths: readonly [string, string], seed: HashSeed) {
    this.#seed = seed;
    const first = new JournalFile(paths[0], null);
    try {
      this.#files = [first, new JournalFile(paths[1], null)];
    } catch (error) {
      void first.close();
      throw error;
    }
  }

  /** Reads some more; false when that is all there is at the moment. Throws DataFolderError. */
  advance(): boolean {
    return this.#files.map((file, i) => this.#advance(file, i)).includes(true);
  }

  #advance(file: JournalFile, i: number): boolean {
    const beginning = beginningOf(file);
    if (beginning === null) return false;
    let generation = this.#generations[i] ?? null;
    if (generation?.number !== beginning.generation || !isUnchanged(file, generation)) {
      generation = new Generation(beginning.generation, new KeyHash(this.#seed));
      this.#generations[i] = generation;
    }
    return readRecords(file, generation, generation.messages > 0 ? generation.lastCommit : beginning.commit - 1);
  }

  /** What was read of this generation, for whoever goes on with it; null where there is nothing of use. */
  take(number: number, seed: HashSeed, file: JournalFile): Generation | null {
    const i = number % 2;
    const generation = this.#generations[i] ?? null;
    this.#generations[i] = null;
    const isSame = seed.high === this.#seed.high && seed.low === this.#seed.low;
    if (generation === null || generation.number !== number || generation.messages === 0 || !isSame) return null;
    return beginningOf(file)?.generation === number && isUnchanged(file, generation) ? generation : null;
  }

  close(): void {
    for (const file of this.#files) void file.close();
  }
}

/** What failed to be written is written again in its place, whoever read it meanwhile. */
function isUnchanged(file: JournalFile, generation: Generation): boolean {
  const { lastChecksum: last } = generation;
  if (last === null) return true;
  return file.bytesAt(last.at, last.at + 4)?.readUInt32LE() === last.value;
}
