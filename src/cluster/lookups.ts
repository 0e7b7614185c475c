/** Places in channels of a shared log, by time or by id: asked beforehand, and answered from what was found. */

import { StoreError } from '../errors.js';
import type { SharedLog } from '../store/shared-log.js';

interface Found {
  readonly seq: number;
  readonly at: number;
}

/** What was found is used at once; it is kept for those who asked for the same at the same time. */
const KEPT_MS = 2000;

export class Lookups {
  readonly #log: Pick<SharedLog, 'seqAtTs' | 'seqAfterId'>;
  /** Milliseconds, monotonic. */
  readonly #now: () => number;
  readonly #found = new Map<string, Found>();

  constructor(log: Pick<SharedLog, 'seqAtTs' | 'seqAfterId'>, now: () => number) {
    this.#log = log;
    this.#now = now;
  }

  /** Rejects with StoreError. */
  async findTs(channelId: number, name: string, ts: number): Promise<void> {
    this.#keep(`${channelId} t ${ts}`, await this.#log.seqAtTs(name, ts));
  }

  async findId(channelId: number, name: string, msgId: string): Promise<void> {
    this.#keep(`${channelId} i ${msgId}`, await this.#log.seqAfterId(name, msgId));
  }

  /** As MessageLog.seqAtTs, of what findTs() found. Throws StoreError when that was not done. */
  seqAtTs(channelId: number, ts: number): number {
    return this.#get(`${channelId} t ${ts}`);
  }

  seqAfterId(channelId: number, msgId: string): number {
    return this.#get(`${channelId} i ${msgId}`);
  }

  #keep(key: string, seq: number): void {
    const now = this.#now();
    // The oldest stand first.
    for (const [old, { at }] of this.#found) {
      if (now - at < KEPT_MS) break;
      this.#found.delete(old);
    }
    this.#found.delete(key);
    this.#found.set(key, { seq, at: now });
  }

  #get(key: string): number {
    const found = this.#found.get(key);
    if (found === undefined) throw new StoreError('a place in the channel was not looked up in time', true);
    return found.seq;
  }
}
