/**
 * Duplicate keys are found by a hash of 64 bits, as two numbers of 32; what is found is then compared in full, so a collision costs
 * time and nothing else. The seed is the log's own, so that clients cannot choose keys that collide.
 */

const HIGH_FACTOR = 0x9e3779b1;
const LOW_FACTOR = 0x85ebca6b;

export interface HashSeed {
  readonly high: number;
  readonly low: number;
}

/** One object is used again and again: it holds the hash of the last of() call. */
export class KeyHash {
  /** Both as signed numbers of 32 bits. */
  high = 0;
  low = 0;
  readonly #seed: HashSeed;

  constructor(seed: HashSeed) {
    this.#seed = seed;
  }

  /** The lengths keep ("ab", "c") and ("a", "bc") apart. */
  of(channelId: number, sender: string, key: string): this {
    let high = (this.#seed.high ^ channelId) | 0;
    let low = (this.#seed.low + Math.imul(channelId, LOW_FACTOR)) ^ key.length;
    for (let i = 0; i < key.length; i++) {
      const unit = key.charCodeAt(i);
      high = Math.imul(((high << 5) | (high >>> 27)) ^ unit, HIGH_FACTOR);
      low = Math.imul(((low << 13) | (low >>> 19)) ^ unit, LOW_FACTOR);
    }
    for (let i = 0; i < sender.length; i++) {
      const unit = sender.charCodeAt(i);
      high = Math.imul(((high << 5) | (high >>> 27)) ^ unit, HIGH_FACTOR);
      low = Math.imul(((low << 13) | (low >>> 19)) ^ unit, LOW_FACTOR);
    }
    this.high = finish(high ^ low);
    this.low = finish(low + HIGH_FACTOR);
    return this;
  }
}

/** The last steps of MurmurHash3: every bit of the result depends on every bit that went in. */
function finish(hash: number): number {
  let h = hash | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}
