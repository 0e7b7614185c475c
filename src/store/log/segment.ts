import { crc32 } from 'node:zlib';
import { CHUNK, CHUNK_HEADER, CHUNK_MAGIC, ENTRY_BYTES, SEGMENT_HEADER } from './chunk.js';
import { compareIds, joinId } from '../message-id.js';
import type { FirstResult } from '../types.js';
import { StoreError } from '../../errors.js';

/** Reading side of chunk.ts. The bytes came from a database file, so checksum and lengths are checked once, at the start. */

/** Chunks as they were before they had a checksum: magic u32 · segments u32 · position f64 · written f64, then segments as today. */
const PLAIN = { MAGIC: 0x31434c53, SEGMENTS: 4, POSITION: 8, WRITTEN: 16, HEADER: 24 } as const; // "SLC1"

export interface ChunkHeader {
  readonly segments: number;
  /** Bytes of all chunks written before this one, since the log was made. */
  readonly position: number;
  /** Milliseconds since the Unix epoch. */
  readonly written: number;
  readonly bytes: number;
  /** Where the first segment begins. */
  readonly start: number;
}

/** `length` is the value's: lmdb-js hands out buffers whose byteLength is that of a larger, reused one. Throws StoreError for damage. */
export function readChunkHeader(chunk: Buffer, length: number): ChunkHeader {
  const magic = length < PLAIN.HEADER ? 0 : chunk.readUInt32LE(0);
  if (magic === PLAIN.MAGIC) return headerAt(chunk, length, PLAIN.SEGMENTS, PLAIN.POSITION, PLAIN.WRITTEN, PLAIN.HEADER);
  if (magic !== CHUNK_MAGIC || length < CHUNK_HEADER) throw new StoreError('it is not a chunk', false);
  if (crc32(chunk.subarray(CHUNK.COVERED, length)) !== chunk.readUInt32LE(CHUNK.CHECKSUM)) {
    throw new StoreError('its checksum is wrong', false);
  }
  return headerAt(chunk, length, CHUNK.SEGMENTS, CHUNK.POSITION, CHUNK.WRITTEN, CHUNK_HEADER);
}

function headerAt(chunk: Buffer, bytes: number, segments: number, position: number, written: number, start: number): ChunkHeader {
  return {
    segments: chunk.readUInt32LE(segments), position: chunk.readDoubleLE(position), written: chunk.readDoubleLE(written), bytes, start,
  };
}

/** Consecutive messages of one channel, wherever they are. */
export interface MessageView {
  readonly firstSeq: number;
  readonly lastSeq: number;
  readonly count: number;
  /** End of the frame, counted from the first one's beginning; 0 for index -1. */
  frameEnd(index: number): number;
  copyFrames(from: number, to: number, target: Buffer, at: number): void;
  serverTs(index: number): number;
  /** Negative, zero or positive as the message's id is before, the same as or after the other. */
  compareId(index: number, high: number, low: number): number;
  result(index: number): FirstResult;
  sender(index: number): string;
  key(index: number): string;
}

/** A segment within a chunk, as accessors over the chunk's bytes: valid until the next read from the database. */
export class SegmentView implements MessageView {
  readonly channelId: number;
  readonly count: number;
  readonly firstSeq: number;
  readonly lastSeq: number;
  readonly bytes: number;
  /** Offset of the first frame in the chunk. */
  readonly frames: number;

  readonly chunk: Buffer;
  readonly start: number;

  constructor(chunk: Buffer, length: number, start: number) {
    this.chunk = chunk;
    this.start = start;
    if (start + SEGMENT_HEADER > length) throw new StoreError('a segment of the log is cut off', false);
    this.channelId = chunk.readUInt32LE(start);
    this.count = chunk.readUInt32LE(start + 4);
    this.firstSeq = chunk.readDoubleLE(start + 8);
    this.lastSeq = this.firstSeq + this.count - 1;
    this.bytes = chunk.readUInt32LE(start + 16);
    const framesOffset = chunk.readUInt32LE(start + 20);
    this.frames = start + framesOffset;
    const table = SEGMENT_HEADER + this.count * ENTRY_BYTES;
    if (this.count === 0 || table > framesOffset || framesOffset > this.bytes || start + this.bytes > length) {
      throw new StoreError('a segment of the log has lengths that do not fit', false);
    }
  }

  #entry(index: number): number {
    return this.start + SEGMENT_HEADER + index * ENTRY_BYTES;
  }

  frameEnd(index: number): number {
    return index < 0 ? 0 : this.chunk.readUInt32LE(this.#entry(index));
  }

  copyFrames(from: number, to: number, target: Buffer, at: number): void {
    this.chunk.copy(target, at, this.frames + this.frameEnd(from - 1), this.frames + this.frameEnd(to - 1));
  }

  serverTs(index: number): number {
    return this.chunk.readDoubleLE(this.#entry(index) + 16);
  }

  compareId(index: number, high: number, low: number): number {
    const at = this.#entry(index);
    return compareIds(this.chunk.readDoubleLE(at + 8), this.chunk.readUInt32LE(at + 4), high, low);
  }

  result(index: number): FirstResult {
    const at = this.#entry(index);
    return {
      id: joinId(this.chunk.readDoubleLE(at + 8), this.chunk.readUInt32LE(at + 4)),
      seq: this.firstSeq + index,
      serverTs: this.chunk.readDoubleLE(at + 16),
      lamport: this.chunk.readDoubleLE(at + 24),
    };
  }

  #strings(index: number): number {
    const base = this.#entry(this.count);
    return index < 0 ? base : base + this.chunk.readUInt32LE(this.#entry(index) + 32);
  }

  sender(index: number): string {
    const from = this.#strings(index - 1);
    return this.chunk.toString('utf8', from, from + this.chunk.readUInt32LE(this.#entry(index) + 36));
  }

  key(index: number): string {
    const from = this.#strings(index - 1) + this.chunk.readUInt32LE(this.#entry(index) + 36);
    return this.chunk.toString('utf8', from, this.#strings(index));
  }
}

/** All segments of a chunk, in the order in which they were written. */
export function segmentsOf(chunk: Buffer, { segments, bytes, start }: ChunkHeader): SegmentView[] {
  const views: SegmentView[] = [];
  let at = start;
  for (let i = 0; i < segments; i++) {
    const view = new SegmentView(chunk, bytes, at);
    views.push(view);
    at += view.bytes;
  }
  return views;
}
