import { createHash } from 'node:crypto';

/** Binary keys of the log's tables. Numbers are big-endian so that byte order is their order. */

const U48_HIGH = 0x1_0000_0000;
/** Longer names are stored as their hash: a page of the table must hold several. */
const MAX_NAME_BYTES = 400;
/** Does not occur in UTF-8, so hashed names never meet plain ones. */
const HASHED = 0xff;

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

export function bucketKey(run: number, bucket: number): Buffer {
  const key = Buffer.allocUnsafe(10);
  writeU48(key, run, 0);
  writeU32(key, bucket, 6);
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

/** A number alone. */
export function seqValue(seq: number): Buffer {
  const value = Buffer.allocUnsafe(6);
  writeU48(value, seq, 0);
  return value;
}

export function nameKey(name: string): Buffer {
  const bytes = Buffer.from(`c${name}`);
  if (bytes.length <= MAX_NAME_BYTES) return bytes;
  return Buffer.concat([Buffer.from([HASHED]), createHash('sha256').update(name).digest()]);
}
