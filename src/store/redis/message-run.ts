/**
 * Messages as an append stored them, made into delivery frames. What is stored is what the appending node packed (batch.ts); the numbers
 * that the log gave follow from those before it, so every reader makes the same bytes of it.
 */

import '../native-buffer.js';
import type { FrameRun } from '../types.js';
import { RECORD_BYTES } from './batch.js';

/** Where a run of messages stands in its channel. */
export interface RunPlace {
  readonly firstSeq: number;
  /** Of the message before the first. */
  readonly ts: number;
  readonly lamport: number;
  /** Indexes of packed messages that are not part of it, because they were duplicates; ascending. */
  readonly skipped: readonly number[];
}

export interface MessageRun extends FrameRun {
  readonly frames: Buffer;
  /** Of each message. */
  readonly serverTs: readonly number[];
}

/** Header of a frame and the digits of three numbers, beyond what the packed message's own header takes. */
const GROWTH_MAX = 10 + 3 * 16 - RECORD_BYTES;
/** Below it a loop is faster than a call of native code. */
const SHORT = 96;
const BILLION = 1_000_000_000;

/** Null where these are not packed messages. */
export function runOfMessages(packed: Buffer, { firstSeq, ts, lamport, skipped }: RunPlace): MessageRun | null {
  const starts = recordsOf(packed);
  if (starts === null) return null;
  const count = starts.length - skipped.length;
  const frames = Buffer.allocUnsafe(packed.length + starts.length * GROWTH_MAX);
  const ends = new Uint32Array(Math.max(0, count));
  const serverTs: number[] = [];
  let at = 0;
  let seq = firstSeq;
  let skip = 0;
  for (let i = 0; i < starts.length; i++) {
    if (skipped[skip] === i) {
      skip += 1;
      continue;
    }
    const start = starts[i] as number;
    ts = Math.max(ts, packed.readDoubleBE(start + 17));
    lamport = Math.max(lamport + 1, packed.readDoubleBE(start + 25));
    at = writeFrame(packed, start, frames, at, [seq, ts, lamport]);
    serverTs.push(ts);
    ends[seq - firstSeq] = at;
    seq += 1;
  }
  return skip === skipped.length && seq > firstSeq ? { firstSeq, lastSeq: seq - 1, frames: frames.subarray(0, at), ends, serverTs } : null;
}

/** Where each packed message begins. */
function recordsOf(packed: Buffer): number[] | null {
  const starts: number[] = [];
  let at = 0;
  while (at + RECORD_BYTES <= packed.length) {
    starts.push(at);
    let end = at + RECORD_BYTES;
    for (let part = 0; part < 4; part++) end += packed.readUInt32BE(at + 1 + 4 * part);
    at = end;
  }
  return at === packed.length ? starts : null;
}

/** RFC 6455 §5.2: an unmasked frame around the header line, its numbers put in, and the body. Returns where it ends. */
function writeFrame(packed: Buffer, start: number, out: Buffer, at: number, numbers: readonly [number, number, number]): number {
  let length = 0;
  for (let part = 0; part < 4; part++) length += packed.readUInt32BE(start + 1 + 4 * part);
  for (const number of numbers) length += digitsOf(number);
  out[at] = packed[start] as number;
  let to = writeLength(out, at + 1, length);
  let from = start + RECORD_BYTES;
  for (let part = 0; part < 4; part++) {
    const end = from + packed.readUInt32BE(start + 1 + 4 * part);
    to = copy(packed, from, end, out, to);
    if (part < 3) to = writeNumber(out, to, numbers[part] as number);
    from = end;
  }
  return to;
}

function writeLength(out: Buffer, at: number, length: number): number {
  if (length < 126) {
    out[at] = length;
    return at + 1;
  }
  if (length < 65_536) {
    out[at] = 126;
    return out.writeUInt16BE(length, at + 1);
  }
  out[at] = 127;
  out.writeUInt16BE(0, at + 1);
  return out.writeUIntBE(length, at + 3, 6);
}

function copy(from: Buffer, start: number, end: number, out: Buffer, at: number): number {
  if (end - start >= SHORT) out.set(from.subarray(start, end), at);
  else for (let i = start, to = at; i < end; i++, to++) out[to] = from[i] as number;
  return at + end - start;
}

function digitsOf(number: number): number {
  let digits = 1;
  for (let bound = 10; bound <= number; bound *= 10) digits += 1;
  return digits;
}

function writeNumber(out: Buffer, at: number, number: number): number {
  const end = at + digitsOf(number);
  let to = end;
  // In two halves: below 2^31 division is one of integers.
  const high = Math.floor(number / BILLION);
  let low = number - high * BILLION;
  if (high > 0) {
    for (let i = 0; i < 9; i++, low = Math.floor(low / 10)) out[--to] = 48 + (low % 10);
    low = high;
  }
  while (to > at) {
    out[--to] = 48 + (low % 10);
    low = Math.floor(low / 10);
  }
  return end;
}
