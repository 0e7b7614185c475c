/**
 * Numbers in bytes, little-endian. What Buffer's own methods do, without their checks and without looking for the method: on the way of
 * every opening, where there are a dozen of them, that costs more than the bytes.
 */

export function putU16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
}

export function getU16(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8);
}

export function putU32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
  bytes[at + 2] = value >>> 16;
  bytes[at + 3] = value >>> 24;
}

export function getU32(bytes: Uint8Array, at: number): number {
  return (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0;
}

/** `value`: a whole number from 0 below 2^48. */
export function putU48(bytes: Uint8Array, at: number, value: number): void {
  putU32(bytes, at, value % 2 ** 32);
  putU16(bytes, at + 4, value / 2 ** 32);
}

export function getU48(bytes: Uint8Array, at: number): number {
  return getU32(bytes, at) + getU16(bytes, at + 4) * 2 ** 32;
}

/** Copies `length` bytes by whole words, of which the last may bring up to three bytes more: a call that copies costs as much as ten. */
export function copyWords(from: DataView, at: number, length: number, into: DataView, to: number): void {
  for (let i = 0; i < length; i += 4) into.setInt32(to + i, from.getInt32(at + i, true), true);
}

const double = new Float64Array(1);
const words = new Uint32Array(double.buffer);

export function putDouble(bytes: Uint8Array, at: number, value: number): void {
  double[0] = value;
  putU32(bytes, at, words[0]!);
  putU32(bytes, at + 4, words[1]!);
}

export function getDouble(bytes: Uint8Array, at: number): number {
  words[0] = getU32(bytes, at);
  words[1] = getU32(bytes, at + 4);
  return double[0]!;
}
