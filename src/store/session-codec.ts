import './native-buffer.js';
import { StoreError } from '../errors.js';
import { getU16, getU32, getU48, putDouble, putU16 } from './little-endian.js';
import type { ChannelCursor, SessionRecord } from './session-store.js';

/**
 * A session as bytes. Fixed part: version, flags, generation, previous (u32), previousUntil, leaseUntil, expiresAt, forgetAt (u48),
 * last seen id (u64), number of cursors (u16). Then user, device and owner as far as the flags name them, and for each cursor
 * channel, epoch, seq (double) and flags. Texts are a length (u8) and UTF-8.
 */

const VERSION = 1;
const USER = 1;
const DEVICE = 2;
const OWNER = 4;
const ENDED = 8;
/** Flags of a cursor. */
const SUBSCRIBED = 1;
const TOLD = 2;
const LEASE_UNTIL = 16;
const FORGET_AT = 28;
const COUNT = 42;
const FIXED = 44;
const TEXT_MAX = 255;
const TIME_MAX = 2 ** 48 - 1;
/** Two texts, a double and a flag. */
export const CURSOR_MAX = 2 * (TEXT_MAX + 1) + 9;

/** No session takes more bytes. */
export function sessionBound({ cursors }: SessionRecord): number {
  return FIXED + 3 * (TEXT_MAX + 1) + cursors.length * CURSOR_MAX;
}

/** Writes the session to `bytes` at `start`, where there must be room for sessionBound(record); returns where it ends. */
export function writeSession(record: SessionRecord, bytes: Buffer, start: number): number {
  const { user, device, owner, lastSeenMessageId, cursors } = record;
  bytes[start] = VERSION;
  bytes[start + 1] = flagsOf(record);
  bytes.writeUInt32LE(record.generation, start + 2);
  bytes.writeUInt32LE(record.previous, start + 6);
  bytes.writeUIntLE(time(record.previousUntil), start + 10, 6);
  bytes.writeUIntLE(time(record.leaseUntil), start + LEASE_UNTIL, 6);
  bytes.writeUIntLE(time(record.expiresAt), start + 22, 6);
  bytes.writeUIntLE(time(record.forgetAt), start + FORGET_AT, 6);
  if (lastSeenMessageId === null) bytes.fill(0, start + 34, start + 42);
  else bytes.writeBigUInt64LE(BigInt(lastSeenMessageId), start + 34);
  bytes.writeUInt16LE(cursors.length, start + COUNT);
  let at = start + FIXED;
  if (user !== null) at = writeText(bytes, at, user);
  if (device !== null) at = writeText(bytes, at, device);
  if (owner !== null) at = writeText(bytes, at, owner);
  for (const cursor of cursors) at = writeCursor(cursor, bytes, at);
  return at;
}

function writeCursor({ channel, epoch, seq, subscribed, told }: ChannelCursor, bytes: Buffer, start: number): number {
  const at = writeText(bytes, writeText(bytes, start, channel), epoch);
  putDouble(bytes, at, seq);
  bytes[at + 8] = (subscribed ? SUBSCRIBED : 0) | (told ? TOLD : 0);
  return at + 9;
}

/** Whether the session at `at` has no cursor, and its lease ends as it is written there and not, by now, only at `until` (seconds). */
export function isFresh(bytes: Buffer, at: number, until: number): boolean {
  return getU16(bytes, at + COUNT) === 0 && until * 1000 <= getU48(bytes, at + LEASE_UNTIL);
}

/**
 * Writes the session of from[at, end), which has no cursor, once more to `bytes` at `start`, where there must be room for it and
 * CURSOR_MAX, with its first one; returns where it ends. Most sessions subscribe right after they began.
 */
export function writeFirstCursor(from: Buffer, at: number, end: number, cursor: ChannelCursor, bytes: Buffer, start: number): number {
  if (from === bytes) bytes.copyWithin(start, at, end);
  else for (let i = at; i < end; i += 1) bytes[start + i - at] = from[i] as number;
  putU16(bytes, start + COUNT, 1);
  return writeCursor(cursor, bytes, start + end - at);
}

let scratch = Buffer.allocUnsafe(4096);

export function encodeSession(record: SessionRecord): Buffer {
  const bound = sessionBound(record);
  if (scratch.length < bound) scratch = Buffer.allocUnsafe(bound);
  return Buffer.from(scratch.subarray(0, writeSession(record, scratch, 0)));
}

