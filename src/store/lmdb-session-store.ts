import { decodeSession, encodeSession, forgetAtOf } from './session-codec.js';
import { SessionEnv } from './session-env.js';
import {
  applyPatch, type SessionClaim, type SessionPatch, type SessionRecord, type SessionRef, type SessionStore, type SessionTimes,
} from './session-store.js';

export interface LmdbSessionStoreOptions {
  /** The data folder; made when it is missing. */
  readonly folder: string;
  readonly mapBytes?: number;
}

const SESSION = 's';
const DEVICE = 'd';

/**
 * The embedded session store. Nothing is kept in memory for a session: a look-up reads LMDB's map. Every method reads, decides and
 * writes in one turn, which makes it atomic, as this process is the only writer.
 */
export class LmdbSessionStore implements SessionStore {
  readonly #env: SessionEnv;
  #swept = SESSION;

  /** Throws DataFolderError when the folder cannot be used or another process has it. */
  constructor({ folder, mapBytes = 2 ** 36 }: LmdbSessionStoreOptions) {
    this.#env = new SessionEnv({ folder, mapBytes });
  }

  async create(record: SessionRecord): Promise<void> {
    const { user, device, id } = record;
    if (user !== null && device !== null) void this.#env.write(deviceKey(user, device), Buffer.from(id));
    await this.#write(record);
  }

  async get(id: string): Promise<SessionRecord | null> {
    return this.#read(id);
  }

  async findDevice(user: string, device: string): Promise<SessionRecord | null> {
    const id = this.#env.read(deviceKey(user, device));
    return id === null ? null : this.#read(id.toString());
  }

  async claim(id: string, expected: number, claim: SessionClaim): Promise<SessionRecord | null> {
    const record = this.#current(id, expected);
    if (record === null) return null;
    const claimed = { ...record, ...claim, generation: expected + 1 };
    await this.#write(claimed);
    return claimed;
  }

  async update(id: string, generation: number, patch: SessionPatch): Promise<boolean> {
    return this.#change(id, generation, (record) => applyPatch(record, patch));
  }

  async release(id: string, generation: number, times: SessionTimes, patch: SessionPatch): Promise<boolean> {
    return this.#change(id, generation, (record) => ({ ...applyPatch(record, patch), ...times, owner: null }));
  }

  async renew(sessions: readonly SessionRef[], times: SessionTimes): Promise<readonly boolean[]> {
    return Promise.all(sessions.map(({ id, generation }) => this.#change(id, generation, (record) => ({ ...record, ...times }))));
  }

  async end(id: string, generation: number, patch: SessionPatch, forgetAt: number): Promise<boolean> {
    return this.#change(id, generation, (record) => {
      return { ...applyPatch(record, patch), owner: null, leaseUntil: 0, ended: true, forgetAt };
    });
  }

  async sweep(now: number, limit: number): Promise<number> {
    const found = this.#env.range(this.#swept, SESSION, limit);
    const last = found.at(-1);
    this.#swept = found.length < limit || last === undefined ? SESSION : `${last.key} `;
    let removed = 0;
    for (const { key } of found) {
      // The value as it is now: it may be newer than the durable one.
      const value = this.#env.read(key);
      if (value === null || forgetAtOf(value) > now) continue;
      this.#forget(decodeSession(key.slice(SESSION.length), value));
      removed += 1;
    }
    return removed;
  }

  async close(): Promise<void> {
    await this.#env.close();
  }

  #forget({ id, user, device }: SessionRecord): void {
    void this.#env.write(SESSION + id, null);
    if (user === null || device === null) return;
    const key = deviceKey(user, device);
    if (this.#env.read(key)?.toString() === id) void this.#env.write(key, null);
  }

  #read(id: string): SessionRecord | null {
    const value = this.#env.read(SESSION + id);
    return value === null ? null : decodeSession(id, value);
  }

  #write(record: SessionRecord): Promise<void> {
    return this.#env.write(SESSION + record.id, encodeSession(record));
  }

  #current(id: string, generation: number): SessionRecord | null {
    const record = this.#read(id);
    return record !== null && record.generation === generation && !record.ended ? record : null;
  }

  async #change(id: string, generation: number, change: (record: SessionRecord) => SessionRecord): Promise<boolean> {
    const record = this.#current(id, generation);
    if (record === null) return false;
    await this.#write(change(record));
    return true;
  }
}

/** The user's length keeps ("ab", "c") and ("a", "bc") apart. */
function deviceKey(user: string, device: string): string {
  return `${DEVICE}${user.length}:${user}${device}`;
}
