import type { ArchiveBacklog, ArchiveBatch } from '../archive/archive-source.js';
import { channelOfFrame } from '../delivery-frame.js';
import type { HistorySegment } from '../history-store.js';
import type { ChannelTable } from './channels.js';
import type { Chunks } from './chunks.js';
import { readU48, seqValue } from './table-keys.js';
import type { ChunkHeader, SegmentView } from './segment.js';
import type { LmdbEnv, Tables } from '../lmdb-env.js';

const CURSOR_KEY = Buffer.from('archived');

/**
 * How far the chunks of the log were archived. The place is stored with the log itself, after the history store took what is before it:
 * a crash between the two writes some messages there twice, which does nothing (docs/decisions/0036).
 */
export class LogArchive {
  readonly #chunks: Chunks;
  readonly #channels: ChannelTable;
  /** Bytes that retention leaves beyond its own limits while they wait here. */
  readonly backlogBytes: number;
  /** First chunk that was not archived. */
  #next: number;
  #dropped = 0;
  #oldest: { readonly chunk: number; readonly header: ChunkHeader } | null = null;

  constructor(env: LmdbEnv, chunks: Chunks, channels: ChannelTable, backlogBytes: number, firstChunk: number) {
    this.#chunks = chunks;
    this.#channels = channels;
    this.backlogBytes = backlogBytes;
    const stored = env.tables.meta.getBinary(CURSOR_KEY);
    this.#next = Math.max(firstChunk, stored === undefined ? 0 : readU48(stored, 0));
  }

  get next(): number {
    return this.#next;
  }

  /** Retention removed everything below this chunk, and so many messages that were to be archived. */
  removed(firstChunk: number, messages: number): void {
    this.#next = Math.max(this.#next, firstChunk);
    this.#dropped += messages;
  }

  /** `endChunk`: the one behind the newest; `endPosition`: bytes of all chunks. */
  backlog(endChunk: number, endPosition: number): ArchiveBacklog {
    const dropped = this.#dropped;
    if (this.#next >= endChunk) return { bytes: 0, since: null, dropped };
    if (this.#oldest?.chunk !== this.#next) this.#oldest = this.#header(this.#next);
    const header = this.#oldest?.header;
    if (header === undefined) return { bytes: 0, since: null, dropped };
    return { bytes: endPosition - header.position, since: header.written, dropped };
  }

  #header(chunk: number): { chunk: number; header: ChunkHeader } | null {
    const header = this.#chunks.header(chunk);
    return header === null ? null : { chunk, header };
  }

  read(maxBytes: number, endChunk: number): ArchiveBatch | null {
    const segments: HistorySegment[] = [];
    let chunk = this.#next;
    let bytes = 0;
    let messages = 0;
    for (; chunk < endChunk && (bytes === 0 || bytes < maxBytes); chunk++) {
      // A copy: what LMDB hands out without one is valid until the next read only.
      const content = this.#chunks.read(chunk);
      if (content === null) continue;
      for (const view of this.#chunks.segments(chunk, content)) {
        segments.push(this.#segment(content.bytes, view));
        messages += view.count;
      }
      bytes += content.header.bytes;
    }
    return chunk === this.#next ? null : { segments, messages, bytes, end: chunk };
  }

  #segment(chunk: Buffer, view: SegmentView): HistorySegment {
    const { count, firstSeq, frames } = view;
    const ends = Uint32Array.from({ length: count }, (_, i) => view.frameEnd(i));
    const bytes = chunk.subarray(frames, frames + view.frameEnd(count - 1));
    const channel = channelOfFrame(bytes.subarray(0, ends[0]));
    return {
      channel,
      epoch: this.#channels.find(channel)?.epoch ?? '',
      firstSeq, ends, frames: bytes,
      ids: Array.from({ length: count }, (_, i) => view.result(i).id),
      serverTs: Array.from({ length: count }, (_, i) => view.serverTs(i)),
    };
  }

  /** Part of a commit. */
  write(tables: Tables, { end }: ArchiveBatch): void {
    void tables.meta.put(CURSOR_KEY, seqValue(end));
  }

  /** The commit that write() took part in is durable. */
  written({ end }: ArchiveBatch): void {
    this.#next = Math.max(this.#next, end);
  }
}
