import { StoreError } from '../../errors.js';
import type { SessionWords } from './session-id.js';
import type {
  ChannelCursor, Claimed, FirstCursors, IsConnected, SessionClaim, SessionPatch, SessionRecord, SessionRef, SessionStore, SessionTimes,
} from './session-store.js';

type Waiting = (store: SessionStore | null) => void;

/**
 * A session store that is opened while it is in use already: what is asked of it before waits, in its order. Who takes over an engine has
 * its connections' sessions from there, and messages flow without the store.
 */
export class LateSessionStore implements SessionStore {
  readonly #open: (over: () => boolean) => Promise<SessionStore>;
  #store: SessionStore | null = null;
  #waiting: Waiting[] = [];
  #opening: Promise<void> | null = null;
  #over = false;
  #isConnected: IsConnected | null = null;

  /** `open` may end early, with whatever, when it is `over`. */
  constructor(open: (over: () => boolean) => Promise<SessionStore>) {
    this.#open = open;
  }

  get memoryBytes(): number {
    return this.#store?.memoryBytes ?? 0;
  }

  /** Rejects with what keeps the store from being opened; so does all that waits. */
  opened(): Promise<void> {
    return (this.#opening ??= this.#begin());
  }

  async #begin(): Promise<void> {
    try {
      this.#store = await this.#open(() => this.#over);
      if (this.#isConnected !== null) this.#store.keepConnected?.(this.#isConnected);
    } finally {
      // Before any later call: each finds what those before it did.
      this.#over = this.#store === null;
      for (const go of this.#waiting.splice(0)) go(this.#store);
    }
  }

  #call<T>(run: (store: SessionStore) => Promise<T>): Promise<T> {
    if (this.#store !== null) return run(this.#store);
    if (this.#over) return Promise.reject(new StoreError('the session store is not open', false));
    return new Promise((resolve, reject) => {
      this.#waiting.push((store) => {
        if (store === null) reject(new StoreError('the session store is not open', false));
        else run(store).then(resolve, reject);
      });
    });
  }

  create(record: SessionRecord, words?: SessionWords): Promise<void> {
    if (this.#store !== null) return this.#store.create(record, words);
    return this.#call((store) => store.create(record));
  }

  createMany(ids: Uint32Array, count: number, record: SessionRecord, cursors?: FirstCursors): Promise<void> | null {
    return this.#store?.createMany?.(ids, count, record, cursors) ?? null;
  }

  addFirstCursor(words: SessionWords, generation: number, cursor: ChannelCursor): Promise<boolean> | null {
    return this.#store?.addFirstCursor?.(words, generation, cursor) ?? null;
  }

  releaseNow(words: SessionWords, generation: number, times: SessionTimes, cursor: ChannelCursor | null): Promise<boolean> | null {
    return this.#store?.releaseNow?.(words, generation, times, cursor) ?? null;
  }

  get(id: string): Promise<SessionRecord | null> {
    return this.#call((store) => store.get(id));
  }

  findDevice(user: string, device: string): Promise<SessionRecord | null> {
    return this.#call((store) => store.findDevice(user, device));
  }

  claim(id: string, expected: number, claim: SessionClaim): Promise<SessionRecord | null> {
    return this.#call((store) => store.claim(id, expected, claim));
  }

  claimNow(id: string, judge: (record: SessionRecord | null) => SessionClaim | null): Claimed | null {
    return this.#store?.claimNow?.(id, judge) ?? null;
  }

  update(id: string, generation: number, patch: SessionPatch): Promise<boolean> {
    return this.#call((store) => store.update(id, generation, patch));
  }

  release(id: string, generation: number, times: SessionTimes, patch: SessionPatch): Promise<boolean> {
    return this.#call((store) => store.release(id, generation, times, patch));
  }

  renew(sessions: readonly SessionRef[], times: SessionTimes): Promise<readonly boolean[]> {
    return this.#call((store) => store.renew(sessions, times));
  }

  renewMany(ids: Uint32Array, generations: Uint32Array, count: number, times: SessionTimes, kept: Uint8Array): Promise<void> | null {
    return this.#store?.renewMany?.(ids, generations, count, times, kept) ?? null;
  }

  keepConnected(isConnected: IsConnected): void {
    this.#isConnected = isConnected;
    this.#store?.keepConnected?.(isConnected);
  }

  end(id: string, generation: number, patch: SessionPatch, forgetAt: number): Promise<boolean> {
    return this.#call((store) => store.end(id, generation, patch, forgetAt));
  }

  sweep(now: number, limit: number): Promise<number> {
    return this.#call((store) => store.sweep(now, limit));
  }

  /** An opening that is under way is waited for; what waits for it is done before it closes. */
  async close(): Promise<void> {
    this.#over = this.#store === null;
    await this.#opening?.catch(() => undefined);
    for (const go of this.#waiting.splice(0)) go(null);
    await this.#store?.close();
  }
}