function flagsOf({ user, device, owner, ended }: SessionRecord): number {
  return (user === null ? 0 : USER) | (device === null ? 0 : DEVICE) | (owner === null ? 0 : OWNER) | (ended ? ENDED : 0);
}

/** Times beyond the year 10889 are for ever. */
function time(ms: number): number {
  return Math.min(TIME_MAX, Math.floor(ms));
}

function writeText(bytes: Buffer, at: number, text: string): number {
  const ascii = writeAscii(bytes, at + 1, text);
  if (ascii >= 0) {
    bytes[at] = ascii;
    return at + 1 + ascii;
  }
  const length = Buffer.byteLength(text);
  if (length > TEXT_MAX) throw new StoreError(`a name of a session is longer than ${TEXT_MAX} bytes`, false);
  bytes[at] = length;
  return at + 1 + bytes.utf8Write(text, at + 1, length);
}

/** Beyond it a call of the encoder costs less than the characters. */
const SHORT = 48;

/** Its length; -1 where the text is long or not ASCII. Most names are short, and cost a third of what two calls of the encoder do. */
function writeAscii(bytes: Buffer, at: number, text: string): number {
  const { length } = text;
  if (length > SHORT) return -1;
  for (let i = 0; i < length; i += 1) {
    const char = text.charCodeAt(i);
    if (char > 0x7f) return -1;
    bytes[at + i] = char;
  }
  return length;
}

/** What a session's place has of it. */
export interface SessionHead {
  readonly owned: boolean;
  readonly ended: boolean;
  readonly generation: number;
  readonly leaseUntil: number;
  readonly forgetAt: number;
  readonly hasDevice: boolean;
}

/** The head of the session at `at`, without its texts. */
export function readSessionHead(bytes: Buffer, at: number): SessionHead {
  const flags = bytes[at + 1] as number;
  return {
    owned: (flags & OWNER) !== 0,
    ended: (flags & ENDED) !== 0,
    generation: getU32(bytes, at + 2),
    leaseUntil: getU48(bytes, at + LEASE_UNTIL),
    forgetAt: getU48(bytes, at + FORGET_AT),
    hasDevice: (flags & USER) !== 0 && (flags & DEVICE) !== 0,
  };
}

export function decodeSession(id: string, bytes: Buffer): SessionRecord {
  if (bytes[0] !== VERSION) throw new StoreError(`session ${id} is stored in format ${bytes[0]}, this release reads ${VERSION}`, false);
  const reader = new Reader(bytes);
  const flags = bytes[1] as number;
  const seen = bytes.readBigUInt64LE(34);
  const count = bytes.readUInt16LE(COUNT);
  const user = (flags & USER) === 0 ? null : reader.text();
  const device = (flags & DEVICE) === 0 ? null : reader.text();
  const owner = (flags & OWNER) === 0 ? null : reader.text();
  const cursors: ChannelCursor[] = [];
  for (let i = 0; i < count; i += 1) {
    const [channel, epoch, seq, flags] = [reader.text(), reader.text(), reader.double(), reader.byte()];
    cursors.push({ channel, epoch, seq, subscribed: (flags & SUBSCRIBED) !== 0, told: (flags & TOLD) !== 0 });
  }
  return {
    id, user, device, owner, cursors,
    generation: bytes.readUInt32LE(2),
    previous: bytes.readUInt32LE(6),
    previousUntil: bytes.readUIntLE(10, 6),
    leaseUntil: bytes.readUIntLE(LEASE_UNTIL, 6),
    expiresAt: bytes.readUIntLE(22, 6),
    forgetAt: bytes.readUIntLE(FORGET_AT, 6),
    ended: (flags & ENDED) !== 0,
    lastSeenMessageId: seen === 0n ? null : seen.toString(),
  };
}

class Reader {
  readonly #bytes: Buffer;
  #at = FIXED;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  text(): string {
    const start = this.#at + 1;
    this.#at = start + (this.#bytes[this.#at] as number);
    return this.#bytes.toString('utf8', start, this.#at);
  }

  double(): number {
    this.#at += 8;
    return this.#bytes.readDoubleLE(this.#at - 8);
  }

  byte(): number {
    this.#at += 1;
    return this.#bytes[this.#at - 1] as number;
  }
}
