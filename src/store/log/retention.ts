import { chunkKey, segmentKey } from './table-keys.js';
import { readChunkHeader, segmentsOf, type ChunkHeader } from './segment.js';
import type { ChannelTable } from './channels.js';
import type { LogArchive } from './archive.js';
import type { LogIndex } from './segment-index.js';
import type { LmdbEnv, Tables } from '../lmdb-env.js';

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
  /** What it has not taken yet stays, up to its bound; null: nothing is archived. */
  readonly #archive: LogArchive | null;
  /** Oldest chunk there is. */
  #first: number;
  #removing = 0;
  /** Messages that are removed and were not archived. */
  #dropping = 0;
  #oldest: ChunkHeader | null = null;

  constructor(
    env: LmdbEnv, options: RetentionOptions, index: LogIndex, channels: ChannelTable, archive: LogArchive | null, first: number,
  ) {
    this.#env = env;
    this.#options = options;
    this.#index = index;
    this.#channels = channels;
    this.#archive = archive;
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

  #expired(chunk: number, header: ChunkHeader, end: number, now: number): boolean {
    const { maxAgeMs, maxBytes } = this.#options;
    if (this.#archive !== null && chunk >= this.#archive.next && end - header.position <= this.#archive.backlogBytes) return false;
    return (maxAgeMs !== null && header.written < now - maxAgeMs) || (maxBytes !== null && end - header.position > maxBytes);
  }

  /** Is there something to remove? `next` is the number of the chunk to be written next; the newest one always stays. */
  due(next: number, end: number, now: number): boolean {
    if (!this.enabled || this.#first >= next - 1) return false;
    this.#oldest ??= this.#header(this.#first);
    return this.#oldest !== null && this.#expired(this.#first, this.#oldest, end, now);
  }

  /** Part of a commit: removes expired chunks below `limit`, at most `most`, which bounds what it adds to the commit's time. */
  write(tables: Tables, limit: number, end: number, now: number, most: number): void {
    this.#removing = 0;
    this.#dropping = 0;
    if (!this.due(limit + 1, end, now)) return;
    for (let chunk = this.#first; chunk < limit && this.#removing < most; chunk++) {
      const bytes = this.#env.tables.chunks.getBinary(chunkKey(chunk));
      if (bytes !== undefined) {
        if (!this.#expired(chunk, readChunkHeader(bytes, bytes.length), end, now)) return;
        this.#remove(tables, chunk, bytes);
      }
      void tables.chunks.remove(chunkKey(chunk));
      this.#removing++;
    }
  }

  #remove(tables: Tables, chunk: number, bytes: Buffer): void {
    const dropped = this.#archive !== null && chunk >= this.#archive.next;
    for (const segment of segmentsOf(bytes, bytes.length)) {
      const { channelId } = segment;
      if (dropped) this.#dropping += segment.count;
      void tables.segments.remove(segmentKey(channelId, segment.firstSeq));
      // The sequence goes on from here even when no message of the channel is left to tell where it stood.
      if (this.#index.lastSeq(channelId) === segment.lastSeq) this.#channels.writeRemovedHead(tables, channelId, segment.lastSeq);
    }
  }

  /** The commit that write() took part in is durable. */
  written(): void {
    if (this.#removing === 0) return;
    this.#first += this.#removing;
    this.#archive?.removed(this.#first, this.#dropping);
    this.#removing = 0;
    this.#oldest = null;
  }
}
