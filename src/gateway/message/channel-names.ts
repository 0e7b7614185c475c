/**
 * Channels in use, found by the bytes of their names: there is neither a text nor a look at a channel's own memory before it is the one.
 * Each has a card, which is the cursor of who subscribes to it, as sessions are stored with it: it begins with the name. Cards are found by
 * a hash in one of few places, so that nobody who chooses names makes a search long. What is not here is asked of the registry; what is
 * asked for comes here.
 */

import type { OpenChannel } from '../../sequence/channels.js';
import { ENCODED_BYTES, type EncodedCursor } from '../../store/sessions/encoded-cursor.js';
import { writeCursor } from '../../store/sessions/session-codec.js';

const WORD = 4;
/** Of a name; others are not kept here. */
export const NAME_BYTES_LEAST = WORD;
export const NAME_BYTES_MAX = 96;
/** Behind name and epoch, each with its length before it, the cursor has its position and a byte of flags. */
const SEQ_FLAGS_BYTES = 9;
export const EPOCH_BYTES_MAX = ENCODED_BYTES - NAME_BYTES_MAX - SEQ_FLAGS_BYTES - 2;
/** Places of a hash, one behind the other: they share one or two lines of the cache. */
const TRIES = 8;
/** Places for each channel; powers of two of them, between these. */
const PLACES_PER_CHANNEL = 2;
const PLACES_LEAST = 4096;
const PLACES_MOST = 1 << 20;

export class ChannelNames {
  /** Of each place: a name's hash, and the number of its entry + 1. */
  #places!: Int32Array;
  #mask!: number;
  /** Of each entry. */
  #cards!: Buffer;
  #view!: DataView;
  #channels!: (OpenChannel | null)[];
  #used = 0;
  /** Of the name that was looked for last. */
  #hash = 0;
  /** How often something was kept: entries that were found before may be other channels' since. */
  changes = 0;
  /** For findMany(). */
  #hashes = new Int32Array(0);
  /** Of what findMany() has read ahead, which nobody asks for: otherwise a compiler need not read it. */
  readAhead = 0;

  constructor() {
    this.#reserve(PLACES_LEAST);
  }

