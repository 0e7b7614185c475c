/**
 * When replays take their next turn, and how long it may be. A reader of millions of messages keeps this thread busy without a pause, and
 * what writes the log then gets its processor late: publishers would wait for several of the system's time slices. So while publishes wait
 * for their commit replays work in short bursts with rests between them, in which the commit gets on. Pure: time is handed in.
 */

/** What a commit that has become durable waits for at most, beside a turn of others. */
const BURST_MS = 0.5;
/** The system's threads have the processor so long: a commit is a few short steps of theirs. */
const REST_MS = 2;
/** What is read from the disk, or sent message by message, takes its time: nobody waits for more of it than this, and one chunk. */
const TURN_MS = 2;

const NEVER = -1;

export class ReplayPace {
  #restsUntil = NEVER;
  #burstUntil = NEVER;

  /** Milliseconds that the next turn may take. */
  get turnMs(): number {
    return this.#burstUntil === NEVER ? TURN_MS : BURST_MS;
  }

  /** Milliseconds to wait before the next turn; 0: now. `committing`: publishes wait for their commit. */
  wait(committing: boolean, now: number): number {
    if (!committing) {
      this.#restsUntil = NEVER;
      this.#burstUntil = NEVER;
      return 0;
    }
    // A commit begins with a rest: its first step is that another thread takes it up.
    if (this.#restsUntil === NEVER) this.#restsUntil = now + REST_MS;
    if (now < this.#restsUntil) return this.#restsUntil - now;
    if (this.#burstUntil === NEVER) this.#burstUntil = now + BURST_MS;
    // By the clock, not by the turns' own time: what they hand over is written to sockets behind them.
    if (now < this.#burstUntil) return 0;
    this.#burstUntil = NEVER;
    this.#restsUntil = now + REST_MS;
    return REST_MS;
  }
}
