/** Answers a history request in chunks, from the log and what lies below it: messages marked with the request's id, then its `ok`. */

import type { Row } from '../engine/port.js';
import { historyFrames } from '../sequence/frame.js';
import type { FrameRun } from '../store/types.js';
import type { ColdSource, ReplayChannel, ReplayJob, ReplaySink } from './types.js';

export interface HistoryRange {
  /** Both included; empty when toSeq is below fromSeq. */
  readonly fromSeq: number;
  readonly toSeq: number;
  /** Messages at most. */
  readonly limit: number;
}

export interface RunReader {
  /** As MessageLog.read; a promise as ReplaySource.read. */
  read(channelId: number, fromSeq: number, maxCount: number, maxBytes: number, into?: Buffer | null): FrameRun | null | Promise<void>;
}

const NOTHING: HistoryRange = { fromSeq: 1, toSeq: 0, limit: 0 };

export class History implements ReplayJob {
  readonly channel: ReplayChannel;
  readonly opId: number;
  readonly #log: RunReader;
  readonly #cold: ColdSource | null;
  #toSeq = 0;
  #nextSeq = 1;
  #left = 0;
  #count = 0;
  #done = false;
  #waiting: Promise<void> | null = null;
  /** What the cold tier had, for the step after the one that asked. */
  #fetched: FrameRun | null = null;
  #oldestSeq: number | null | undefined;
  #failure: unknown = null;

  /** A range that is still to be found out may reject. */
  constructor(channel: ReplayChannel, opId: number, range: HistoryRange | Promise<HistoryRange>, log: RunReader, cold: ColdSource | null) {
    this.channel = channel;
    this.opId = opId;
    this.#log = log;
    this.#cold = cold;
    if (cold === null) this.#oldestSeq = null;
    if (range instanceof Promise) this.#wait(range, (known) => this.#begin(known), () => this.#begin(NOTHING));
    else this.#begin(range);
  }

  get done(): boolean {
    return this.#done;
  }

  get waiting(): Promise<void> | null {
    return this.#waiting;
  }

  step(row: Row, sink: ReplaySink, maxBytes: number): number {
    // Its range is still to be found out.
    if (this.#waiting !== null) return 0;
    if (this.#failure !== null) {
      this.#done = true;
      sink.historyFailed(row, this.opId, this.#failure);
      return 0;
    }
    const run = this.#read(maxBytes);
    if (this.#waiting !== null) return 0;
    if (run === null) {
      this.#finish(row, sink);
      return 0;
    }
    const frames = historyFrames(run, this.opId);
    sink.framesCopy(row, frames);
    this.#nextSeq = run.lastSeq + 1;
    this.#count += run.ends.length;
    this.#left -= run.ends.length;
    return frames.length;
  }

  #begin({ fromSeq, toSeq, limit }: HistoryRange): void {
    this.#nextSeq = fromSeq;
    this.#toSeq = toSeq;
    this.#left = limit;
  }

  #read(maxBytes: number): FrameRun | null {
    const fetched = this.#fetched;
    this.#fetched = null;
    const wanted = Math.min(this.#left, this.#toSeq - this.#nextSeq + 1);
    if (wanted <= 0 || fetched !== null) return fetched;
    const run = this.#log.read(this.channel.id, this.#nextSeq, wanted, maxBytes);
    if (run instanceof Promise) {
      this.#wait(run, () => undefined);
      return null;
    }
    const firstSeq = Math.min(run?.firstSeq ?? Infinity, this.#toSeq + 1);
    if (firstSeq > this.#nextSeq && this.#cold !== null) {
      this.#wait(this.#cold.read(this.channel, this.#nextSeq, firstSeq - 1, maxBytes), (found) => {
        this.#fetched = found === null ? null : cutRun(found, found.firstSeq + wanted - 1);
        if (found === null) this.#nextSeq = firstSeq;
      });
      return null;
    }
    return run === null ? null : cutRun(run, this.#toSeq);
  }

  /** The answer says where the channel's history begins, which only the cold tier knows of what has left the log. */
  #finish(row: Row, sink: ReplaySink): void {
    if (this.#oldestSeq === undefined && this.#cold !== null) {
      this.#wait(this.#cold.oldestSeq(this.channel), (oldestSeq) => (this.#oldestSeq = oldestSeq));
      return;
    }
    this.#done = true;
    sink.historyDone(row, this.opId, this.channel, this.#count, this.#oldestSeq ?? null);
  }

  #wait<T>(answer: Promise<T>, use: (value: T) => void, failed: () => void = () => undefined): void {
    this.#waiting = answer.then(use, (error: unknown) => {
      this.#failure = error;
      failed();
    }).then(() => {
      this.#waiting = null;
    });
  }
}

/** The part of a run up to `toSeq`; null when it begins above. A run that skips expired messages may reach further than asked. */
export function cutRun(run: FrameRun, toSeq: number): FrameRun | null {
  if (run.lastSeq <= toSeq) return run;
  if (run.firstSeq > toSeq) return null;
  const ends = run.ends.subarray(0, toSeq - run.firstSeq + 1);
  return { firstSeq: run.firstSeq, lastSeq: toSeq, frames: run.frames.subarray(0, ends[ends.length - 1]), ends };
}