  /** The entry of the name in [from, to), of NAME_BYTES_LEAST to NAME_BYTES_MAX bytes; -1 where it is not here. */
  find(view: DataView, from: number, to: number): number {
    const hash = hashOf(view, from, to);
    this.#hash = hash;
    const places = this.#places;
    const mask = this.#mask;
    for (let tries = 0; tries < TRIES; tries += 1) {
      const at = ((hash + tries) & mask) * 2;
      if (places[at] !== hash || places[at + 1] === 0) continue;
      const entry = (places[at + 1] as number) - 1;
      if (this.#isNamed(entry, view, from, to - from)) return entry;
    }
    return -1;
  }

  /**
   * The same for the first `count` names, which lie in [ranges[2 i], ranges[2 i + 1]); where there is no such range, nothing is named. Step
   * by step for all of them, with nothing else between: what each step reads is in no cache, and so the processor waits for that of several
   * at a time.
   */
  findMany(view: DataView, ranges: Int32Array, count: number, into: Int32Array): void {
    if (this.#hashes.length < count) this.#hashes = new Int32Array(count);
    const hashes = this.#hashes;
    for (let i = 0; i < count; i += 1) {
      const to = ranges[2 * i + 1] as number;
      hashes[i] = to === 0 ? 0 : hashOf(view, ranges[2 * i] as number, to);
    }
    for (let i = 0; i < count; i += 1) into[i] = ranges[2 * i + 1] === 0 ? -1 : this.#candidate(hashes[i] as number);
    const [cards, channels] = [this.#view, this.#channels];
    let read = 0;
    for (let i = 0; i < count; i += 1) {
      const entry = into[i] as number;
      if (entry >= 0) read += cards.getUint8(entry * ENCODED_BYTES) + (channels[entry] as OpenChannel).publishedSeq;
    }
    this.readAhead = read;
    for (let i = 0; i < count; i += 1) {
      const [from, to] = [ranges[2 * i] as number, ranges[2 * i + 1] as number];
      const entry = into[i] as number;
      if (entry >= 0 && !this.#isNamed(entry, view, from, to - from)) into[i] = this.find(view, from, to);
    }
  }

  /** The first entry of this hash, which may be another name's. */
  #candidate(hash: number): number {
    const places = this.#places;
    const mask = this.#mask;
    for (let tries = 0; tries < TRIES; tries += 1) {
      const at = ((hash + tries) & mask) * 2;
      if (places[at] === hash && places[at + 1] !== 0) return (places[at + 1] as number) - 1;
    }
    return -1;
  }

  /** It may be in use no more. */
  channel(entry: number): OpenChannel {
    return this.#channels[entry] as OpenChannel;
  }

  /** Keeps the channel under the name that was looked for last. `inUse`: how many channels are. -1 where its epoch is not plain. */
  keep(channel: OpenChannel, inUse: number): number {
    const { name, epoch, epochJson } = channel;
    if (epochJson.length !== epoch.length + 2 || epoch.length > EPOCH_BYTES_MAX || Buffer.byteLength(epoch) !== epoch.length) return -1;
    const wanted = Math.min(PLACES_MOST, 2 ** Math.ceil(Math.log2(inUse * PLACES_PER_CHANNEL + 1)));
    // Those that were there come again by themselves, but for such as are not in use any more.
    if (wanted > this.#mask + 1 || this.#used === this.#channels.length) this.#reserve(Math.max(wanted, this.#mask + 1));
    const place = this.#placeFor();
    const known = this.#places[place + 1] as number;
    const entry = known === 0 ? this.#used++ : known - 1;
    this.#places[place] = this.#hash;
    this.#places[place + 1] = entry + 1;
    const card = entry * ENCODED_BYTES;
    const cursor = { channel: name, epoch, seq: channel.publishedSeq, subscribed: true, told: false };
    writeCursor(cursor, this.#cards, card);
    this.#channels[entry] = channel;
    this.changes += 1;
    return entry;
  }

  /** The cursor of who subscribes to the channel now. */
  copyCursor(entry: number, into: EncodedCursor): void {
    const { name, epoch, publishedSeq } = this.channel(entry);
    const view = this.#view;
    const card = entry * ENCODED_BYTES;
    const epochAt = card + 1 + view.getUint8(card);
    const seqAt = epochAt + 1 + view.getUint8(epochAt);
    if (view.getFloat64(seqAt, true) !== publishedSeq) view.setFloat64(seqAt, publishedSeq, true);
    into.set(name, epoch, publishedSeq, view, card, seqAt + SEQ_FLAGS_BYTES - card);
  }

  #isNamed(entry: number, view: DataView, from: number, length: number): boolean {
    const card = entry * ENCODED_BYTES;
    const cards = this.#view;
    if (cards.getUint8(card) !== length) return false;
    const last = length - WORD;
    for (let i = 0; i < last; i += WORD) if (cards.getInt32(card + 1 + i, true) !== view.getInt32(from + i, true)) return false;
    return cards.getInt32(card + 1 + last, true) === view.getInt32(from + last, true);
  }

  /** An empty place, that of the same hash, or else the first one, whose name makes room. */
  #placeFor(): number {
    for (let tries = 0; tries < TRIES; tries += 1) {
      const at = ((this.#hash + tries) & this.#mask) * 2;
      if (this.#places[at + 1] === 0 || this.#places[at] === this.#hash) return at;
    }
    return (this.#hash & this.#mask) * 2;
  }

  #reserve(places: number): void {
    this.#places = new Int32Array(places * 2);
    this.#mask = places - 1;
    const entries = places / PLACES_PER_CHANNEL;
    const cards = new ArrayBuffer(entries * ENCODED_BYTES);
    this.#cards = Buffer.from(cards);
    this.#view = new DataView(cards);
    this.#channels = new Array<OpenChannel | null>(entries).fill(null);
    this.#used = 0;
  }
}

/** By words, of which the last may overlap the one before it. */
function hashOf(view: DataView, from: number, to: number): number {
  const last = to - WORD;
  let hash = to - from;
  for (let at = from; at < last; at += WORD) hash = mix(hash ^ view.getInt32(at, true));
  return mix(hash ^ view.getInt32(last, true));
}

/** Spreads neighbouring numbers over the low bits, which choose the place. */
function mix(hash: number): number {
  const h = Math.imul(hash, 0x9e3779b1);
  return h ^ (h >>> 15);
}
