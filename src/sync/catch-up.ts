/**
 * Catches a subscriber up: from a sequence number to the head, then live. The last chunk and the switch to live delivery happen
 * in one step with no return to the event loop between, so that no message is published in the gap: none is missed, none comes twice.
 */

import type { Row } from '../engine/port.js';
import type { FrameRun } from '../store/types.js';
import type { ColdSource, Located, ReplayChannel, ReplayJob, ReplaySink, ReplaySource } from './types.js';

/** What the cold tier answered to the question for messages up to `toSeq`. */
interface Fetched {
  readonly toSeq: number;
  readonly run: FrameRun | null;
  readonly failed: boolean;
}

export interface ColdStart {
  /** Null: the channel has none. */
  readonly cold: ColdSource | null;
  /** Where it begins is still to be found out; never rejects. */
  readonly locate?: (() => Promise<Located>) | null;
}

export class CatchUp implements ReplayJob {
  readonly channel: ReplayChannel;
  #nextSeq: number;
  #done = false;
  #waiting: Promise<void> | null = null;
  #fetched: Fetched | null = null;
  #lost: Located['lost'] = null;
  #locate: (() => Promise<Located>) | null;
  readonly #source: ReplaySource;
  readonly #cold: ColdSource | null;

  /** The row has everything below `nextSeq` or does not want it. */
  constructor(channel: ReplayChannel, nextSeq: number, source: ReplaySource, { cold, locate = null }: ColdStart = { cold: null }) {
    this.channel = channel;
    this.#nextSeq = nextSeq;
    this.#source = source;
    this.#cold = cold;
    this.#locate = locate;
  }

  get done(): boolean {
    return this.#done;
  }

  get waiting(): Promise<void> | null {
    return this.#waiting;
  }

  get nextSeq(): number {
    return this.#nextSeq;
  }

  step(row: Row, sink: ReplaySink, maxBytes: number): number {
    const { channel } = this;
    if (this.#locate !== null) this.#find(this.#locate);
    if (this.#lost !== null) sink.incomplete(row, channel, this.#lost.fromSeq, this.#lost.toSeq, this.#lost.reason);
    this.#lost = null;
    let sent = 0;
    // Bounded: every round moves nextSeq up or waits, and publishedSeq stands still while this runs.
    while (this.#waiting === null && this.#nextSeq <= channel.publishedSeq && sent < maxBytes) {
      sent += this.#sendSome(row, sink, maxBytes - sent);
    }
    if (this.#waiting === null && this.#nextSeq > channel.publishedSeq) {
      this.#done = true;
      sink.live(row, channel);
    }
    return sent;
  }

  #find(locate: () => Promise<Located>): void {
    this.#waiting = locate().then(({ seq, lost }) => {
      this.#locate = null;
      this.#nextSeq = seq;
      this.#lost = lost;
      this.#waiting = null;
    });
  }

  #sendSome(row: Row, sink: ReplaySink, maxBytes: number): number {
    const { channel } = this;
    if (this.#fetched !== null) return this.#sendFetched(row, sink, this.#fetched);
    const run = this.#source.read(channel.id, this.#nextSeq, channel.publishedSeq, maxBytes);
    if (run instanceof Promise) {
      this.#waiting = run.then(() => {
        this.#waiting = null;
      });
      return 0;
    }
    const firstSeq = run?.firstSeq ?? channel.publishedSeq + 1;
    if (firstSeq > this.#nextSeq) {
      if (this.#cold !== null) return this.#fetch(this.#cold, firstSeq - 1, maxBytes);
      sink.incomplete(row, channel, this.#nextSeq, firstSeq - 1, 'expired');
    }
    if (run === null) {
      this.#nextSeq = firstSeq;
      return 0;
    }
    sink.frames(row, run, channel);
    this.#nextSeq = run.lastSeq + 1;
    return run.length;
  }

  /** What the log has no more. It may lose more meanwhile: what follows is asked for when its turn comes. */
  #fetch(cold: ColdSource, toSeq: number, maxBytes: number): number {
    this.#waiting = cold.read(this.channel, this.#nextSeq, toSeq, maxBytes).then(
      (run) => ({ toSeq, run, failed: false }),
      () => ({ toSeq, run: null, failed: true }),
    ).then((fetched) => {
      this.#fetched = fetched;
      this.#waiting = null;
    });
    return 0;
  }

  #sendFetched(row: Row, sink: ReplaySink, { toSeq, run, failed }: Fetched): number {
    const { channel } = this;
    this.#fetched = null;
    const firstSeq = run?.firstSeq ?? toSeq + 1;
    if (firstSeq > this.#nextSeq) sink.incomplete(row, channel, this.#nextSeq, firstSeq - 1, failed ? 'unavailable' : 'expired');
    this.#nextSeq = firstSeq;
    if (run === null) return 0;
    const { lastSeq, frames } = run;
    sink.frames(row, { firstSeq, lastSeq, length: frames.length, pieces: null, frames }, channel);
    this.#nextSeq = lastSeq + 1;
    return frames.length;
  }
}
