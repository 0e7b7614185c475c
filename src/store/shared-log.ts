/**
 * A log that several nodes append to. It gives the order itself, because no node alone knows a channel's last message; the rest is
 * as for MessageLog: what is kept is the delivery frame. Implementation: Redis streams (`redis/shared-log.ts`).
 */

import type { FirstResult, FrameRun } from './types.js';

export interface SharedHead {
  readonly epoch: string;
  /** Highest server_seq; 0 for a new channel. */
  readonly headSeq: number;
  /** Oldest server_seq that can be read; headSeq + 1 when none can. */
  readonly oldestSeq: number;
  /** Snowflake of the newest message that can be read; empty when none can. */
  readonly lastId: string;
}

/**
 * A message without its place in the order. `line` is the delivery's header line cut at the three numbers that the log gives:
 * server_seq, server_ts and lamport stand between its four parts; the last one ends with newline and body.
 */
export interface SharedEntry {
  readonly sender: string;
  readonly key: string;
  /** Snowflake, decimal. */
  readonly id: string;
  /** Least server_ts, in milliseconds since the Unix epoch: it never falls along a channel. */
  readonly serverTs: number;
  /** Least lamport value: it rises along a channel. */
  readonly lamport: number;
  readonly text: boolean;
  readonly line: readonly [string, string, string, Buffer];
}

export interface SharedResult extends FirstResult {
  readonly duplicate: boolean;
}

export interface SharedAppend {
  /** As it is now; another one than before says that messages were lost and the sequence began a new life. */
  readonly epoch: string;
  /** One for each entry. */
  readonly results: readonly SharedResult[];
}

/** What another node (or this one) appended, told as it happens; may be lost or come late, never changed. */
export interface SharedNews {
  readonly channel: string;
  readonly node: string;
  readonly epoch: string;
  readonly firstSeq: number;
  readonly lastSeq: number;
  /** Highest lamport value of these messages. */
  readonly lamport: number;
  /** Whole delivery frames, one after another. */
  readonly frames: Buffer;
}

export interface SharedLog {
  /** The channel's head; makes the channel when `make`, else null where it was never opened. Rejects with StoreError, as all here. */
  head(channel: string, make: boolean): Promise<SharedHead | null>;
  /**
   * Appends in order and tells all nodes that listen. `seen` is how far this node saw the sequence go: the log goes on above it in a new
   * epoch where it was set back. When it rejects it is not known whether anything was appended: try again with the same keys.
   */
  append(
    channel: string,
    entries: readonly SharedEntry[],
    seen: { readonly epoch: string; readonly seq: number } | null,
  ): Promise<SharedAppend>;
  /**
   * Begins a new life of the sequence, above `leastSeq`, unless one has begun already since `epoch`: for a node that sees that its
   * numbers name other messages now.
   */
  renew(channel: string, epoch: string, leastSeq: number): Promise<void>;
  /** As MessageLog.read, but of about so many messages: some more where what is stored together is read together. */
  read(channel: string, fromSeq: number, maxCount: number): Promise<FrameRun | null>;
  /** First seq whose server_ts ≥ ts; head + 1 when there is none. */
  seqAtTs(channel: string, ts: number): Promise<number>;
  /**
   * Seq of the message with this id, or the one behind the message with the id before it; where there is neither, of the first that is
   * not older; head + 1 when there is none.
   */
  seqAfterId(channel: string, msgId: string): Promise<number>;
  /** Snowflake of this very message; empty when it is not there. */
  idAt(channel: string, seq: number): Promise<string>;
  /** Resolves when it listens. That holds over reconnects; what was told meanwhile is not told again. Rejects when it cannot begin. */
  listen(channel: string): Promise<void>;
  unlisten(channel: string): void;
  close(): Promise<void>;
}

export interface SharedLogEvents {
  onNews(news: SharedNews): void;
  /** What is told is not heard any more, and the log may be another one when it is again. */
  onInterrupted(): void;
  /** Heard again: look at the heads of all channels. */
  onResumed(): void;
}
