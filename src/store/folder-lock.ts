import { linkSync, readFileSync, readlinkSync, renameSync, statSync, unlinkSync, utimes, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DataFolderError } from '../errors.js';

/**
 * One process at a time in a data folder. Node has no flock(), so the lock is a file that names its owner, made under its name
 * in one step by link(). It outlives a SIGKILL of the owner; whoever comes next sees that the owner is gone by its pid *and*
 * start time (pids come again), or by another boot. An owner in another pid namespace cannot be looked up: its lock is stale when
 * it was not touched for 30 s.
 */

const FILE = 'sluice.lock';
const TOUCH_MS = 5_000;
const STALE_MS = 30_000;

interface Owner {
  readonly pid: number;
  /** Field 22 of /proc/<pid>/stat: clock ticks after boot. */
  readonly started: string;
  readonly boot: string;
  readonly namespace: string;
}

const startOf = (pid: number): string | null => {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' ? null : (fields[19] ?? null);
  } catch {
    return null;
  }
};

function self(): Owner {
  return {
    pid: process.pid,
    started: startOf(process.pid) ?? '',
    boot: readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim(),
    namespace: readlinkSync('/proc/self/ns/pid'),
  };
}

function parseOwner(text: string): Owner | null {
  try {
    const value = JSON.parse(text) as Partial<Owner>;
    if (typeof value.pid !== 'number' || typeof value.started !== 'string') return null;
    return { pid: value.pid, started: value.started, boot: String(value.boot), namespace: String(value.namespace) };
  } catch {
    return null;
  }
}

function alive(owner: Owner | null, me: Owner, path: string): boolean {
  if (owner === null) return false;
  if (owner.boot !== me.boot) return false;
  if (owner.namespace === me.namespace) return startOf(owner.pid) === owner.started;
  return Date.now() - statSync(path).mtimeMs < STALE_MS;
}

export class FolderLock {
  readonly #path: string;
  readonly #token: string;
  readonly #timer: NodeJS.Timeout;

  /** Throws DataFolderError while another process, or another log of this one, has the folder. */
  constructor(folder: string) {
    this.#path = join(folder, FILE);
    const me = self();
    this.#token = JSON.stringify(me);
    for (let attempt = 0; !this.#take(me); attempt++) {
      if (attempt === 3) throw new DataFolderError(folder, 'several processes try to open this data folder at once');
    }
    this.#timer = setInterval(() => this.#touch(), TOUCH_MS).unref();
  }

  #take(me: Owner): boolean {
    const mine = `${this.#path}.${process.pid}`;
    try {
      writeFileSync(mine, this.#token, { mode: 0o600 });
      linkSync(mine, this.#path);
      return true;
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      if (code !== 'EEXIST') throw new DataFolderError(this.#path, `cannot be made (${code ?? String(error)})`, { cause: error });
    } finally {
      try {
        unlinkSync(mine);
      } catch {
        // It was never made: the error above says why.
      }
    }
    this.#removeStale(me);
    return false;
  }

  /** Moves a dead owner's lock away. The name is taken by rename, so of two that try, one finds nothing left to rename. */
  #removeStale(me: Owner): void {
    let seen: string;
    try {
      seen = readFileSync(this.#path, 'utf8');
      const owner = parseOwner(seen);
      if (alive(owner, me, this.#path)) {
        throw new DataFolderError(this.#path, `process ${owner?.pid ?? '?'} is using this data folder`, {
          remedy: 'Stop that process, or name another folder with --data.',
        });
      }
      const aside = `${this.#path}.stale.${process.pid}`;
      renameSync(this.#path, aside);
      // Between the look and the rename somebody else may have taken the lock: give it back.
      if (readFileSync(aside, 'utf8') !== seen) linkSync(aside, this.#path);
      unlinkSync(aside);
    } catch (error) {
      if (error instanceof DataFolderError) throw error;
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT')
        throw new DataFolderError(this.#path, `cannot be read (${String(error)})`, { cause: error });
    }
  }

  #touch(): void {
    const now = new Date();
    // It may have to wait for the file system. A lock that was deleted by hand is no reason to stop serving.
    utimes(this.#path, now, now, () => undefined);
  }

  release(): void {
    clearInterval(this.#timer);
    try {
      if (readFileSync(this.#path, 'utf8') === this.#token) unlinkSync(this.#path);
    } catch {
      // Already gone.
    }
  }
}
