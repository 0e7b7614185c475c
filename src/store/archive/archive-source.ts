import type { HistorySegment } from '../history-store.js';

/** Some of the oldest messages of a log that the history store was not given yet. */
export interface ArchiveBatch {
  readonly segments: readonly HistorySegment[];
  readonly messages: number;
  readonly bytes: number;
  /** Place in the log behind it. */
  readonly end: number;
}

export interface ArchiveBacklog {
  readonly bytes: number;
  /** When the newest message of the oldest part came, in ms since the Unix epoch; null when nothing waits. */
  readonly since: number | null;
  /** Messages that retention removed although they had not been archived, in the life of this process. */
  readonly dropped: number;
}

/** A log whose messages go on to a history store before retention removes them. */
export interface ArchiveSource {
  /** About maxBytes of messages, in the order in which the log took them; null when nothing waits. Throws StoreError. */
  nextForArchive(maxBytes: number): ArchiveBatch | null;
  /** The history store has the batch, and so retention may remove it. Resolves when that is on stable storage; rejects with StoreError. */
  archived(batch: ArchiveBatch): Promise<void>;
  readonly backlog: ArchiveBacklog;
}
