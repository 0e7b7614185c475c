/** One bound for several waits, one behind another or side by side: what some take is missing for the others. */

/** For each wait for a store that others share, whatever those before it took: enough for one that is well again. */
const SHARED_LEAST_MS = 500;

export class TimeLeft {
  readonly #leastMs: number;
  #ms: number;
  #waits = 0;
  #since = 0;

  /** `leastMs`: each is waited for so long at least. */
  constructor(ms: number, leastMs: number) {
    this.#ms = ms;
    this.#leastMs = leastMs;
  }

  /**
   * For what a stop writes. With a store of the node's own each write has its time. One that others share may be gone, and they go on
   * without this node: all writes together have it.
   */
  static forStores(ms: number, isShared: boolean): TimeLeft {
    return new TimeLeft(ms, isShared ? Math.min(ms, SHARED_LEAST_MS) : ms);
  }

  /** What the work came to; null where it did not end in the time that is left. Rejects as the work does. */
  async of<T>(work: Promise<T>): Promise<T | null> {
    const now = performance.now();
    if (this.#waits === 0) this.#since = now;
    this.#waits += 1;
    const ms = Math.max(this.#ms - (now - this.#since), this.#leastMs);
    let timer: NodeJS.Timeout | undefined;
    const bound = new Promise<null>((resolve) => (timer = setTimeout(() => resolve(null), ms)));
    try {
      return await Promise.race([work, bound]);
    } finally {
      clearTimeout(timer);
      this.#waits -= 1;
      if (this.#waits === 0) this.#ms -= performance.now() - this.#since;
    }
  }
}
