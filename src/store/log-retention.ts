import { chunkKey, segmentKey } from './log-keys.js';
import { readChunkHeader, segmentsOf, type ChunkHeader } from './log-segment.js';
import type { ChannelTable } from './log-channels.js';
import type { LogIndex } from './log-index.js';
import type { LmdbEnv, Tables } from './lmdb-env.js';

export interface RetentionOptions {
  /** Milliseconds a message is kept at least; null: for ever. */
  readonly maxAgeMs: number | null;
  /** Bytes of chunks that are kept; null: no bound. The database file is somewhat larger and does not shrink. */
  readonly maxBytes: number | null;
}

/** Removes the oldest chunks with their index entries, a few with each commit; their duplicate keys go by whole runs (key-runs.ts). */
export class Retention {
  readonly #env: LmdbEnv;
  readonly #options: RetentionOptions;
  readonly #index: LogIndex;
  readonly #channels: ChannelTable;
  /** Oldest chunk there is. */
  #first: number;
  #removing = 0;
  #oldest: ChunkHeader | null = null;

  constructor(env: LmdbEnv, options: RetentionOptions, index: LogIndex, channels: ChannelTable, first: number) {
    this.#env = env;
    this.#options = options;
    this.#index = index;
    this.#channels = channels;
    this.#first = first;
  }

  /** Number of the oldest chunk. */
  get first(): number {
    return this.#first;
  }

  get enabled(): boolean {
    return this.#options.maxAgeMs !== null || this.#options.maxBytes !== null;
  }

  #header(chunk: number): ChunkHeader | null {
    const bytes = this.#env.tables.chunks.getBinaryFast(chunkKey(chunk));
    return bytes === undefined ? null : readChunkHeader(bytes, bytes.length);
  }

  #expired(header: ChunkHeader, end: number, now: number): boolean {
    const { maxAgeMs, maxBytes } = this.#options;
    return (maxAgeMs !== null && header.written < now - maxAgeMs) || (maxBytes !== null && end - header.position > maxBytes);
  }

  /** Is there something to remove? `next` is the number of the chunk to be written next; the newest one always stays. */
  due(next: number, end: number, now: number): boolean {
    if (!this.enabled || this.#first >= next - 1) return false;
    this.#oldest ??= this.#header(this.#first);
    return this.#oldest !== null && this.#expired(this.#oldest, end, now);
  }

  /** Part of a commit: removes expired chunks below `limit`, at most `most`, which bounds what it adds to the commit's time. */
  write(tables: Tables, limit: number, end: number, now: number, most: number): void {
    this.#removing = 0;
    if (!this.due(limit + 1, end, now)) return;
    for (let chunk = this.#first; chunk < limit && this.#removing < most; chunk++) {
      const bytes = this.#env.tables.chunks.getBinary(chunkKey(chunk));
      if (bytes !== undefined) {
        if (!this.#expired(readChunkHeader(bytes, bytes.length), end, now)) return;
        this.#remove(tables, bytes);
      }
      void tables.chunks.remove(chunkKey(chunk));
      this.#removing++;
    }
  }

  #remove(tables: Tables, bytes: Buffer): void {
    for (const segment of segmentsOf(bytes, bytes.length)) {
      const { channelId } = segment;
      void tables.segments.remove(segmentKey(channelId, segment.firstSeq));
      // The sequence goes on from here even when no message of the channel is left to tell where it stood.
      if (this.#index.lastSeq(channelId) === segment.lastSeq) this.#channels.writeRemovedHead(tables, channelId, segment.lastSeq);
    }
  }

  /** The commit that write() took part in is durable. */
  written(): void {
    if (this.#removing === 0) return;
    this.#first += this.#removing;
    this.#removing = 0;
    this.#oldest = null;
  }
}
