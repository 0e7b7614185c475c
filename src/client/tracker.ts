import type { Fields } from './codec.js';
import type { Incomplete, Position, Since } from './types.js';

export type Verdict = 'deliver' | 'duplicate' | 'gap';
export type Loss = Pick<Incomplete, 'fromSeq' | 'toSeq' | 'reason'>;

/** What was delivered of one channel and what comes next. Pure: no I/O, no clock. */
export class Tracker {
  readonly #since: Since | null;
  #position: Position | null;
  /** The next message is taken whatever its number: the gateway chose where to start. */
  #anyNext = false;
  #epoch: string | null = null;
  /** The change of epoch was reported and the gateway's own report of it is still to come, or the other way round. */
  #changeReported = false;

  constructor(since: Since | null) {
    this.#since = since;
    this.#position = since !== null && 'seq' in since ? since : null;
  }

  /** Last delivered position; null while nothing is known of the channel. */
  get position(): Position | null {
    return this.#position;
  }

  /** The `since` field of the next `sub`. */
  get since(): Fields | null {
    const from = this.#position ?? this.#since;
    if (from === null) return null;
    if ('seq' in from) return { seq: from.seq, epoch: from.epoch };
    return 'ts' in from ? { ts: from.ts } : { msg_id: from.msgId };
  }

  /** The gateway accepted a `sub`. Returns what will be missing, or null. */
  begin(headSeq: number, epoch: string): Loss | null {
    const last = this.#position;
    this.#epoch = epoch;
    if (last === null) {
      if (this.#since === null) this.#position = { seq: headSeq, epoch };
      else this.#anyNext = true;
      return null;
    }
    // A head behind what was delivered is another life of the sequence too, whatever it calls itself.
    if (last.epoch === epoch && last.seq <= headSeq) return null;
    const restart = last.epoch !== epoch;
    this.#position = { seq: restart ? 0 : headSeq, epoch };
    this.#anyNext = restart;
    if (this.#changeReported) {
      this.#changeReported = false;
      return null;
    }
    this.#changeReported = restart;
    return { fromSeq: last.seq + 1, toSeq: headSeq, reason: 'epoch_changed' };
  }

  /** Decides about a message and moves the position when it is to be delivered. */
  accept(seq: number): Verdict {
    if (!this.#anyNext) {
      const last = this.#position?.seq ?? 0;
      if (seq <= last) return 'duplicate';
      if (seq !== last + 1) return 'gap';
    }
    this.#anyNext = false;
    this.#changeReported = false;
    this.#position = { seq, epoch: this.#epoch ?? '' };
    return 'deliver';
  }

  /** The gateway cannot serve up to `toSeq`: what follows it is next. Returns whether this is news. */
  expired(toSeq: number): boolean {
    const last = this.#position?.seq ?? 0;
    if (toSeq <= last) return false;
    const epoch = this.#epoch ?? this.#position?.epoch;
    // Without an epoch there is no position to go on from: the next message gives one.
    if (epoch === undefined) this.#anyNext = true;
    else {
      this.#position = { seq: toSeq, epoch };
      this.#anyNext = false;
    }
    return true;
  }

  /** The gateway says that the epoch changed. Returns whether this is news. */
  epochChanged(): boolean {
    const isNews = !this.#changeReported;
    this.#changeReported = isNews;
    return isNews;
  }
}
