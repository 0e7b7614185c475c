import type { ChunkWriter } from './chunk.js';
import type { Generation } from './generation.js';
import { ENTRY } from './journal-record.js';
import { chunkKey, segmentKey, segmentValue } from './table-keys.js';
import type { TailChannel } from './tail-channels.js';
import type { Tables } from '../lmdb-env.js';

/** A chunk is closed above this: small enough that reading one message does not copy much. */
const CHUNK_BYTES = 16_384;
/** Segments are split above this, for the same reason. */
const SEGMENT_BYTES = 32_768;

/** Where the tables stand. */
export interface DrainPosition {
  /** Number of the chunk to be written next. */
  readonly nextChunk: number;
  /** Bytes of all chunks so far, since the log was made. */
  readonly position: number;
}

/**
 * Moves a generation from the journal into the tables, by channel, a slice with each commit. It depends on nothing but the generation,
 * so doing it again, after a failure or a crash, writes the same chunks to the same places.
 */
export class IndexDrain {
  readonly generation: Generation;
  readonly #writer: ChunkWriter;
  readonly #start: DrainPosition;
  /** Their ids. */
  readonly #channels: Uint32Array;
  #channel = 0;
  #message = 0;
  /** Of the channel that is being moved; null before its first. */
  #messages: readonly number[] | null = null;
  #nextChunk: number;
  #position: number;
  /** Messages of the slice that has begun. */
  #laidOut = 0;

  constructor(generation: Generation, writer: ChunkWriter, start: DrainPosition) {
    this.generation = generation;
    this.#writer = writer;
    this.#start = start;
    // LMDB fills its pages when keys come in ascending order.
    this.#channels = Uint32Array.from(generation.channels.ids()).sort();
    this.#nextChunk = start.nextChunk;
    this.#position = start.position;
  }

  get done(): boolean {
    return this.#channel === this.#channels.length;
  }

  /** Behind what was written. */
  get position(): DrainPosition {
    return { nextChunk: this.#nextChunk, position: this.#position };
  }

  /** The commit of a slice failed: everything is written once more. */
  restart(): void {
    this.#channel = 0;
    this.#message = 0;
    this.#messages = null;
    this.#nextChunk = this.#start.nextChunk;
    this.#position = this.#start.position;
  }

  /** A slice begins: the one before it is in the tables. */
  begin(): void {
    this.#writer.reset();
    this.#laidOut = 0;
  }

  /** Lays out whole chunks of at least `messages` messages, and returns of how many. */
  layOut(messages: number): number {
    let taken = 0;
    while (taken < messages && !this.done) taken += this.#chunk();
    this.#laidOut += taken;
    return taken;
  }

  /** Puts the slice, all that was laid out since begin(), into the transaction that is open; returns how many messages that is. */
  put(tables: Tables): number {
    const writer = this.#writer;
    for (const { channelId, firstSeq, lastSeq, chunk, offset } of writer.segments) {
      void tables.segments.put(segmentKey(channelId, firstSeq), segmentValue(this.#nextChunk + chunk, offset, lastSeq));
    }
    for (let i = 0; i < writer.chunks; i++) void tables.chunks.put(chunkKey(this.#nextChunk + i), writer.chunk(i));
    this.#nextChunk += writer.chunks;
    return this.#laidOut;
  }

  /** Returns how many messages it took. */
  #chunk(): number {
    const writer = this.#writer;
    let taken = 0;
    writer.startChunk();
    while (!this.done && writer.chunkBytes <= CHUNK_BYTES) {
      const channelId = this.#channels[this.#channel]!;
      const channel = this.generation.channels.get(channelId) as TailChannel;
      const messages = (this.#messages ??= this.generation.channels.listOf(channel));
      const from = this.#message;
      const end = segmentEnd(this.generation, messages, from);
      writer.segment(this.generation, channelId, channel.firstSeq, messages, from, end);
      taken += end - from;
      this.#message = end;
      if (end < messages.length) continue;
      this.#channel++;
      this.#message = 0;
      this.#messages = null;
    }
    this.#position = writer.endChunk(this.#position, this.generation.lastWritten);
    return taken;
  }
}

/** The end of a segment that begins at `from`: the channel's, or where the frames would exceed SEGMENT_BYTES. */
function segmentEnd(generation: Generation, messages: readonly number[], from: number): number {
  let bytes = 0;
  for (let i = from; i < messages.length; i++) {
    bytes += generation.u32[(generation.entryOf(messages[i]!) + ENTRY.FRAME_BYTES) >> 2]!;
    if (bytes > SEGMENT_BYTES) return i === from ? from + 1 : i;
  }
  return messages.length;
}
