import { CHUNK_HEADER, CHUNK_MAGIC, ENTRY_BYTES, SEGMENT_HEADER } from './chunk.js';
import { compareIds, joinId } from '../message-id.js';
import type { FirstResult } from '../types.js';
import { StoreError } from '../../errors.js';

/** Reading side of chunk.ts. The bytes came from a database file, so lengths are checked once, at the start. */

export interface ChunkHeader {
  readonly segments: number;
  /** Bytes of all chunks written before this one, since the log was made. */
  readonly position: number;
  /** Milliseconds since the Unix epoch. */
  readonly written: number;
  readonly bytes: number;
}

/** `length` is the value's: lmdb-js hands out buffers whose byteLength is that of a larger, reused one. */
export function readChunkHeader(chunk: Buffer, length: number): ChunkHeader {
  if (length < CHUNK_HEADER || chunk.readUInt32LE(0) !== CHUNK_MAGIC)
    throw new StoreError('the log holds a record that is not a chunk', false);
  return {
    segments: chunk.readUInt32LE(4),
    position: chunk.readDoubleLE(8),
    written: chunk.readDoubleLE(16),
    bytes: length,
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
export function segmentsOf(chunk: Buffer, length: number): SegmentView[] {
  const { segments } = readChunkHeader(chunk, length);
  const views: SegmentView[] = [];
  let at = CHUNK_HEADER;
  for (let i = 0; i < segments; i++) {
    const view = new SegmentView(chunk, length, at);
    views.push(view);
    at += view.bytes;
  }
  return views;
}
