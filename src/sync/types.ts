/** What catch-up needs of the world: messages to send again, and the connection to send them to. */

import type { Address, Row } from '../engine/port.js';
import type { FrameRun } from '../store/types.js';

/** Contiguous frames in the region. */
export interface ReplayPiece {
  readonly address: Address;
  readonly length: number;
  readonly lastSeq: number;
}

/** Consecutive durable messages of one channel, as whole delivery frames. */
export interface ReplayRun {
  readonly firstSeq: number;
  readonly lastSeq: number;
  /** Bytes of all frames. */
  readonly length: number;
  /** Where the frames lie in the region; null when they are in `frames`. */
  readonly pieces: readonly ReplayPiece[] | null;
  /** Frames outside of the region, valid until control returns to the event loop. */
  readonly frames: Uint8Array | null;
}

export interface ReplayChannel {
  readonly id: number;
  readonly name: string;
  readonly epoch: string;
  /** Highest server_seq that was handed to fan-out: what a subscriber can be given now. */
  readonly publishedSeq: number;
}

/** How far somebody has a channel. */
export interface Reached {
  readonly channel: ReplayChannel;
  readonly seq: number;
}

export interface ReplaySource {
  /**
   * The first retained messages from `fromSeq` to `toSeq`, about `maxBytes` of them but one at least; null when none is retained.
   * A run that begins above `fromSeq` says that what lies between is gone. A promise says that it is being read: ask again when it has
   * resolved; it rejects where it cannot be read.
   */
  read(channelId: number, fromSeq: number, toSeq: number, maxBytes: number): ReplayRun | null | Promise<void>;
}

/** `unavailable`: they are kept, but cannot be read at the moment. */
export type IncompleteReason = 'expired' | 'epoch_changed' | 'unavailable';

/** Where a catch-up begins. */
export interface Located {
  /** First server_seq to be delivered, if it is there yet. */
  readonly seq: number;
  /** What may be lacking and cannot be had. */
  readonly lost: { readonly fromSeq: number; readonly toSeq: number; readonly reason: IncompleteReason } | null;
}

/** A place in a channel that is not a sequence number. */
export type ColdPosition = { readonly kind: 'ts'; readonly ts: number } | { readonly kind: 'id'; readonly id: bigint };

export interface ColdPlace {
  readonly seq: number | null;
  readonly oldestSeq: number | null;
}

/** Messages that have left the log. All reject with StoreError where they cannot be read at the moment. */
export interface ColdSource {
  /** Reads that failed. */
  readonly failures: number;
  /** The first of these messages that are there, about `maxBytes` of them but one at least; null when none is. */
  read(channel: ReplayChannel, fromSeq: number, toSeq: number, maxBytes: number): Promise<FrameRun | null>;
  /** First seq that is not before the position, and the oldest there is; null where there is none. */
  locate(channel: ReplayChannel, position: ColdPosition): Promise<ColdPlace>;
  oldestSeq(channel: ReplayChannel): Promise<number | null>;
}

/** Effects of catching up; the gateway carries them out on the engine's port. */
export interface ReplaySink {
  frames(row: Row, run: ReplayRun, channel: ReplayChannel): void;
  /** Sends whole frames that are made for this row. */
  framesCopy(row: Row, frames: Uint8Array): void;
  /** A history request is answered to its end. `oldestSeq`: of the channel's messages in the cold tier, null when it has none. */
  historyDone(row: Row, opId: number, channel: ReplayChannel, count: number, oldestSeq: number | null): void;
  /** A history request cannot be answered (any further) at the moment. */
  historyFailed(row: Row, opId: number, error: unknown): void;
  /** A device has everything of these channels up to these numbers. */
  synced(row: Row, opId: number, reached: readonly Reached[]): void;
  /** Messages `fromSeq` to `toSeq` cannot be served any more. */
  incomplete(row: Row, channel: ReplayChannel, fromSeq: number, toSeq: number, reason: IncompleteReason): void;
  /** The row has every message up to the channel's publishedSeq: deliver live from the next one. */
  live(row: Row, channel: ReplayChannel): void;
  /** Ask for `onWritable(row)`. */
  notifyWritable(row: Row): void;
  /** Messages could not be read; the row's replay is over. */
  failed(row: Row, error: unknown): void;
}

/** Part of a replay that a row waits for. A step sends about `maxBytes` at most and returns the bytes it sent. */
export interface ReplayJob {
  readonly done: boolean;
  /** What the last step came to wait for before it can go on; null when there is nothing. */
  readonly waiting: Promise<void> | null;
  step(row: Row, sink: ReplaySink, maxBytes: number): number;
}
