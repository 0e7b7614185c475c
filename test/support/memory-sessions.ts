/** A SessionStore in memory that a test can hold, slow down and break; what it keeps survives its reopening. */

import { StoreError } from '../../src/errors.js';
import { formatSessionId } from '../../src/store/sessions/session-id.js';
import {
  applyPatch, type Claimed, type FirstCursors, type SessionClaim, type SessionPatch, type SessionRecord, type SessionRef,
  type SessionStore, type SessionTimes,
} from '../../src/store/sessions/session-store.js';

export class MemorySessions implements SessionStore {
  readonly records: Map<string, SessionRecord>;
  readonly devices: Map<string, string>;
  /** Called before each step: what it throws or rejects with is the step's failure; what it waits for, the step waits for. */
  before: (step: string) => Promise<void> | void = () => undefined;
  /** Called after each step took effect, before its author hears of it. */
  after: (step: string) => Promise<void> | void = () => undefined;
  /** Whether claims are decided at once; then `before` is the wait for what makes them durable. */
  decides = false;
  #closed = false;

  constructor(former?: MemorySessions) {
    this.records = former?.records ?? new Map();
    this.devices = former?.devices ?? new Map();
  }

  claimNow(id: string, judge: (record: SessionRecord | null) => SessionClaim | null): Claimed | null {
    if (!this.decides) return null;
    const former = this.records.get(id);
    const claim = judge(former ?? null);
    if (former === undefined || claim === null) return null;
    const record = { ...former, ...claim };
    this.records.set(id, record);
    const stored = Promise.resolve(this.before('claim')).catch((error: unknown) => {
      this.records.set(id, former);
      throw error;
    });
    return { record, stored };
  }

  create(record: SessionRecord): Promise<void> {
    return this.#step('create', () => {
      this.records.set(record.id, record);
      if (record.user !== null && record.device !== null) this.devices.set(deviceKey(record.user, record.device), record.id);
    });
  }

  createMany(ids: Uint32Array, count: number, record: SessionRecord, given: FirstCursors = []): Promise<void> {
    const records = Array.from({ length: count }, (_, i) => {
      const cursor = given[i] ?? null;
      return { ...record, id: formatSessionId(ids, i * 4), cursors: cursor === null ? record.cursors : [{ ...cursor }] };
    });
    return this.#step('create', () => {
      for (const each of records) this.records.set(each.id, each);
    });
  }

  get(id: string): Promise<SessionRecord | null> {
    return this.#step('get', () => this.records.get(id) ?? null);
  }

  findDevice(user: string, device: string): Promise<SessionRecord | null> {
    return this.#step('findDevice', () => this.records.get(this.devices.get(deviceKey(user, device)) ?? '') ?? null);
  }

  claim(id: string, expected: number, claim: SessionClaim): Promise<SessionRecord | null> {
    return this.#step('claim', () => {
      const record = this.#current(id, expected);
      if (record === null) return null;
      const claimed = { ...record, ...claim };
      this.records.set(id, claimed);
      return claimed;
    });
  }

  update(id: string, generation: number, patch: SessionPatch): Promise<boolean> {
    return this.#step('update', () => this.#change(id, generation, (record) => applyPatch(record, patch)));
  }

  release(id: string, generation: number, times: SessionTimes, patch: SessionPatch): Promise<boolean> {
    return this.#step('release', () => {
      return this.#change(id, generation, (record) => ({ ...applyPatch(record, patch), ...times, owner: null }));
    });
  }

  renew(sessions: readonly SessionRef[], times: SessionTimes): Promise<readonly boolean[]> {
    return this.#step('renew', () => {
      return sessions.map(({ id, generation }) => this.#change(id, generation, (record) => ({ ...record, ...times })));
    });
  }

  end(id: string, generation: number, patch: SessionPatch, forgetAt: number): Promise<boolean> {
    return this.#step('end', () => {
      return this.#change(id, generation, (record) => {
        return { ...applyPatch(record, patch), owner: null, leaseUntil: 0, ended: true, forgetAt };
      });
    });
  }

  sweep(now: number, limit: number): Promise<number> {
    return this.#step('sweep', () => {
      const gone = [...this.records.values()].filter(({ forgetAt }) => forgetAt <= now).slice(0, limit);
      for (const { id, user, device } of gone) {
        this.records.delete(id);
        const key = deviceKey(user ?? '', device ?? '');
        if (this.devices.get(key) === id) this.devices.delete(key);
      }
      return gone.length;
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
  }

  async #step<T>(name: string, effect: () => T): Promise<T> {
    if (this.#closed) throw new StoreError('the session store is closed', false);
    const wait = this.before(name);
    if (wait !== undefined) await wait;
    const result = effect();
    const more = this.after(name);
    if (more !== undefined) await more;
    return result;
  }

  #current(id: string, generation: number): SessionRecord | null {
    const record = this.records.get(id);
    return record !== undefined && record.generation === generation && !record.ended ? record : null;
  }

  #change(id: string, generation: number, change: (record: SessionRecord) => SessionRecord): boolean {
    const record = this.#current(id, generation);
    if (record === null) return false;
    this.records.set(id, change(record));
    return true;
  }
}

function deviceKey(user: string, device: string): string {
  return JSON.stringify([user, device]);
}
