import { constants, accessSync, existsSync, mkdirSync, statfsSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { open, type Database, type RootDatabase } from 'lmdb';
import { checkLmdbFile } from './lmdb-file.js';
import { checkMayOpen } from './lmdb-may-open.js';
import { reason, storeError } from './store-failure.js';
import { DataFolderError, StoreError } from '../errors.js';

export type Table = Database<Buffer, Buffer>;

export interface LmdbEnvOptions<Name extends string> {
  readonly folder: string;
  readonly file: string;
  /** Of its tables. */
  readonly names: readonly Name[];
  /** "message log": for messages to the operator. */
  readonly what: string;
  /** Address space reserved for the file; lmdb-js remaps when it outgrows this. The file itself grows as it is written. */
  readonly mapBytes: number;
  /** Another process may write it meanwhile. */
  readonly readOnly?: boolean;
  /** Another process had it open until a moment ago, and clients wait: it is not looked through again. */
  readonly hurried?: boolean;
}

/** LMDB maps files into memory: a page for which there is no block any more would end the process without a word. */
const MIN_FREE_BYTES = 1 << 18;
const BINARY = { encoding: 'binary', keyEncoding: 'binary' } as const;

/** What one environment holds. */
type TablesOf<Name extends string> = Readonly<Record<Name, Table>>;

/**
 * A database file: its tables, and commits that are on stable storage when they resolve (docs/decisions/0003).
 * After a failed commit the environment is opened anew before the next one: LMDB stops for good when the failure was in
 * writing its meta page, and lmdb-js then never settles a commit.
 */
export class LmdbEnv<Name extends string = LogTable> {
  readonly path: string;
  readonly #options: LmdbEnvOptions<Name>;
  #root: RootDatabase<Buffer, Buffer> | null = null;
  #failed = false;
  #closed = false;
  #tables: TablesOf<Name> | null = null;

  constructor(options: LmdbEnvOptions<Name>) {
    this.#options = options;
    this.path = join(options.folder, options.file);
    checkLmdbFile(this.path, options.readOnly === true || options.hurried === true);
    checkMayOpen(this.path, options.mapBytes);
    this.#open();
  }

  /** Makes the folder when it is missing. Throws DataFolderError where it cannot be used. */
  static prepare(folder: string): void {
    prepareFolder(folder);
  }

  /** Throws StoreError (retryable) while the file cannot be opened again after a failure. */
  get tables(): TablesOf<Name> {
    if (this.#tables !== null) return this.#tables;
    if (this.#closed) throw new StoreError(`the ${this.#options.what} is closed`, false);
    throw new StoreError(`${this.path} cannot be opened at the moment`, true);
  }

  #open(): void {
    let root: RootDatabase<Buffer, Buffer>;
    try {
      root = open<Buffer, Buffer>({
        path: this.path,
        ...BINARY,
        mapSize: this.#options.mapBytes,
        readOnly: this.#options.readOnly ?? false,
        maxDbs: 8,
        // A commit then is LMDB's own: pages, fdatasync, meta page written through. See docs/decisions/0003.
        overlappingSync: false,
        // Every transaction is a batch of ours. Those that lmdb-js would put around it have promises that nobody has: on a full disk they
        // end the process as unhandled rejections.
        eventTurnBatching: false,
        // Pages are read where the index points; reading ahead would evict others. (The option is missing in lmdb's types.)
        ...({ noReadAhead: true } as object),
      });
    } catch (error) {
      throw new DataFolderError(this.path, `cannot be opened as a ${this.#options.what} (${reason(error)})`, { cause: error });
    }
    this.#root = root;
    try {
      this.#tables = this.#openTables(root);
    } catch (error) {
      void root.close();
      if (error instanceof DataFolderError) throw error;
      throw new DataFolderError(this.path, `cannot be opened as a ${this.#options.what} (${reason(error)})`, { cause: error });
    }
  }

  #openTables(root: RootDatabase<Buffer, Buffer>): TablesOf<Name> {
    const { names } = this.#options;
    // lmdb-js ends the names of tables with a NUL.
    const found = [...root.getKeys()].map((key) => key.toString('latin1').replace('\0', ''));
    const foreign = found.find((name) => !names.includes(name as Name));
    if (foreign !== undefined) throw new DataFolderError(this.path, `belongs to something else: it has a table "${foreign}"`);
    const tables = names.map((name) => [name, root.openDB({ name, ...BINARY }) as Table]);
    return Object.fromEntries(tables) as TablesOf<Name>;
  }

  /**
   * One transaction of everything `write` puts and removes; resolves when it is on stable storage, and rejects with
   * StoreError when nothing of it is. One at a time: the caller awaits it before the next.
   */
  async commit(write: (tables: TablesOf<Name>) => void): Promise<void> {
    if (this.#closed) throw new StoreError(`the ${this.#options.what} is closed`, false);
    if (this.#failed) await this.#reopen();
    const tables = this.tables;
    try {
      await this.#root!.batch(() => write(tables));
    } catch (error) {
      this.#failed = true;
      throw await commitError(error, this.path);
    }
  }

  /** Runs on this thread and blocks it until stable: for what must not wait for a turn. */
  commitSync(write: (tables: TablesOf<Name>) => void): void {
    const tables = this.tables;
    if (this.#failed) throw new StoreError(`${this.path} could not be written a moment ago`, true);
    try {
      this.#root!.transactionSync(() => write(tables));
    } catch (error) {
      this.#failed = true;
      throw storeError(error, this.path);
    }
  }

  async #reopen(): Promise<void> {
    const old = this.#root;
    this.#root = null;
    this.#tables = null;
    if (old !== null) await old.close();
    try {
      this.#open();
    } catch (error) {
      throw new StoreError(`${this.path} cannot be opened again: ${reason(error)}`, true, { cause: error });
    }
    this.#failed = false;
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    const root = this.#root;
    this.#root = null;
    this.#tables = null;
    if (root !== null) await root.close();
  }
}

/**
 * Tables of the message log:
 * - chunks: chunk number -> chunk (chunk.ts);
 * - segments: (channel, first seq) -> where the segment is;
 * - keys: (run, bucket) -> hashes of duplicate keys and their seqs (key-run.ts);
 * - filters: (run, first bucket of a group) -> filters over them;
 * - channels: name -> channel record;
 * - meta.
 */
export const LOG_TABLES = ['chunks', 'segments', 'keys', 'filters', 'channels', 'meta'] as const;
type LogTable = (typeof LOG_TABLES)[number];
export type Tables = TablesOf<LogTable>;

/** Not mkdir's own `recursive`: Node 20 tries for ever where a file system that refuses says ENOENT, as /proc does. */
function makeFolder(folder: string): void {
  if (existsSync(folder)) return;
  const parent = dirname(folder);
  if (parent !== folder) makeFolder(parent);
  mkdirSync(folder, { mode: 0o700 });
}

function prepareFolder(folder: string): void {
  try {
    makeFolder(resolve(folder));
  } catch (error) {
    throw new DataFolderError(folder, `cannot be made or is not a folder (${reason(error)})`, { cause: error });
  }
  if (!statSync(folder).isDirectory()) throw new DataFolderError(folder, 'is not a folder');
  const { bavail, bsize } = statfsSync(folder);
  if (bavail * bsize < MIN_FREE_BYTES) {
    const message = `the disk is full: ${Math.floor((bavail * bsize) / 1024)} KiB are free, a start needs ${MIN_FREE_BYTES / 1024}`;
    throw new DataFolderError(folder, message, { remedy: 'Free some space there, or name another folder with --data.' });
  }
  try {
    accessSync(folder, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (error) {
    throw new DataFolderError(folder, `cannot be written (${reason(error)})`, { cause: error });
  }
}

/** lmdb-js rejects with an error that only points to the real one, a promise on it. */
async function commitError(error: unknown, path: string): Promise<StoreError> {
  const pending = (error as { commitError?: Promise<never> }).commitError;
  if (pending === undefined) return storeError(error, path);
  try {
    await pending;
  } catch (real) {
    return storeError(real, path);
  }
  return storeError(error, path);
}
