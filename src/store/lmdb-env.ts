import { closeSync, constants, accessSync, existsSync, mkdirSync, openSync, readSync, statfsSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { open, type Database, type RootDatabase } from 'lmdb';
import { reason, storeError } from './store-failure.js';
import { DataFolderError, StoreError } from '../errors.js';

export type Table = Database<Buffer, Buffer>;

export interface LmdbEnvOptions {
  readonly folder: string;
  /** Address space reserved for the file; lmdb-js remaps when it outgrows this. The file itself grows as it is written. */
  readonly mapBytes: number;
  /** Another process may write it meanwhile. */
  readonly readOnly?: boolean;
}

const FILE = 'log.mdb';
/** Of LMDB's meta page, after the page header. */
const LMDB_MAGIC = 0xbeefc0de;
const LMDB_MAGIC_OFFSET = 24;
const TABLE_NAMES: ReadonlySet<string> = new Set(['chunks', 'segments', 'keys', 'filters', 'channels', 'meta']);
/** LMDB maps files into memory: a page for which there is no block any more would end the process without a word. */
const MIN_FREE_BYTES = 1 << 18;
const BINARY = { encoding: 'binary', keyEncoding: 'binary' } as const;

/**
 * The database file: its tables, and commits that are on stable storage when they resolve (docs/decisions/0003).
 * After a failed commit the environment is opened anew before the next one: LMDB stops for good when the failure was in
 * writing its meta page, and lmdb-js then never settles a commit.
 */
export class LmdbEnv {
  readonly path: string;
  readonly #options: LmdbEnvOptions;
  #root: RootDatabase<Buffer, Buffer> | null = null;
  #failed = false;
  #closed = false;
  #tables: Tables | null = null;

  constructor(options: LmdbEnvOptions) {
    this.#options = options;
    this.path = join(options.folder, FILE);
    checkMagic(this.path);
    this.#open();
  }

  /** Makes the folder when it is missing. Throws DataFolderError where it cannot be used. */
  static prepare(folder: string): void {
    prepareFolder(folder);
  }

  /** Throws StoreError (retryable) while the file cannot be opened again after a failure. */
  get tables(): Tables {
    if (this.#tables === null)
      throw new StoreError(this.#closed ? 'the log is closed' : `${this.path} cannot be opened at the moment`, !this.#closed);
    return this.#tables;
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
        // Pages are read where the index points; reading ahead would evict others. (The option is missing in lmdb's types.)
        ...({ noReadAhead: true } as object),
      });
    } catch (error) {
      throw new DataFolderError(this.path, `cannot be opened as a message log (${reason(error)})`, { cause: error });
    }
    this.#root = root;
    try {
      this.#tables = this.#openTables(root);
    } catch (error) {
      void root.close();
      if (error instanceof DataFolderError) throw error;
      throw new DataFolderError(this.path, `cannot be opened as a message log (${reason(error)})`, { cause: error });
    }
  }

  #openTables(root: RootDatabase<Buffer, Buffer>): Tables {
    // lmdb-js ends the names of tables with a NUL.
    const foreign = [...root.getKeys()].map((key) => key.toString('latin1').replace('\0', '')).filter((name) => !TABLE_NAMES.has(name));
    if (foreign.length > 0) throw new DataFolderError(this.path, `belongs to something else: it has a table "${foreign[0]}"`);
    return {
      chunks: root.openDB({ name: 'chunks', ...BINARY }) as Table,
      segments: root.openDB({ name: 'segments', ...BINARY }) as Table,
      keys: root.openDB({ name: 'keys', ...BINARY }) as Table,
      filters: root.openDB({ name: 'filters', ...BINARY }) as Table,
      channels: root.openDB({ name: 'channels', ...BINARY }) as Table,
      meta: root.openDB({ name: 'meta', ...BINARY }) as Table,
    };
  }

  /**
   * One transaction of everything `write` puts and removes; resolves when it is on stable storage, and rejects with
   * StoreError when nothing of it is. One at a time: the caller awaits it before the next.
   */
  async commit(write: (tables: Tables) => void): Promise<void> {
    if (this.#closed) throw new StoreError('the log is closed', false);
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
  commitSync(write: (tables: Tables) => void): void {
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

export interface Tables {
  /** Chunk number -> chunk (log-chunk.ts). */
  readonly chunks: Table;
  /** (channel, first seq) -> where the segment is. */
  readonly segments: Table;
  /** (run, bucket) -> hashes of duplicate keys and their seqs (key-run.ts). */
  readonly keys: Table;
  /** (run, first bucket of a group) -> filters over them. */
  readonly filters: Table;
  /** Name -> channel record. */
  readonly channels: Table;
  readonly meta: Table;
}

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

/** LMDB maps the file before it looks at it; a foreign one is refused before that. */
function checkMagic(path: string): void {
  if (!existsSync(path)) return;
  if (!statSync(path).isFile()) throw new DataFolderError(path, 'is not a file');
  const head = Buffer.alloc(LMDB_MAGIC_OFFSET + 4);
  let fd: number;
  try {
    fd = openSync(path, 'r+');
  } catch (error) {
    throw new DataFolderError(path, `cannot be written (${reason(error)})`, { cause: error });
  }
  try {
    const bytes = readSync(fd, head, 0, head.length, 0);
    // An empty file is what a crash at the very first opening leaves.
    if (bytes !== 0 && (bytes < head.length || head.readUInt32LE(LMDB_MAGIC_OFFSET) !== LMDB_MAGIC)) {
      throw new DataFolderError(path, 'was not made by Sluice: it is not an LMDB file', {
        remedy: 'Name another data folder, or move the file away.',
      });
    }
  } finally {
    closeSync(fd);
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
