/**
 * The cold tier: full history of channels, where the log keeps only its younger part. Implementations: LMDB (`lmdb-history-store.ts`),
 * PostgreSQL (`postgres/history-store.ts`). Stores read no clock: times are given, in ms since the Unix epoch.
 */

import type { FrameRun } from './types.js';

/** One life of a channel's sequence: numbers of different epochs have nothing to do with each other. */
export interface HistoryPlace {
  readonly channel: string;
  readonly epoch: string;
}

/** Consecutive messages of one channel. */
export interface HistorySegment extends HistoryPlace {
  readonly firstSeq: number;
  /** Snowflakes, decimal; they never fall along a channel. */
  readonly ids: readonly string[];
  /** Milliseconds since the Unix epoch; they never fall along a channel. */
  readonly serverTs: readonly number[];
  /** Whole delivery frames, one after another. */
  readonly frames: Buffer;
  /** End of each frame within `frames`; ends[i] belongs to firstSeq + i. */
  readonly ends: Uint32Array;
}

export interface HistoryBounds {
  readonly oldestSeq: number;
  readonly newestSeq: number;
}

export interface HistoryLimits {
  /** Messages with a server_ts before it may go; null keeps them. */
  readonly before: number | null;
  /** Messages of each channel that stay; null: no bound. */
  readonly maxMessages: number | null;
}

/** All methods reject with StoreError. */
export interface HistoryStore {
  /**
   * Resolves when all messages are on stable storage. What is there under (channel, epoch, seq) stays as it is, so that writing again what
   * may have been written before does nothing.
   */
  write(segments: readonly HistorySegment[]): Promise<void>;
  /** The first messages with seq ≥ fromSeq, consecutive: at most maxCount and about maxBytes, one at least; null when there are none. */
  read(place: HistoryPlace, fromSeq: number, maxCount: number, maxBytes: number): Promise<FrameRun | null>;
  /** The last messages with seq ≤ toSeq, in ascending order; otherwise the same. */
  readBack(place: HistoryPlace, toSeq: number, maxCount: number, maxBytes: number): Promise<FrameRun | null>;
  bounds(place: HistoryPlace): Promise<HistoryBounds | null>;
  /** Seq of the first message with server_ts ≥ ts; null when there is none. */
  seqAtTs(place: HistoryPlace, ts: number): Promise<number | null>;
  /** Seq of the first message whose id is not below; null when there is none. */
  seqAfterId(place: HistoryPlace, id: string): Promise<number | null>;
  /** Looks at `channels` channels at most, in turn over the calls, and removes what may go. Returns how many messages went. */
  retain(limits: HistoryLimits, channels: number): Promise<number>;
  close(): Promise<void>;
}
