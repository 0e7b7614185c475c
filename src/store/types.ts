/** Interfaces of the tiers. Implementations: embedded LMDB (`lmdb-*.ts`); Redis and PostgreSQL plug in here. */

/**
 * What every tier keeps for a message is its *delivery frame*: the WebSocket frame that subscribers get, header line and body,
 * byte for byte. Live fan-out, catch-up from memory and catch-up from disk all send these bytes as they are.
 */

/** Of a channel whose oldest message nobody needs to know yet: to look for it costs as much as all the rest. */
export type AdoptedHead = Omit<ChannelHead, 'oldestSeq'>;

/** One life of a channel's sequence. */
export interface ChannelHead {
  /** Dense number of the channel in this store; what native code knows it by. */
  readonly id: number;
  readonly name: string;
  readonly epoch: string;
  /** Highest server_seq that is durable; 0 for a new channel. */
  readonly headSeq: number;
  /** Oldest server_seq that can still be read; headSeq + 1 when none can. */
  readonly oldestSeq: number;
}

export interface LogEntry {
  readonly channelId: number;
  readonly seq: number;
  /** Snowflake, decimal. */
  readonly id: string;
  /** Milliseconds since the Unix epoch. */
  readonly serverTs: number;
  readonly lamport: number;
  readonly sender: string;
  readonly key: string;
  /** The delivery frame is memory[address, address + length); it stays as it is until append() has settled. */
  readonly memory: Buffer;
  readonly address: number;
  readonly length: number;
}

/** The first result of a publish, which its duplicates are answered with. */
export interface FirstResult {
  readonly id: string;
  readonly seq: number;
  readonly serverTs: number;
  readonly lamport: number;
}

/** Consecutive messages of one channel. */
export interface FrameRun {
  readonly firstSeq: number;
  readonly lastSeq: number;
  /** Whole delivery frames, one after another. A view: copy it or send it before the next await. */
  readonly frames: Uint8Array;
  /** End of each frame within `frames`; ends[i] belongs to firstSeq + i. */
  readonly ends: Uint32Array;
}

/** Durable, ordered message storage. */
export interface MessageLog {
  /** The channel's head; creates the channel (id, epoch) when it is new. */
  openChannel(name: string): ChannelHead;
  /**
   * Makes the channel as another process of this log had made it, without having written it yet. Null when it is there with another id
   * or epoch.
   */
  adoptChannel(name: string, id: number, epoch: string, publishedSeq: number | null): AdoptedHead | null;
  /** The channel's head where its newest messages are at hand, without a look at the disk; null where they are not. */
  recentHead(channelId: number): number | null;
  /** Null when the channel was never opened. */
  findChannel(name: string): ChannelHead | null;
  /**
   * Appends all entries in one commit; resolves when they are on stable storage. Entries of one channel come in sequence order.
   * Rejects with StoreError (retryable or not) and then nothing of the batch is in the log.
   */
  append(entries: readonly LogEntry[]): Promise<void>;
  /** The durable result of this key, or null. */
  findByKey(channelId: number, sender: string, key: string): FirstResult | null;
  /**
   * Messages with seq ≥ fromSeq in order: at most maxCount messages and about maxBytes; null when there are none. A run may end
   * early: ask again. `into`: memory that the frames may be put into, until it is given again.
   */
  read(channelId: number, fromSeq: number, maxCount: number, maxBytes: number, into?: Buffer | null): FrameRun | null;
  /** First seq whose server_ts ≥ ts; head + 1 when there is none. */
  seqAtTs(channelId: number, ts: number): number;
  /** Seq of the message with this id, or of the first after it; head + 1 when there is none. */
  seqAfterId(channelId: number, msgId: string): number;
  /** Highest lamport value in the log, so that the clock of a new process starts above it. */
  maxLamport(): number;
  /** Highest Snowflake timestamp used, in ms since the Unix epoch, so that ids never step back over a restart. */
  maxTimestamp(): number;
  close(): Promise<void>;
}
