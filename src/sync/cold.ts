/**
 * Reads of the cold tier for replays: bounded in number and time, and none for a moment after one timed out, so that clients do not queue
 * behind a store that does not answer.
 */

import { StoreError } from '../errors.js';
import { idsOfFrames } from '../store/delivery-frame.js';
import type { HistoryPlace, HistoryStore } from '../store/history-store.js';
import { timeOfId } from '../store/message-id.js';
import type { FrameRun } from '../store/types.js';
import { cutRun } from './history.js';
import type { ColdPlace, ColdPosition, ColdSource, ReplayChannel } from './types.js';

export interface ColdReaderOptions {
  readonly store: HistoryStore;
  readonly timeoutMs: number;
  /** Ids rise along a channel; where several nodes make them they do not, and are looked for around their time. */
  readonly idsRise: boolean;
  /** Milliseconds, monotonic. */
  readonly now: () => number;
}

const COUNT_MAX = 4096;
const ID_SCAN_BYTES = 1 << 20;
/** Reads under way; the others wait for their turn. */
const READS_MAX = 16;
const PAUSE_MS = 1000;
/** Channels whose oldest number is remembered, and for how long: retention moves it, slowly. */
const OLDEST_MAX = 10_000;
const OLDEST_MS = 30_000;

export class ColdReader implements ColdSource {
  readonly #options: ColdReaderOptions;
  readonly #waiting: (() => void)[] = [];
  readonly #oldest = new Map<number, { readonly seq: number | null; readonly until: number }>();
  #running = 0;
  #pausedUntil = -Infinity;
  #failures = 0;

  constructor(options: ColdReaderOptions) {
    this.#options = options;
  }

  /** Reads that failed. */
  get failures(): number {
    return this.#failures;
  }

  async read(channel: ReplayChannel, fromSeq: number, toSeq: number, maxBytes: number): Promise<FrameRun | null> {
    const count = Math.min(COUNT_MAX, toSeq - fromSeq + 1);
    const run = await this.#ask((store) => store.read(place(channel), fromSeq, count, maxBytes));
    return run === null ? null : cutRun(run, toSeq);
  }

  async locate(channel: ReplayChannel, position: ColdPosition): Promise<ColdPlace> {
    const at = place(channel);
    const seq = await this.#ask((store) => {
      if (position.kind === 'ts') return store.seqAtTs(at, position.ts);
      return this.#options.idsRise ? store.seqAfterId(at, String(position.id)) : seqOfId(store, at, position.id);
    });
    return { seq, oldestSeq: await this.oldestSeq(channel) };
  }

  async oldestSeq(channel: ReplayChannel): Promise<number | null> {
    const known = this.#oldest.get(channel.id);
    if (known !== undefined && known.until > this.#options.now()) return known.seq;
    const bounds = await this.#ask((store) => store.bounds(place(channel)));
    if (this.#oldest.size >= OLDEST_MAX) this.#oldest.clear();
    this.#oldest.set(channel.id, { seq: bounds?.oldestSeq ?? null, until: this.#options.now() + OLDEST_MS });
    return bounds?.oldestSeq ?? null;
  }

  async #ask<T>(read: (store: HistoryStore) => Promise<T>): Promise<T> {
    if (this.#running >= READS_MAX) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    if (this.#options.now() < this.#pausedUntil) {
      this.#waiting.shift()?.();
      throw new StoreError('the history store did not answer a moment ago', true);
    }
    this.#running += 1;
    try {
      return await this.#inTime(read(this.#options.store));
    } catch (error) {
      this.#failures += 1;
      throw error;
    } finally {
      this.#running -= 1;
      this.#waiting.shift()?.();
    }
  }

  async #inTime<T>(answer: Promise<T>): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const bound = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => {
        this.#pausedUntil = this.#options.now() + PAUSE_MS;
        reject(new StoreError('the history store does not answer', true));
      }, this.#options.timeoutMs);
    });
    try {
      return await Promise.race([answer, bound]);
    } finally {
      clearTimeout(timer);
    }
  }
}

/**
 * First seq that is not before an id where ids do not rise. The position behind a message is its id and one; a message's server_ts is not
 * below its id's time.
 */
async function seqOfId(store: HistoryStore, at: HistoryPlace, id: bigint): Promise<number | null> {
  const start = await store.seqAtTs(at, timeOfId(id - 1n));
  if (start === null) return null;
  const [wanted, before] = [String(id), String(id - 1n)];
  for (let from = start; from < start + COUNT_MAX; ) {
    const run = await store.read(at, from, COUNT_MAX, ID_SCAN_BYTES);
    if (run === null) break;
    const ids = idsOfFrames(run);
    const found = ids.findIndex((each) => each === wanted || each === before);
    if (found >= 0) return run.firstSeq + found + (ids[found] === before ? 1 : 0);
    from = run.lastSeq + 1;
  }
  return store.seqAtTs(at, timeOfId(id));
}

function place({ name, epoch }: ReplayChannel): HistoryPlace {
  return { channel: name, epoch };
}
