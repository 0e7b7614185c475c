/**
 * When replays take their next turn. A reader of millions of messages keeps this thread busy without a pause, and what writes the log
 * then gets its processor late: publishers would wait for several of the system's time slices. So while publishes wait for their commit
 * replays stand still, and go on when it is done, or when they have stood still for long enough. Pure: time is handed in.
 */

/** A commit takes less where the disk is quick; at 64 KiB of each reader in so much time a reader gets 20 MiB a second and more. */
const HOLD_MS = 3;

export class ReplayPace {
  /** Since when replays stand still; -1 when they do not. */
  #heldSince = -1;

  /** Milliseconds to wait before the next turn; 0: now. `committing`: publishes wait for their commit. */
  wait(committing: boolean, now: number): number {
    if (!committing) {
      this.#heldSince = -1;
      return 0;
    }
    if (this.#heldSince < 0) this.#heldSince = now;
    const left = this.#heldSince + HOLD_MS - now;
    if (left > 0) return left;
    this.#heldSince = -1;
    return 0;
  }
}
