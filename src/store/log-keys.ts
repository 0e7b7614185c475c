import './native-buffer.js';
import { createHash } from 'node:crypto';

/** Binary keys of the log's tables. Numbers are big-endian so that byte order is their order. */

const U48_HIGH = 0x1_0000_0000;
/** Longer names and keys are stored as their hash: a page of the index must hold several. */
const MAX_TEXT_BYTES = 400;
/** Does not occur in UTF-8, so hashed keys never meet plain ones and sort after them. */
const HASHED = 0xff;
const FNV_PRIME = 0x01000193;

const writeU48 = (target: Buffer, value: number, at: number): void => {
  const high = (value / U48_HIGH) | 0;
  target[at] = high >>> 8;
  target[at + 1] = high;
  const low = value >>> 0;
  target[at + 2] = low >>> 24;
  target[at + 3] = low >>> 16;
  target[at + 4] = low >>> 8;
  target[at + 5] = low;
};

const writeU32 = (target: Buffer, value: number, at: number): void => {
  target[at] = value >>> 24;
  target[at + 1] = value >>> 16;
  target[at + 2] = value >>> 8;
  target[at + 3] = value;
};

export const readU48 = (source: Buffer, at: number): number => source.readUIntBE(at, 6);

export function chunkKey(chunk: number): Buffer {
  const key = Buffer.allocUnsafe(6);
  writeU48(key, chunk, 0);
  return key;
}

export function segmentKey(channelId: number, firstSeq: number): Buffer {
  const key = Buffer.allocUnsafe(10);
  writeU32(key, channelId, 0);
  writeU48(key, firstSeq, 4);
  return key;
}

/** Where a segment is: chunk number, offset in it, last seq. */
export function segmentValue(chunk: number, offset: number, lastSeq: number): Buffer {
  const value = Buffer.allocUnsafe(16);
  writeU48(value, chunk, 0);
  writeU32(value, offset, 6);
  writeU48(value, lastSeq, 10);
  return value;
}

/** A seq alone: of a duplicate key, the rest of whose first result is in the segment, and of counters. */
export function seqValue(seq: number): Buffer {
  const value = Buffer.allocUnsafe(6);
  writeU48(value, seq, 0);
  return value;
}

/**
 * Values of many puts in one buffer. lmdb-js takes a value's bytes from its `start` to its `end` where it has them (it is how its own
 * encoder hands values over), and reads both within put(); the bytes stay as they are until the commit.
 */
export class SeqValues {
  readonly #value: Buffer & { start: number; end: number };

  constructor(capacity: number) {
    this.#value = Object.assign(Buffer.allocUnsafeSlow(capacity * 6), { start: 0, end: 0 });
  }

  next(seq: number): Buffer {
    const value = this.#value;
    value.start = value.end;
    value.end += 6;
    writeU48(value, seq, value.start);
    return value;
  }
}

/**
 * A duplicate key in its binary form, (channel, key, sender): clients' keys are time-ordered, so with the key before the sender the
 * inserts of one channel stay together whoever sends. The key's length at the end keeps ("ab", "c") and ("a", "bc") apart.
 * One object is used again and again: what encode() wrote is valid until the next encode().
 */
export class DuplicateKey {
  readonly #scratch = Buffer.alloc(4 + MAX_TEXT_BYTES + 2);
  bytes: Buffer = this.#scratch;
  length = 0;
  /** FNV-1a over the bytes. */
  hash = 0;
  /** The bytes' order is that of the JavaScript strings. */
  ascii = false;

  encode(channelId: number, sender: string, key: string): this {
    const scratch = this.#scratch;
    this.bytes = scratch;
    this.hash = 0x811c9dc5;
    writeU32(scratch, channelId, 0);
    this.#mix(scratch, 0, 4);
    const keyEnd = this.#ascii(key, 4, 4 + MAX_TEXT_BYTES);
    const senderEnd = keyEnd < 0 ? -1 : this.#ascii(sender, keyEnd, 4 + MAX_TEXT_BYTES);
    this.ascii = senderEnd >= 0;
    if (senderEnd < 0) return this.#encodeOther(channelId, sender, key);
    this.#finish(keyEnd - 4, senderEnd);
    return this;
  }

  /** -1 when the text does not fit or is not ASCII. Hashing in the same loop saves a second pass. */
  #ascii(text: string, at: number, limit: number): number {
    const length = text.length;
    if (at + length > limit) return -1;
    const scratch = this.#scratch;
    let hash = this.hash;
    for (let i = 0; i < length; i++) {
      const unit = text.charCodeAt(i);
      if (unit > 0x7f) return -1;
      scratch[at + i] = unit;
      hash = Math.imul(hash ^ unit, FNV_PRIME);
    }
    this.hash = hash;
    return at + length;
  }

  #finish(keyLength: number, end: number): void {
    this.#scratch[end] = keyLength >>> 8;
    this.#scratch[end + 1] = keyLength;
    this.length = end + 2;
    this.#mix(this.#scratch, end, end + 2);
  }

  #mix(bytes: Buffer, from: number, to: number): void {
    for (let i = from; i < to; i++) this.hash = Math.imul(this.hash ^ bytes[i]!, FNV_PRIME);
  }

  #encodeOther(channelId: number, sender: string, key: string): this {
    const keyLength = Buffer.byteLength(key);
    const senderLength = Buffer.byteLength(sender);
    if (keyLength + senderLength > MAX_TEXT_BYTES) {
      this.bytes = hashedKey(channelId, sender, key);
      this.length = this.bytes.length;
      this.hash = this.bytes.readInt32LE(5);
      return this;
    }
    this.#scratch.utf8Write(key, 4);
    this.#scratch.utf8Write(sender, 4 + keyLength);
    this.hash = 0x811c9dc5;
    this.#mix(this.#scratch, 0, 4 + keyLength + senderLength);
    this.#finish(keyLength, 4 + keyLength + senderLength);
    return this;
  }

  view(): Buffer {
    return this.bytes.subarray(0, this.length);
  }
}

function hashedKey(channelId: number, sender: string, key: string): Buffer {
  const digest = createHash('sha256').update(`${sender.length}:`).update(sender).update(key).digest();
  const bytes = Buffer.allocUnsafe(5 + digest.length);
  writeU32(bytes, channelId, 0);
  bytes[4] = HASHED;
  digest.copy(bytes, 5);
  return bytes;
}

/** `from`: where the key begins in the bytes. */
export function isHashed(bytes: Buffer, from = 0): boolean {
  return bytes[from + 4] === HASHED;
}

/** Range of a channel's plain duplicate keys: from the first to before the second. */
export function duplicateRange(channelId: number): [Buffer, Buffer] {
  const from = Buffer.alloc(4);
  writeU32(from, channelId, 0);
  const to = Buffer.alloc(5, HASHED);
  writeU32(to, channelId, 0);
  return [from, to];
}

/** The `key` part of a plain duplicate key. */
export function keyOf(bytes: Buffer, from = 0, to = bytes.length): string {
  return bytes.utf8Slice(from + 4, from + 4 + bytes.readUInt16BE(to - 2));
}

export function nameKey(name: string): Buffer {
  const bytes = Buffer.from(`c${name}`);
  if (bytes.length <= MAX_TEXT_BYTES) return bytes;
  return Buffer.concat([Buffer.from([HASHED]), createHash('sha256').update(name).digest()]);
}
