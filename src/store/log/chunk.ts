import { crc32 } from 'node:zlib';
import type { Generation } from './generation.js';
import { ENTRY } from './journal-record.js';

/**
 * A chunk is what one record of the table of chunks holds: a header and then segments, each consecutive messages of one channel
 * (docs/decisions/0004-log-layout.md). Little-endian, everything on 8-byte borders:
 *
 *   chunk    magic u32 · checksum u32 (of all that follows) · segments u32 · zero u32 · position f64 (bytes of all chunks before it)
 *            · written f64 (of its newest message)
 *   segment  channelId u32 · count u32 · firstSeq f64 · bytes u32 · framesOffset u32 (both from the segment's start)
 *            then `count` entries, the strings (sender, key of each entry), and the frames, one after another
 *   entry    frameEnd u32 · idLow u32 · idHigh f64 · serverTs f64 · lamport f64 · stringsEnd u32 · senderLength u32
 */

export const CHUNK_MAGIC = 0x32434c53; // "SLC2"
export const CHUNK_HEADER = 32;
/** Offsets in a chunk's header. */
export const CHUNK = { CHECKSUM: 4, COVERED: 8, SEGMENTS: 8, POSITION: 16, WRITTEN: 24 } as const;
export const SEGMENT_HEADER = 24;
export const ENTRY_BYTES = 40;

const align = (n: number): number => (n + 7) & ~7;

/** Where a segment was written: chunk is the index within the slice, offset is from that chunk's start. */
export interface WrittenSegment {
  readonly channelId: number;
  readonly firstSeq: number;
  readonly lastSeq: number;
  readonly chunk: number;
  readonly offset: number;
}

const INITIAL_BYTES = 1 << 18;

/** Lays chunks out in one buffer, one after another. Used again for the next ones. */
export class ChunkWriter {
  #bytes = Buffer.alloc(0);
  #u32 = new Uint32Array(0);
  #f64 = new Float64Array(0);
  #chunkStart = 0;
  #end = 0;
  /** Byte range of each chunk: starts[i] to starts[i + 1]. */
  readonly starts: number[] = [0];
  readonly segments: WrittenSegment[] = [];

  constructor() {
    this.#grow(INITIAL_BYTES);
  }

