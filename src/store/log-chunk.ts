import './native-buffer.js';
import type { LogEntry } from './types.js';
import { idHigh, idLow } from './message-id.js';

/**
 * A chunk is what one record of the log holds: a header and then segments, each the messages of one channel that one
 * commit brought (docs/decisions/0004-log-layout.md). Little-endian, everything on 8-byte borders:
 *
 *   chunk    magic u32 · segments u32 · position f64 · maxLamport f64 · maxTimestamp f64 · written f64
 *   segment  channelId u32 · count u32 · firstSeq f64 · bytes u32 · framesOffset u32 (both from the segment's start)
 *            then `count` entries, the strings (sender, key of each entry), and the frames, one after another
 *   entry    frameEnd u32 · idLow u32 · idHigh f64 · serverTs f64 · lamport f64 · stringsEnd u32 · senderLength u32
 */

export const CHUNK_MAGIC = 0x31434c53; // "SLC1"
export const CHUNK_HEADER = 40;
export const SEGMENT_HEADER = 24;
export const ENTRY_BYTES = 40;

const align = (n: number): number => (n + 7) & ~7;

/** Where a segment was written: chunk is the index within the commit, offset is from that chunk's start. */
export interface WrittenSegment {
  readonly channelId: number;
  readonly firstSeq: number;
  readonly lastSeq: number;
  readonly chunk: number;
  readonly offset: number;
}

/** Numbers that every chunk carries so that the last chunk alone tells a new process where the log stood. */
export interface LogTotals {
  /** Bytes of all chunks written before this one, since the log was made. */
  position: number;
  maxLamport: number;
  /** Milliseconds since the Unix epoch. */
  maxTimestamp: number;
}

const INITIAL_BYTES = 1 << 18;

/** Lays one commit out in one buffer, chunk after chunk. Used again for the next commit. */
export class ChunkWriter {
  #bytes = Buffer.alloc(0);
  #u32 = new Uint32Array(0);
  #f64 = new Float64Array(0);
  #chunkStart = 0;
  #end = 0;
  readonly #frames: Uint8Array[] = [];
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
    this.#u32[word] = CHUNK_MAGIC;
    this.#u32[word + 1] = 0;
    this.#end += CHUNK_HEADER;
  }

  endChunk(totals: LogTotals, now: number): void {
    const at = this.#chunkStart >> 3;
    this.#f64[at + 1] = totals.position;
    this.#f64[at + 2] = totals.maxLamport;
    this.#f64[at + 3] = totals.maxTimestamp;
    this.#f64[at + 4] = now;
    totals.position += this.#end - this.#chunkStart;
    this.starts.push(this.#end);
  }

  /** Writes entries[indices[from..to)], all of one channel and in sequence order, as one segment. */
  segment(entries: readonly LogEntry[], indices: Int32Array, from: number, to: number): void {
    const count = to - from;
    const start = this.#end;
    const first = entries[indices[from]!]!;
    const table = start + SEGMENT_HEADER;
    const strings = table + count * ENTRY_BYTES;
    let frameBytes = 0;
    let stringBytes = 0;
    const frames = this.#frames;
    for (let i = from; i < to; i++) {
      const entry = entries[indices[i]!]!;
      // Asked for once: an entry may make the view when it is.
      const frame = entry.frame;
      frames[i - from] = frame;
      frameBytes += frame.length;
      stringBytes += (entry.sender.length + entry.key.length) * 3; // UTF-8 takes at most 3 bytes for a UTF-16 unit
    }
    this.#reserve(strings - start + stringBytes + frameBytes + 16);
    let at = strings;
    for (let i = from; i < to; i++) at = this.#entry(entries[indices[i]!]!, table + (i - from) * ENTRY_BYTES, strings, at);
    const framesOffset = align(at) - start;
    at = start + framesOffset;
    let frameEnd = 0;
    for (let i = from; i < to; i++) {
      const frame = frames[i - from]!;
      this.#bytes.set(frame, at + frameEnd);
      frameEnd += frame.length;
      this.#u32[(table + (i - from) * ENTRY_BYTES) >> 2] = frameEnd;
    }
    this.#end = align(at + frameEnd);
    const word = start >> 2;
    this.#u32[word] = first.channelId;
    this.#u32[word + 1] = count;
    this.#f64[(start >> 3) + 1] = first.seq;
    this.#u32[word + 4] = this.#end - start;
    this.#u32[word + 5] = framesOffset;
    const segments = (this.#chunkStart >> 2) + 1;
    this.#u32[segments] = this.#u32[segments]! + 1;
    frames.length = 0;
    this.segments.push({
      channelId: first.channelId, firstSeq: first.seq, lastSeq: first.seq + count - 1, chunk: this.chunks, offset: start - this.#chunkStart,
    });
  }

  /** Everything of an entry but its frame. Returns the end of its strings. */
  #entry(entry: LogEntry, at: number, strings: number, stringsAt: number): number {
    const { sender, key, id } = entry;
    const senderLength = this.#string(sender, stringsAt);
    const end = stringsAt + senderLength + this.#string(key, stringsAt + senderLength);
    const word = at >> 2;
    const double = at >> 3;
    this.#u32[word + 1] = idLow(id);
    this.#f64[double + 1] = idHigh(id);
    this.#f64[double + 2] = entry.serverTs;
    this.#f64[double + 3] = entry.lamport;
    this.#u32[word + 8] = end - strings;
    this.#u32[word + 9] = senderLength;
    return end;
  }

  /** utf8Write is twice as slow as this loop for the short ASCII strings that senders and keys are. */
  #string(text: string, at: number): number {
    const length = text.length;
    const bytes = this.#bytes;
    if (length > 48) return bytes.utf8Write(text, at);
    for (let i = 0; i < length; i++) {
      const unit = text.charCodeAt(i);
      if (unit > 0x7f) return bytes.utf8Write(text, at);
      bytes[at + i] = unit;
    }
    return length;
  }
}
