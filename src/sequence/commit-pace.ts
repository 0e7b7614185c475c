import type { Publication } from './batch.js';

const INTERVAL_MS = 1;
/** A commit of so many is taken for load. */
const MANY = 8;
/** So are so many publishes, a millisecond or less for each, of which `OTHERS` at least come from none of the senders before them. */
const RECENT = 16;
const OTHERS = 12;

/**
 * When the next commit may begin. Under load a millisecond behind the last one's beginning: each costs some hundred microseconds of this
 * CPU whatever its size, and what comes meanwhile shares it. A few messages go at once, and so do those of a few senders, each of whom
 * may wait for an answer before it goes on (docs/decisions/0375).
 */
export class CommitPace {
  /** Of the last publishes in commits of less than `MANY`, the place of the oldest next. */
  readonly #senders: string[] = new Array<string>(RECENT).fill('');
  readonly #began = new Float64Array(RECENT).fill(-Infinity);
  readonly #other = new Uint8Array(RECENT);
  #others = 0;
  #next = 0;
  /** Of the pause under way: when it may end, and what ends it. */
  #due = 0;
  #end: (() => void) | null = null;

  /** When the next commit may begin, behind one of these messages that began at `started`: milliseconds of one monotonic clock. */
  next(publications: readonly Publication[], started: number): number {
    return publications.length < MANY && !this.#comesFromMany(publications, started) ? started : started + INTERVAL_MS;
  }

  /** Resolves with the first endTurn() from `due` on, or some time behind it: a timer is up to two milliseconds late. */
  async pause(due: number, now: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(() => this.#end?.(), Math.ceil(due - now));
      this.#due = due;
      this.#end = () => {
        clearTimeout(timer);
        this.#end = null;
        resolve();
      };
    });
  }

  endTurn(now: number): void {
    if (this.#end !== null && now >= this.#due) this.#end();
  }

  #comesFromMany(publications: readonly Publication[], started: number): boolean {
    for (const { sender } of publications) this.#add(sender, started);
    return this.#others >= OTHERS && started - this.#began[this.#next]! <= RECENT * INTERVAL_MS;
  }

  #add(sender: string, began: number): void {
    const place = this.#next;
    const other = this.#senders.includes(sender) ? 0 : 1;
    this.#others += other - this.#other[place]!;
    this.#senders[place] = sender;
    this.#began[place] = began;
    this.#other[place] = other;
    this.#next = (place + 1) % RECENT;
  }
}
