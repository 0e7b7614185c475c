import { statfsSync } from 'node:fs';
import { join } from 'node:path';
import { open, type Database, type RootDatabase } from 'lmdb';
import { makeFolder } from '../config/folder.js';
import { DataFolderError, StoreError } from '../errors.js';
import { FolderLock } from './folder-lock.js';

type Table = Database<Buffer, Buffer>;

export interface SessionEnvOptions {
  readonly folder: string;
  readonly mapBytes: number;
}

/** What waits for one transaction: the last value of each key, null removes it. */
class Group {
  readonly values = new Map<string, Buffer | null>();
  readonly settled: Promise<void>;
  resolve!: () => void;
  reject!: (error: StoreError) => void;

  constructor() {
    this.settled = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
    // Writers that do not wait have nothing to be told; those that do have the same promise.
    this.settled.catch(() => undefined);
  }
}

const FILE = 'sessions.mdb';
const BINARY = { encoding: 'binary', keyEncoding: 'binary' } as const;
const FULL_BYTES = 1 << 20;

/**
 * Keys and values of bytes in an LMDB file of their own, written in groups: while one transaction runs the next one gathers. Reads see
 * what was written before them, durable or not, so that whoever reads, decides and writes within one turn is alone.
 */
export class SessionEnv {
  readonly path: string;
  readonly #options: SessionEnvOptions;
  readonly #lock: FolderLock;
  #root: RootDatabase<Buffer, Buffer> | null = null;
  #table: Table | null = null;
  #gathering = new Group();
  #committing: Group | null = null;
  #scheduled = false;
  #failed = false;
  #closed = false;
  #running: Promise<void> = Promise.resolve();

  /** Throws DataFolderError. */
  constructor(options: SessionEnvOptions) {
    this.#options = options;
    this.path = join(options.folder, FILE);
    try {
      makeFolder(options.folder);
    } catch (cause) {
      throw new DataFolderError(options.folder, `cannot be made (${reason(cause)})`, { cause });
    }
    this.#lock = new FolderLock(options.folder);
    try {
      this.#open();
    } catch (cause) {
      this.#lock.release();
      throw new DataFolderError(this.path, `cannot be opened as a session store (${reason(cause)})`, { cause });
    }
  }

  #open(): void {
    const { mapBytes } = this.#options;
    // A commit is LMDB's own: pages, fdatasync, meta page (docs/decisions/0003).
    this.#root = open<Buffer, Buffer>({ path: this.path, ...BINARY, mapSize: mapBytes, maxDbs: 2, overlappingSync: false });
    this.#table = this.#root.openDB({ name: 'sessions', ...BINARY }) as Table;
  }

  /** The latest value; null where there is none. Throws StoreError. */
  read(key: string): Buffer | null {
    const table = this.#opened();
    for (const group of [this.#gathering, this.#committing]) {
      const value = group?.values.get(key);
      if (value !== undefined) return value;
    }
    return table.getBinary(Buffer.from(key)) ?? null;
  }

  /** Resolves when everything of this turn is on stable storage. Throws StoreError when the store is closed. */
  write(key: string, value: Buffer | null): Promise<void> {
    this.#opened();
    this.#gathering.values.set(key, value);
    this.#schedule();
    return this.#gathering.settled;
  }

  /** Durable keys from `start` on that begin with `prefix`, with their values. */
  range(start: string, prefix: string, limit: number): { readonly key: string; readonly value: Buffer }[] {
    const end = Buffer.from(`${prefix.slice(0, -1)}${String.fromCharCode(prefix.charCodeAt(prefix.length - 1) + 1)}`);
    const found = [...this.#opened().getRange({ start: Buffer.from(start), end, limit })];
    return found.map(({ key, value }) => ({ key: Buffer.from(key).toString(), value }));
  }

  #opened(): Table {
    if (this.#closed) throw new StoreError('the session store is closed', false);
    if (this.#table === null) throw new StoreError(`${this.path} cannot be opened at the moment`, true);
    return this.#table;
  }

  #schedule(): void {
    if (this.#scheduled || this.#committing !== null) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      if (this.#committing === null && this.#gathering.values.size > 0) this.#running = this.#commitAll();
    });
  }

  /** Never rejects: writers are told through their groups. */
  async #commitAll(): Promise<void> {
    while (this.#gathering.values.size > 0) {
      const group = this.#gathering;
      this.#committing = group;
      this.#gathering = new Group();
      try {
        if (this.#failed) await this.#reopen();
        await this.#commit(group);
        group.resolve();
      } catch (error) {
        this.#fail(group, error);
      }
      this.#committing = null;
    }
  }

  async #commit({ values }: Group): Promise<void> {
    const table = this.#table as Table;
    await this.#root?.batch(() => {
      for (const [key, value] of values) {
        if (value === null) void table.remove(Buffer.from(key));
        else void table.put(Buffer.from(key), value);
      }
    });
  }

  /** What gathered meanwhile may build on what failed, so it fails too. */
  #fail(group: Group, cause: unknown): void {
    this.#failed = true;
    const full = isFull(this.path) ? 'the disk is full' : reason(cause);
    const error = new StoreError(`${this.path} could not be written: ${full}`, true, { cause });
    const behind = this.#gathering;
    this.#gathering = new Group();
    group.reject(error);
    behind.reject(error);
  }

  /** LMDB stops for good after a failed write of its meta page. */
  async #reopen(): Promise<void> {
    const old = this.#root;
    this.#root = null;
    this.#table = null;
    if (old !== null) await old.close();
    this.#open();
    this.#failed = false;
  }

  async close(): Promise<void> {
    if (this.#closed) return this.#running;
    this.#closed = true;
    if (this.#committing === null && this.#gathering.values.size > 0) this.#running = this.#commitAll();
    await this.#running;
    await this.#root?.close();
    this.#root = null;
    this.#table = null;
    this.#lock.release();
  }
}

function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function isFull(path: string): boolean {
  try {
    const { bavail, bsize } = statfsSync(path);
    return bavail * bsize < FULL_BYTES;
  } catch {
    return false;
  }
}
