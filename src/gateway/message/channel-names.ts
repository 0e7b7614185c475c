/**
 * Channels in use, found by the bytes of their names: there is neither a text nor a look at a channel's own memory before it is the one.
 * Names are kept as words, behind one another, and found by a hash in one of few places, so that nobody who chooses names makes a search
 * long. What is not here is asked of the registry; what is asked for comes here.
 */

import type { OpenChannel } from '../../sequence/channels.js';

/** Of a name; longer ones are not kept here. */
const WORDS = 12;
export const NAME_BYTES_MAX = WORDS * 4;
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
  /** Of each entry: the words of its name, zeros behind it. */
  #names!: Int32Array;
  #channels!: (OpenChannel | null)[];
  #used = 0;
  readonly #words = new Int32Array(WORDS);
  /** Of the name that was looked for last. */
  #hash = 0;

  constructor() {
    this.#reserve(PLACES_LEAST);
  }

  /** The channel whose name is in [from, to), of 1 to NAME_BYTES_MAX bytes; null where it is not here. It may be in use no more. */
  find(view: DataView, from: number, to: number): OpenChannel | null {
    const count = this.#load(view, from, to);
    const places = this.#places;
    const names = this.#names;
    const words = this.#words;
    for (let tries = 0; tries < TRIES; tries += 1) {
      const at = ((this.#hash + tries) & this.#mask) * 2;
      if (places[at] !== this.#hash || places[at + 1] === 0) continue;
      const entry = (places[at + 1] as number) - 1;
      const name = entry * WORDS;
      let same = 0;
      while (same < count && names[name + same] === words[same]) same += 1;
      // A longer name goes on behind it.
      if (same === count && (count === WORDS || names[name + count] === 0)) return this.#channels[entry] as OpenChannel;
    }
    return null;
  }

  /** Keeps the channel under the name that was looked for last. `inUse`: how many channels are. */
  keep(channel: OpenChannel, inUse: number): void {
    const wanted = Math.min(PLACES_MOST, 2 ** Math.ceil(Math.log2(inUse * PLACES_PER_CHANNEL + 1)));
    // Those that were there come again by themselves, but for such as are not in use any more.
    if (wanted > this.#mask + 1 || this.#used === this.#channels.length) this.#reserve(Math.max(wanted, this.#mask + 1));
    const place = this.#placeFor();
    const known = this.#places[place + 1] as number;
    const entry = known === 0 ? this.#used++ : known - 1;
    this.#places[place] = this.#hash;
    this.#places[place + 1] = entry + 1;
    this.#names.set(this.#words, entry * WORDS);
    this.#channels[entry] = channel;
  }

  /** An empty place, that of the same hash, or else the first one, whose name makes room. */
  #placeFor(): number {
    for (let tries = 0; tries < TRIES; tries += 1) {
      const at = ((this.#hash + tries) & this.#mask) * 2;
      if (this.#places[at + 1] === 0 || this.#places[at] === this.#hash) return at;
    }
    return (this.#hash & this.#mask) * 2;
  }

  /** Leaves the name in #words and its hash in #hash; returns how many words it has. */
  #load(view: DataView, from: number, to: number): number {
    const words = this.#words;
    let hash = to - from;
    let count = 0;
    let at = from;
    for (; at + 4 <= to; at += 4) {
      const word = view.getInt32(at, true);
      words[count++] = word;
      hash = mix(hash ^ word);
    }
    if (at < to) {
      let word = 0;
      for (let shift = 0; at < to; at += 1, shift += 8) word |= view.getUint8(at) << shift;
      words[count++] = word;
      hash = mix(hash ^ word);
    }
    for (let i = count; i < WORDS; i += 1) words[i] = 0;
    this.#hash = hash;
    return count;
  }

  #reserve(places: number): void {
    this.#places = new Int32Array(places * 2);
    this.#mask = places - 1;
    this.#names = new Int32Array((places / PLACES_PER_CHANNEL) * WORDS);
    this.#channels = new Array<OpenChannel | null>(places / PLACES_PER_CHANNEL).fill(null);
    this.#used = 0;
  }
}

/** Spreads neighbouring numbers over the low bits, which choose the place. */
function mix(hash: number): number {
  const h = Math.imul(hash, 0x9e3779b1);
  return h ^ (h >>> 15);
}
