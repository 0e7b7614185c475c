/**
 * Messages of the shared log for those who catch up. What is not at hand is fetched, ahead of those who read on and once for all who want
 * the same; a store that fails is asked again until it answers, because nobody who waits has lost anything yet.
 */

import type { SharedLog } from '../store/shared-log.js';
import type { FrameRun } from '../store/types.js';
import type { RunReader } from '../sync/history.js';
import { StoreError } from '../errors.js';

export interface RemoteRunsOptions {
  readonly log: Pick<SharedLog, 'read'>;
  /** Null where the channel is not in use any more. */
  readonly nameOf: (channelId: number) => string | null;
  /** Milliseconds, monotonic. */
  readonly now: () => number;
  readonly after: (ms: number, run: () => void) => void;
}

interface Fetched {
  readonly channelId: number;
  readonly fromSeq: number;
  /** Null: there was nothing from `fromSeq` on. */
  readonly run: FrameRun | null;
  readonly at: number;
}

/** Messages fetched at once: so many at first, then what makes about so many bytes. */
const MESSAGES_FIRST = 64;
const MESSAGES_MAX = 2000;
const MESSAGES_MIN = 16;
const FETCH_BYTES = 1 << 20;
const BYTES_MAX = 32 << 20;
/** What was not there may be there soon; what was stays the same. */
const ABSENCE_MS = 500;
const KEPT_MS = 10_000;
const RETRY_MS = 500;

export class RemoteRuns implements RunReader {
  readonly #options: RemoteRunsOptions;
  /** By channel, in the order in which they came. */
  readonly #fetched = new Map<number, Fetched[]>();
  readonly #fetching = new Map<string, Promise<void>>();
  #bytes = 0;
  #stopped = false;

  constructor(options: RemoteRunsOptions) {
    this.#options = options;
  }

  read(channelId: number, fromSeq: number, maxCount: number, maxBytes: number): FrameRun | null | Promise<void> {
    const found = this.#find(channelId, fromSeq);
    if (found === undefined) return this.#fetch(channelId, fromSeq, true);
    const { run } = found;
    if (run === null) return null;
    const part = partOf(run, fromSeq, maxCount, maxBytes);
    // The next ones are on their way while these are sent.
    if (part.lastSeq === run.lastSeq && run.ends.length >= MESSAGES_MIN && this.#find(channelId, run.lastSeq + 1) === undefined) {
      this.#fetch(channelId, run.lastSeq + 1, false).catch(() => undefined);
    }
    return part;
  }

  /** Those who wait are not told any more. */
  stop(): void {
    this.#stopped = true;
  }

  #find(channelId: number, fromSeq: number): Fetched | undefined {
    const now = this.#options.now();
    return this.#fetched.get(channelId)?.find(({ fromSeq: asked, run, at }) => {
      if (run === null || run.firstSeq > fromSeq) return asked === fromSeq && now - at < ABSENCE_MS;
      return fromSeq <= run.lastSeq && now - at < KEPT_MS;
    });
  }

  /** `exists`: somebody reads it; else it may not be published yet, and its absence says nothing about the time when it is. */
  #fetch(channelId: number, fromSeq: number, exists: boolean): Promise<void> {
    const key = `${channelId}/${fromSeq}`;
    const known = this.#fetching.get(key);
    if (known !== undefined) return known;
    const fetching = this.#read(channelId, fromSeq, exists).finally(() => this.#fetching.delete(key));
    this.#fetching.set(key, fetching);
    return fetching;
  }

  async #read(channelId: number, fromSeq: number, exists: boolean): Promise<void> {
    const { log, nameOf, now, after } = this.#options;
    for (;;) {
      const name = nameOf(channelId);
      if (name === null) return this.#keep({ channelId, fromSeq, run: null, at: now() });
      try {
        const run = await log.read(name, fromSeq, this.#count(channelId));
        return run === null && !exists ? undefined : this.#keep({ channelId, fromSeq, run, at: now() });
      } catch (error) {
        if (this.#stopped || !(error instanceof StoreError) || !error.retryable) throw error;
        await new Promise<void>((resolve) => after(RETRY_MS, resolve));
      }
    }
  }

  #count(channelId: number): number {
    const run = this.#fetched.get(channelId)?.at(-1)?.run ?? null;
    if (run === null) return MESSAGES_FIRST;
    const fitting = Math.round((run.ends.length * FETCH_BYTES) / run.frames.length);
    return Math.max(MESSAGES_MIN, Math.min(MESSAGES_MAX, run.ends.length * 4, fitting));
  }

  #keep(fetched: Fetched): void {
    const { channelId, fromSeq } = fetched;
    const others = this.#fetched.get(channelId)?.filter((other) => other.fromSeq !== fromSeq || !this.#release(other)) ?? [];
    others.push(fetched);
    // In the order of the latest use, so that what goes first was not asked for the longest time.
    this.#fetched.delete(channelId);
    this.#fetched.set(channelId, others);
    this.#bytes += sizeOf(fetched);
    this.#evict(fetched);
  }

  #release(fetched: Fetched): boolean {
    this.#bytes -= sizeOf(fetched);
    return true;
  }

  #evict(latest: Fetched): void {
    for (const [channelId, all] of this.#fetched) {
      while (this.#bytes > BYTES_MAX && all.length > 0 && all[0] !== latest) this.#release(all.shift() as Fetched);
      if (all.length === 0) this.#fetched.delete(channelId);
      if (this.#bytes <= BYTES_MAX) return;
    }

  }

  /** What nobody came back for. */
  tick(): void {
    const since = this.#options.now() - KEPT_MS;
    for (const [channelId, all] of this.#fetched) {
      const kept = all.filter((fetched) => fetched.at > since || !this.#release(fetched));
      if (kept.length === 0) this.#fetched.delete(channelId);
      else this.#fetched.set(channelId, kept);
    }
  }
}

const OVERHEAD = 200;

function sizeOf({ run }: Fetched): number {
  return OVERHEAD + (run?.frames.length ?? 0);
}

/** The messages of a run from `fromSeq` on, so many and about so many bytes of them, one at least. */
function partOf(run: FrameRun, fromSeq: number, maxCount: number, maxBytes: number): FrameRun {
  const skip = Math.max(0, fromSeq - run.firstSeq);
  const start = skip === 0 ? 0 : (run.ends[skip - 1] as number);
  let last = skip;
  while (last + 1 < run.ends.length && last + 1 - skip < maxCount && (run.ends[last] as number) - start < maxBytes) last++;
  const end = run.ends[last] as number;
  const ends = run.ends.subarray(skip, last + 1).map((each) => each - start);
  return { firstSeq: run.firstSeq + skip, lastSeq: run.firstSeq + last, frames: run.frames.subarray(start, end), ends };
}
