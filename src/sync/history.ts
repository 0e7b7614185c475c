/** Answers a history request from the log in chunks: messages marked with the request's id, then its `ok`. */

import type { Row } from '../engine/port.js';
import { historyFrames } from '../sequence/frame.js';
import type { FrameRun } from '../store/types.js';
import type { ReplayChannel, ReplayJob, ReplaySink } from './types.js';

export interface HistoryRange {
  /** Both included; empty when toSeq is below fromSeq. */
  readonly fromSeq: number;
  readonly toSeq: number;
  /** Messages at most. */
  readonly limit: number;
}

export interface RunReader {
  /** As MessageLog.read; a promise as ReplaySource.read. */
  read(channelId: number, fromSeq: number, maxCount: number, maxBytes: number): FrameRun | null | Promise<void>;
}

export class History implements ReplayJob {
  readonly channel: ReplayChannel;
  readonly opId: number;
  readonly #log: RunReader;
  readonly #toSeq: number;
  #nextSeq: number;
  #left: number;
  #count = 0;
  #done = false;
  #waiting: Promise<void> | null = null;

  constructor(channel: ReplayChannel, opId: number, range: HistoryRange, log: RunReader) {
    this.channel = channel;
    this.opId = opId;
    this.#log = log;
    this.#nextSeq = range.fromSeq;
    this.#toSeq = range.toSeq;
    this.#left = range.limit;
  }

  get done(): boolean {
    return this.#done;
  }

  get waiting(): Promise<void> | null {
    return this.#waiting;
  }

  step(row: Row, sink: ReplaySink, maxBytes: number): number {
    const run = this.#read(maxBytes);
    this.#waiting = run instanceof Promise ? run : null;
    if (run instanceof Promise) return 0;
    if (run === null) {
      this.#done = true;
      sink.historyDone(row, this.opId, this.channel, this.#count);
      return 0;
    }
    const frames = historyFrames(run, this.opId);
    sink.framesCopy(row, frames);
    this.#nextSeq = run.lastSeq + 1;
    this.#count += run.ends.length;
    this.#left -= run.ends.length;
    return frames.length;
  }

  #read(maxBytes: number): FrameRun | null | Promise<void> {
    const wanted = Math.min(this.#left, this.#toSeq - this.#nextSeq + 1);
    if (wanted <= 0) return null;
    const run = this.#log.read(this.channel.id, this.#nextSeq, wanted, maxBytes);
    return run === null || run instanceof Promise ? run : cutRun(run, this.#toSeq);
  }
}

/** The part of a run up to `toSeq`; null when it begins above. A run that skips expired messages may reach further than asked. */
export function cutRun(run: FrameRun, toSeq: number): FrameRun | null {
  if (run.lastSeq <= toSeq) return run;
  if (run.firstSeq > toSeq) return null;
  const ends = run.ends.subarray(0, toSeq - run.firstSeq + 1);
  return { firstSeq: run.firstSeq, lastSeq: toSeq, frames: run.frames.subarray(0, ends[ends.length - 1]), ends };
}
