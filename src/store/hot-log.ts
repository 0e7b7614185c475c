import type { Address, Arena } from '../engine/port.js';

/** Frames that lie one after another in the arena: one command sends them. */
export interface HotPiece {
  readonly address: Address;
  readonly length: number;
  readonly lastSeq: number;
}

export interface HotLogOptions {
  /** Milliseconds; older frames are forgotten, by whole chunks of the arena. */
  readonly maxAgeMs: number;
  /** Messages of one channel; the oldest are forgotten above it. A power of two. */
  readonly maxPerChannel: number;
}

/** 4 messages are 64 bytes, which V8 keeps inside the array's own object. */
const INITIAL_MESSAGES = 4;

/** Recent messages of a channel: (address, length) pairs by seq modulo the capacity. */
class Ring {
  firstSeq: number;
  /** The next seq to come. */
  nextSeq: number;
  /** Arena chunk of the newest message. */
  chunk = -1;
  #pairs = new Float64Array(INITIAL_MESSAGES * 2);
  #mask = INITIAL_MESSAGES - 1;

  constructor(seq: number) {
    this.firstSeq = seq;
    this.nextSeq = seq;
  }

  #at(seq: number): number {
    // Numbers above 32 bits keep their low bits in `&`; `%` would be a call of fmod().
    return (seq & this.#mask) * 2;
  }

  address(seq: number): number {
    return this.#pairs[this.#at(seq)]!;
  }

  length(seq: number): number {
    return this.#pairs[this.#at(seq) + 1]!;
  }

  push(address: number, length: number, maxMessages: number): void {
    if (this.nextSeq - this.firstSeq > this.#mask) {
      if (this.#mask + 1 < maxMessages) this.#grow();
      else this.firstSeq++;
    }
    const at = this.#at(this.nextSeq++);
    this.#pairs[at] = address;
    this.#pairs[at + 1] = length;
  }

  #grow(): void {
    const capacity = (this.#mask + 1) * 2;
    const pairs = new Float64Array(capacity * 2);
    for (let seq = this.firstSeq; seq < this.nextSeq; seq++) {
      const at = (seq & (capacity - 1)) * 2;
      pairs[at] = this.address(seq);
      pairs[at + 1] = this.length(seq);
    }
    this.#pairs = pairs;
    this.#mask = capacity - 1;
  }
}

/**
 * Where recent frames are in the region's arena, which alone holds their bytes. Bounded by the arena: when a chunk of it is used
 * again the messages in it are forgotten, and a channel without messages has no ring.
 */
export class HotLog {
  readonly #arena: Arena;
  readonly #options: HotLogOptions;
  readonly #rings = new Map<number, Ring>();
  /** By chunk: the channels with messages in it, each once. */
  readonly #channelsOf: number[][];
  /** By chunk: when the newest of its messages came, in milliseconds. */
  readonly #newest: Float64Array;
  #messages = 0;
  #bytes = 0;

  /** Takes arena.onRecycle. */
  constructor(arena: Arena, options: HotLogOptions) {
    this.#arena = arena;
    this.#options = options;
    this.#channelsOf = Array.from({ length: arena.chunks }, () => []);
    this.#newest = new Float64Array(arena.chunks);
    arena.onRecycle = (chunk) => this.#forget(chunk);
  }

  get messages(): number {
    return this.#messages;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get channels(): number {
    return this.#rings.size;
  }

  /** A frame that was handed to fan-out. Seqs of a channel follow each other; one that does not begins anew. */
  add(channelId: number, seq: number, address: Address, length: number, now: number): void {
    let ring = this.#rings.get(channelId);
    if (ring === undefined || ring.nextSeq !== seq) {
      if (ring !== undefined) this.#drop(ring, ring.nextSeq);
      ring = new Ring(seq);
      this.#rings.set(channelId, ring);
    }
    const chunk = this.#arena.chunkOf(address);
    if (ring.chunk !== chunk) {
      ring.chunk = chunk;
      this.#channelsOf[chunk]!.push(channelId);
    }
    if (ring.nextSeq - ring.firstSeq >= this.#options.maxPerChannel) {
      this.#messages--;
      this.#bytes -= ring.length(ring.firstSeq);
    }
    ring.push(address, length, this.#options.maxPerChannel);
    this.#messages++;
    this.#bytes += length;
    this.#newest[chunk] = now;
  }

  /** The oldest seq that can be read; null when none can. */
  firstSeq(channelId: number): number | null {
    return this.#rings.get(channelId)?.firstSeq ?? null;
  }

  /**
   * Messages from fromSeq on: at most maxCount and about maxBytes, at least one. Null when fromSeq is not here (ask the log); empty
   * when it is yet to come. Addresses stay valid until the arena comes round: hand them to the port in this turn.
   */
  read(channelId: number, fromSeq: number, maxCount: number, maxBytes: number): HotPiece[] | null {
    const ring = this.#rings.get(channelId);
    if (ring === undefined || fromSeq < ring.firstSeq || fromSeq > ring.nextSeq) return null;
    const pieces: HotPiece[] = [];
    const end = Math.min(ring.nextSeq, fromSeq + maxCount);
    let bytes = 0;
    for (let seq = fromSeq; seq < end;) {
      const address = ring.address(seq);
      const chunk = this.#arena.chunkOf(address);
      let length = 0;
      do {
        length += ring.length(seq++);
      } while (seq < end && bytes + length < maxBytes && this.#follows(ring, seq, address + length, chunk));
      pieces.push({ address, length, lastSeq: seq - 1 });
      bytes += length;
      if (bytes >= maxBytes) break;
    }
    return pieces;
  }

  /** The engine counts its references by chunk, so no piece reaches into the next one. */
  #follows(ring: Ring, seq: number, end: Address, chunk: number): boolean {
    return ring.address(seq) === end && this.#arena.chunkOf(end) === chunk;
  }

  /** Forgets chunks whose newest message is too old. `now` in milliseconds, of the clock that add() is given. */
  expire(now: number): void {
    const oldest = now - this.#options.maxAgeMs;
    for (let chunk = 0; chunk < this.#newest.length; chunk++) {
      if (this.#newest[chunk]! < oldest && this.#channelsOf[chunk]!.length > 0) this.#forget(chunk);
    }
  }

  #forget(chunk: number): void {
    const channels = this.#channelsOf[chunk]!;
    this.#channelsOf[chunk] = [];
    for (const channelId of channels) {
      const ring = this.#rings.get(channelId);
      if (ring === undefined) continue;
      const keep = this.#afterChunk(ring, chunk);
      this.#drop(ring, keep);
      if (keep === ring.nextSeq) this.#rings.delete(channelId);
    }
  }

  /**
   * The first seq behind the chunk's messages. What is before them is older and goes too: nothing may point into a chunk that is
   * used again.
   */
  #afterChunk(ring: Ring, chunk: number): number {
    let keep = ring.firstSeq;
    for (let seq = ring.firstSeq; seq < ring.nextSeq; seq++) {
      if (this.#arena.chunkOf(ring.address(seq)) === chunk) keep = seq + 1;
      else if (keep > ring.firstSeq) break;
    }
    if (ring.chunk === chunk) ring.chunk = -1;
    return keep;
  }

  #drop(ring: Ring, keep: number): void {
    for (; ring.firstSeq < keep; ring.firstSeq++) {
      this.#messages--;
      this.#bytes -= ring.length(ring.firstSeq);
    }
  }
}
