import type { Chunk, Chunks } from './chunks.js';
import { chunkKey, segmentKey } from './table-keys.js';
import type { ChunkHeader } from './segment.js';
import type { ChannelTable } from './channels.js';
import type { LogArchive } from './archive.js';
import type { LogIndex } from './segment-index.js';
import type { Tables } from '../lmdb-env.js';

export interface RetentionOptions {
  /** Milliseconds a message is kept at least; null: for ever. */
  readonly maxAgeMs: number | null;
  /** Bytes of chunks that are kept; null: no bound. The database file is somewhat larger and does not shrink. */
  readonly maxBytes: number | null;
}

/** Damaged chunks, one behind the other, that are looked over for one that tells its age. */
const LOOKS_AHEAD = 64;

/** Removes the oldest chunks with their index entries, a few with each commit; their duplicate keys go by whole runs (key-runs.ts). */
export class Retention {
  readonly #chunks: Chunks;
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
    chunks: Chunks, options: RetentionOptions, index: LogIndex, channels: ChannelTable, archive: LogArchive | null, first: number,
  ) {
    this.#chunks = chunks;
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

  /** Of the oldest chunk that can be read; damaged ones before it are as old. */
  #oldestHeader(next: number): ChunkHeader | null {
    const end = Math.min(next, this.#first + LOOKS_AHEAD);
    for (let chunk = this.#first; chunk < end; chunk++) {
      const header = this.#chunks.header(chunk);
      if (header !== null) return header;
    }
    return null;
  }

  #expired(chunk: number, header: ChunkHeader, end: number, now: number): boolean {
    const { maxAgeMs, maxBytes } = this.#options;
    if (this.#archive !== null && chunk >= this.#archive.next && end - header.position <= this.#archive.backlogBytes) return false;
    return (maxAgeMs !== null && header.written < now - maxAgeMs) || (maxBytes !== null && end - header.position > maxBytes);
  }

  /** Is there something to remove? `next` is the number of the chunk to be written next; the newest one always stays. */
  due(next: number, end: number, now: number): boolean {
    if (!this.enabled || this.#first >= next - 1) return false;
    this.#oldest ??= this.#oldestHeader(next);
    return this.#oldest !== null && this.#expired(this.#first, this.#oldest, end, now);
  }

  /** Part of a commit: removes expired chunks below `limit`, at most `most`, which bounds what it adds to the commit's time. */
  write(tables: Tables, limit: number, end: number, now: number, most: number): void {
    this.#removing = 0;
    this.#dropping = 0;
    if (!this.due(limit + 1, end, now)) return;
    for (let chunk = this.#first; chunk < limit && this.#removing < most; chunk++) {
      const found = this.#chunks.read(chunk);
      if (found !== null) {
        if (!this.#expired(chunk, found.header, end, now)) return;
        this.#remove(tables, chunk, found);
      }
      void tables.chunks.remove(chunkKey(chunk));
      this.#removing++;
    }
  }

  /** What the index says of a damaged chunk stays: it tells where the channels stood, and leads to nothing. */
  #remove(tables: Tables, chunk: number, found: Chunk): void {
    const dropped = this.#archive !== null && chunk >= this.#archive.next;
    for (const segment of this.#chunks.segments(chunk, found)) {
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
