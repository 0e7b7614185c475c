/**
 * HMAC-SHA256 (RFC 2104, FIPS 180-4) of short texts with one key. What the key contributes is computed once; node:crypto's own begins
 * anew with each text and costs ten times as much, which is the greater part of a `welcome`.
 */

const BLOCK = 64;
/** Bytes of a digest. */
export const DIGEST_BYTES = 32;

/** FIPS 180-4 §4.2.2: fractional parts of the cube roots of the first 64 primes. */
const K = constants(64, 3);
/** §5.3.3: of the square roots of the first eight. */
const INITIAL = constants(8, 2);

export class Hmac {
  readonly #inner = new Int32Array(8);
  readonly #outer = new Int32Array(8);
  readonly #state = new Int32Array(8);
  readonly #schedule = new Int32Array(64);
  #padded = Buffer.alloc(BLOCK * 4);
  readonly #last = Buffer.alloc(BLOCK);
  readonly #digest = Buffer.alloc(DIGEST_BYTES);

  /** The key: at most 64 bytes. */
  constructor(key: Uint8Array) {
    if (key.length > BLOCK) throw new RangeError(`a key of ${key.length} bytes`);
    this.#begin(key, 0x36, this.#inner);
    this.#begin(key, 0x5c, this.#outer);
  }

  /** The digest of `text`, which is ASCII; good until the next call. */
  digest(text: string): Buffer {
    const blocks = Math.ceil((text.length + 9) / BLOCK);
    if (this.#padded.length < blocks * BLOCK) this.#padded = Buffer.alloc(blocks * BLOCK * 2);
    const padded = this.#padded;
    padded.latin1Write(text, 0);
    pad(padded, text.length, blocks * BLOCK);
    this.#state.set(this.#inner);
    for (let at = 0; at < blocks * BLOCK; at += BLOCK) this.#compress(padded, at);
    writeWords(this.#state, this.#last);
    pad(this.#last, DIGEST_BYTES, BLOCK);
    this.#state.set(this.#outer);
    this.#compress(this.#last, 0);
    writeWords(this.#state, this.#digest);
    return this.#digest;
  }

  #begin(key: Uint8Array, mask: number, into: Int32Array): void {
    const block = Buffer.alloc(BLOCK, mask);
    key.forEach((byte, i) => (block[i] = byte ^ mask));
    this.#state.set(INITIAL);
    this.#compress(block, 0);
    into.set(this.#state);
  }

  /** FIPS 180-4 §6.2.2. */
  #compress(bytes: Buffer, at: number): void {
    const w = this.#schedule;
    for (let i = 0, b = at; i < 16; i += 1, b += 4) {
      w[i] = (bytes[b]! << 24) | (bytes[b + 1]! << 16) | (bytes[b + 2]! << 8) | bytes[b + 3]!;
    }
    for (let i = 16; i < 64; i += 1) {
      const x = w[i - 15]!;
      const y = w[i - 2]!;
      const s0 = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3);
      const s1 = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10);
      w[i] = (w[i - 16]! + s0 + w[i - 7]! + s1) | 0;
    }
    this.#rounds(w);
  }

  #rounds(w: Int32Array): void {
    const state = this.#state;
    let a = state[0]!, b = state[1]!, c = state[2]!, d = state[3]!;
    let e = state[4]!, f = state[5]!, g = state[6]!, h = state[7]!;
    for (let i = 0; i < 64; i += 1) {
      const s1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
      const t1 = (h + s1 + ((e & f) ^ (~e & g)) + K[i]! + w[i]!) | 0;
      const s0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
      const t2 = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
      h = g;
      g = f;
      f = e;
      e = (d + t1) | 0;
      d = c;
      c = b;
      b = a;
      a = (t1 + t2) | 0;
    }
    state[0] = (state[0]! + a) | 0;
    state[1] = (state[1]! + b) | 0;
    state[2] = (state[2]! + c) | 0;
    state[3] = (state[3]! + d) | 0;
    state[4] = (state[4]! + e) | 0;
    state[5] = (state[5]! + f) | 0;
    state[6] = (state[6]! + g) | 0;
    state[7] = (state[7]! + h) | 0;
  }
}

/** §5.1.1, with the block of the key counted in. */
function pad(bytes: Buffer, length: number, end: number): void {
  bytes.fill(0, length, end);
  bytes[length] = 0x80;
  bytes.writeUInt32BE((length + BLOCK) * 8, end - 4);
}

function writeWords(words: Int32Array, bytes: Buffer): void {
  for (let i = 0; i < 8; i += 1) bytes.writeInt32BE(words[i]!, i * 4);
}

/** The first 32 bits of the fractional parts of roots of the first primes, computed exactly. */
function constants(count: number, root: 2 | 3): Int32Array {
  const words = new Int32Array(count);
  for (let prime = 2, found = 0; found < count; prime += 1) {
    if (!isPrime(prime)) continue;
    words[found] = Number(BigInt.asIntN(32, integerRoot(BigInt(prime) << BigInt(32 * root), root)));
    found += 1;
  }
  return words;
}

function isPrime(n: number): boolean {
  for (let d = 2; d * d <= n; d += 1) if (n % d === 0) return false;
  return true;
}

/** The greatest integer whose power is at most `n`. */
function integerRoot(n: bigint, power: number): bigint {
  let low = 0n;
  let high = 1n << 40n;
  while (low < high) {
    const middle = (low + high + 1n) / 2n;
    if (middle ** BigInt(power) <= n) low = middle;
    else high = middle - 1n;
  }
  return low;
}