  #grow(bytes: number): void {
    // Not from Node's pool: LMDB's thread reads this memory, and its address is looked up once per ArrayBuffer.
    const memory = new ArrayBuffer(bytes);
    const next = Buffer.from(memory);
    this.#bytes.copy(next, 0, 0, this.#end);
    this.#bytes = next;
    this.#u32 = new Uint32Array(memory);
    this.#f64 = new Float64Array(memory);
  }

  #reserve(bytes: number): void {
    const needed = this.#end + bytes;
    if (needed > this.#bytes.length) this.#grow(Math.max(align(needed), this.#bytes.length * 2));
  }

  reset(): void {
    this.#end = 0;
    this.#chunkStart = 0;
    this.starts.length = 1;
    this.segments.length = 0;
  }

  chunk(index: number): Buffer {
    return this.#bytes.subarray(this.starts[index], this.starts[index + 1]);
  }

  get chunks(): number {
    return this.starts.length - 1;
  }

  /** Bytes of the chunk being written. */
  get chunkBytes(): number {
    return this.#end - this.#chunkStart;
  }

  startChunk(): void {
    this.#reserve(CHUNK_HEADER);
    this.#chunkStart = this.#end;
    const word = this.#chunkStart >> 2;
    this.#u32.fill(0, word, word + CHUNK_HEADER / 4);
    this.#u32[word] = CHUNK_MAGIC;
    this.#end += CHUNK_HEADER;
  }

  /** Returns the position behind it. */
  endChunk(position: number, written: number): number {
    const start = this.#chunkStart;
    this.#f64[(start + CHUNK.POSITION) >> 3] = position;
    this.#f64[(start + CHUNK.WRITTEN) >> 3] = written;
    this.#u32[(start + CHUNK.CHECKSUM) >> 2] = crc32(this.#bytes.subarray(start + CHUNK.COVERED, this.#end));
    this.starts.push(this.#end);
    return position + this.#end - this.#chunkStart;
  }

  /** Writes messages[from, end) of a channel whose messages begin with `firstSeq` as one segment; each is a number in the generation. */
  segment(generation: Generation, channelId: number, firstSeq: number, messages: readonly number[], from: number, end: number): void {
    const { bytes, u32 } = generation;
    const start = this.#end;
    const table = start + SEGMENT_HEADER;
    const count = end - from;
    const strings = table + count * ENTRY_BYTES;
    this.#reserve(strings - start + entryBytes(generation, messages, from, end) + 16);
    let at = strings;
    for (let i = from; i < end; i++) {
      const entry = generation.entryOf(messages[i]!);
      const senderBytes = u32[(entry + ENTRY.SENDER_BYTES) >> 2]!;
      const length = senderBytes + u32[(entry + ENTRY.KEY_BYTES) >> 2]!;
      copyShort(bytes, entry + ENTRY.BYTES, this.#bytes, at, length);
      at += length;
      this.#entry(generation, entry, table + (i - from) * ENTRY_BYTES, at - strings, senderBytes);
    }
    const framesOffset = align(at) - start;
    this.#end = align(this.#frames(generation, messages, from, end, start + framesOffset, table));
    const word = start >> 2;
    this.#u32[word] = channelId;
    this.#u32[word + 1] = count;
    this.#f64[(start >> 3) + 1] = firstSeq + from;
    this.#u32[word + 4] = this.#end - start;
    this.#u32[word + 5] = framesOffset;
    const segments = (this.#chunkStart + CHUNK.SEGMENTS) >> 2;
    this.#u32[segments] = this.#u32[segments]! + 1;
    this.segments.push({
      channelId, firstSeq: firstSeq + from, lastSeq: firstSeq + end - 1, chunk: this.chunks, offset: start - this.#chunkStart,
    });
  }

  #entry({ u32, f64 }: Generation, entry: number, at: number, stringsEnd: number, senderBytes: number): void {
    const word = at >> 2;
    const double = at >> 3;
    this.#u32[word + 1] = u32[(entry + ENTRY.ID_LOW) >> 2]!;
    this.#f64[double + 1] = f64[(entry + ENTRY.ID_HIGH) >> 3]!;
    this.#f64[double + 2] = f64[(entry + ENTRY.SERVER_TS) >> 3]!;
    this.#f64[double + 3] = f64[(entry + ENTRY.LAMPORT) >> 3]!;
    this.#u32[word + 8] = stringsEnd;
    this.#u32[word + 9] = senderBytes;
  }

  /** Returns the last frame's end. */
  #frames(generation: Generation, messages: readonly number[], from: number, end: number, frames: number, table: number): number {
    const { bytes, u32 } = generation;
    let at = frames;
    for (let i = from; i < end; i++) {
      const entry = generation.entryOf(messages[i]!);
      const frame = u32[(entry + ENTRY.FRAME_AT) >> 2]!;
      at += bytes.copy(this.#bytes, at, frame, frame + u32[(entry + ENTRY.FRAME_BYTES) >> 2]!);
      this.#u32[(table + (i - from) * ENTRY_BYTES) >> 2] = at - frames;
    }
    return at;
  }
}

/** Senders and keys are some 30 bytes: a loop costs less than the call of copy(). */
function copyShort(source: Buffer, from: number, target: Buffer, at: number, length: number): void {
  for (let i = 0; i < length; i++) target[at + i] = source[from + i]!;
}

/** At least what the messages' strings and frames take. */
function entryBytes(generation: Generation, messages: readonly number[], from: number, end: number): number {
  let bytes = 0;
  for (let i = from; i < end; i++) {
    const entry = generation.entryOf(messages[i]!);
    bytes += generation.u32[entry >> 2]! + generation.u32[(entry + ENTRY.FRAME_BYTES) >> 2]!;
  }
  return bytes;
}
