/** Where replays read from: the hot log in the region, and below it the log. */

import type { HotPiece } from '../store/hot-log.js';
import { cutRun, type RunReader } from './history.js';
import type { ReplayRun, ReplaySource } from './types.js';

export interface HotReader {
  /** As HotLog.read. */
  read(channelId: number, fromSeq: number, maxCount: number, maxBytes: number): HotPiece[] | null;
  firstSeq(channelId: number): number | null;
}

/** Messages read at once: bounds the time of one step where messages are tiny. */
const COUNT_MAX = 4096;
/** More than a run takes is as rare as messages that large. */
const SCRATCH_BYTES = 1 << 18;

export class TieredSource implements ReplaySource {
  readonly #hot: HotReader;
  readonly #log: RunReader;
  /** A run is sent before the next one is read: memory of its own for each would be hundreds of megabytes a second for the collector. */
  readonly #scratch = Buffer.allocUnsafeSlow(SCRATCH_BYTES);

  constructor(hot: HotReader, log: RunReader) {
    this.#hot = hot;
    this.#log = log;
  }

  read(channelId: number, fromSeq: number, toSeq: number, maxBytes: number): ReplayRun | null | Promise<void> {
    const count = Math.min(toSeq - fromSeq + 1, COUNT_MAX);
    const run = this.#readHot(channelId, fromSeq, count, maxBytes) ?? this.#readLog(channelId, fromSeq, toSeq, count, maxBytes);
    if (run !== null) return run;
    // What is not in the log may still be in memory: channels that are not logged.
    const first = this.#hot.firstSeq(channelId);
    if (first === null || first < fromSeq || first > toSeq) return null;
    return this.#readHot(channelId, first, Math.min(toSeq - first + 1, COUNT_MAX), maxBytes);
  }

  #readHot(channelId: number, fromSeq: number, count: number, maxBytes: number): ReplayRun | null {
    const pieces = this.#hot.read(channelId, fromSeq, count, maxBytes);
    const last = pieces?.at(-1);
    if (pieces === null || last === undefined) return null;
    const length = pieces.reduce((sum, piece) => sum + piece.length, 0);
    return { firstSeq: fromSeq, lastSeq: last.lastSeq, length, pieces, frames: null };
  }

  #readLog(channelId: number, fromSeq: number, toSeq: number, count: number, maxBytes: number): ReplayRun | null | Promise<void> {
    const found = this.#log.read(channelId, fromSeq, count, maxBytes, this.#scratch);
    if (found instanceof Promise) return found;
    const run = found === null ? null : cutRun(found, toSeq);
    if (run === null) return null;
    return { firstSeq: run.firstSeq, lastSeq: run.lastSeq, length: run.frames.length, pieces: null, frames: run.frames };
  }
}
