/** What moves the messages of a log that several nodes share on to the cold tier: which channels have some, and who sees to which. */

import type { HistorySegment } from '../history-store.js';

/** A channel that this node has for a while, and what of it the cold tier was not given yet. */
export interface ArchiveShare {
  readonly epoch: string;
  /** Everything up to here was archived, or is gone. */
  readonly archivedSeq: number;
  readonly headSeq: number;
  /** Messages that went without having been archived, since this was asked last: too many waited. */
  readonly dropped: number;
}

/** A channel that was marked a while ago. */
export interface MarkedChannel {
  readonly channel: string;
  /** When, as the log tells time. */
  readonly mark: string;
}

/** Implementation: `redis/archive.ts`. All reject with StoreError. */
export interface SharedArchive {
  /** These channels have messages to archive, or soon will: said before they are appended to, and again from time to time. */
  mark(channels: readonly string[]): Promise<void>;
  /** Channels that were not marked for `ageMs`, those that wait longest first. */
  marked(ageMs: number, count: number): Promise<readonly MarkedChannel[]>;
  /** Nothing of the channel waits; stays where it was marked anew. */
  settle(marked: MarkedChannel): Promise<void>;
  /** Null where another node has it, for the next `leaseMs` at most. */
  take(channel: string, leaseMs: number): Promise<ArchiveShare | null>;
  /** The first messages above `fromSeq` - 1, consecutive ones; null when there are none. */
  read(channel: string, epoch: string, fromSeq: number, count: number): Promise<HistorySegment | null>;
  /** The cold tier has everything up to `seq`, so the log may let go of it. Does nothing where the channel began a new life meanwhile. */
  archived(channel: string, epoch: string, seq: number): Promise<void>;
}
