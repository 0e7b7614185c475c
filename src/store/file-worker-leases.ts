/** The worker numbers of a data folder in a file. The folder has one user at a time; what it must know of is those before it. */

import { readFileSync } from 'node:fs';
import { open, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFolder } from '../config/folder.js';
import { DataFolderError, StoreError } from '../errors.js';
import { reason } from './store-failure.js';
import type { WorkerLeases } from './worker-leases.js';

const FILE = 'workers.json';
const WORKER_MAX = 1023;

interface Lease {
  /** Empty when it was given up. */
  readonly owner: string;
  readonly until: number;
}

export class FileWorkerLeases implements WorkerLeases {
  readonly #folder: string;
  readonly #path: string;
  readonly #leases: Map<number, Lease>;
  #running: Promise<void> = Promise.resolve();
  /** The write behind the one that runs: of all that is put meanwhile. */
  #next: Promise<void> | null = null;

  /** Throws DataFolderError when the folder or its file cannot be used. */
  constructor(folder: string) {
    this.#folder = folder;
    this.#path = join(folder, FILE);
    try {
      makeFolder(folder);
    } catch (cause) {
      throw new DataFolderError(folder, `cannot be made (${reason(cause)})`, { cause });
    }
    this.#leases = readLeases(this.#path);
  }

  async take(owner: string, from: number, until: number): Promise<number | null> {
    let free: number | null = null;
    for (let worker = 0; worker <= WORKER_MAX && free === null; worker++) {
      const lease = this.#leases.get(worker);
      if (lease === undefined || lease.owner === owner || lease.until <= from) free = worker;
    }
    for (const [worker, lease] of this.#leases) if (lease.owner === owner) free = worker;
    if (free !== null) await this.#put(free, { owner, until });
    return free;
  }

  async renew(worker: number, owner: string, until: number): Promise<boolean> {
    if (this.#leases.get(worker)?.owner !== owner) return false;
    await this.#put(worker, { owner, until });
    return true;
  }

  async release(worker: number, owner: string, until: number): Promise<void> {
    if (this.#leases.get(worker)?.owner === owner) await this.#put(worker, { owner: '', until });
  }

  /** The lease counts for others when it is on stable storage, and for this process from now on. Rejects with StoreError. */
  #put(worker: number, lease: Lease): Promise<void> {
    this.#leases.set(worker, lease);
    this.#next ??= this.#running
      .catch(() => undefined)
      .then(() => {
        this.#running = this.#next as Promise<void>;
        this.#next = null;
        return this.#write();
      });
    return this.#next;
  }

  /** Not in one turn: publishers must not wait for this. */
  async #write(): Promise<void> {
    const next = `${this.#path}.new`;
    try {
      const file = await open(next, 'w', 0o600);
      try {
        await file.writeFile(JSON.stringify(Object.fromEntries(this.#leases)));
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(next, this.#path);
      const folder = await open(this.#folder);
      await folder.sync().finally(() => folder.close());
    } catch (cause) {
      throw new StoreError(`${this.#path} cannot be written (${reason(cause)})`, true, { cause });
    }
  }
}

function readLeases(path: string): Map<number, Lease> {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return new Map();
    throw new DataFolderError(path, `cannot be read (${reason(cause)})`, { cause });
  }
  const leases = parseLeases(text);
  if (leases !== null) return leases;
  throw new DataFolderError(path, 'is not a table of worker numbers', {
    remedy: 'Remove it when nobody has made message ids with this folder for an hour; it is written anew.',
  });
}

/** Null where it is none. */
function parseLeases(text: string): Map<number, Lease> | null {
  try {
    const leases = new Map<number, Lease>();
    for (const [worker, lease] of Object.entries(JSON.parse(text) as Record<string, Partial<Lease>>)) {
      const { owner, until } = lease;
      if (!/^\d{1,4}$/.test(worker) || typeof owner !== 'string' || typeof until !== 'number') return null;
      leases.set(Number(worker), { owner, until });
    }
    return leases;
  } catch {
    return null;
  }
}
