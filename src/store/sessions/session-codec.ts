import '../native-buffer.js';
import { StoreError } from '../../errors.js';
import { equalsText, KnownTexts } from '../known-texts.js';
import { copyWords, getDouble, getU16, getU32, getU48, putDouble, putU16, putU32, putU48 } from '../little-endian.js';
import type { EncodedCursor } from './encoded-cursor.js';
import type { ChannelCursor, SessionRecord, SessionTimes } from './session-store.js';

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
const GENERATION = 2;
const PREVIOUS = 6;
const PREVIOUS_UNTIL = 10;
const LEASE_UNTIL = 16;
const EXPIRES_AT = 22;
const FORGET_AT = 28;
const SEEN = 34;
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
  putU32(bytes, start + GENERATION, record.generation);
  putU32(bytes, start + PREVIOUS, record.previous);
  putU48(bytes, start + PREVIOUS_UNTIL, time(record.previousUntil));
  putU48(bytes, start + LEASE_UNTIL, time(record.leaseUntil));
  putU48(bytes, start + EXPIRES_AT, time(record.expiresAt));
  putU48(bytes, start + FORGET_AT, time(record.forgetAt));
  if (lastSeenMessageId === null) putDouble(bytes, start + SEEN, 0);
  else bytes.writeBigUInt64LE(BigInt(lastSeenMessageId), start + SEEN);
  putU16(bytes, start + COUNT, cursors.length);
  let at = start + FIXED;
  if (user !== null) at = writeText(bytes, at, user);
  if (device !== null) at = writeText(bytes, at, device);
  if (owner !== null) at = writeText(bytes, at, owner);
  for (const cursor of cursors) at = writeCursor(cursor, bytes, at);
  return at;
}

/** Returns where it ends. Throws StoreError. */
export function writeCursor({ channel, epoch, seq, subscribed, told }: ChannelCursor, bytes: Buffer, start: number): number {
  const at = writeText(bytes, writeText(bytes, start, channel), epoch);
  putDouble(bytes, at, seq);
  bytes[at + 8] = (subscribed ? SUBSCRIBED : 0) | (told ? TOLD : 0);
  return at + 9;
}

/** Whether the session at `at` has no cursor, and its lease ends as it is written there and not, by now, only at `until` (seconds). */
export function isFresh(view: DataView, at: number, until: number): boolean {
  const leaseUntil = view.getUint32(at + LEASE_UNTIL, true) + view.getUint16(at + LEASE_UNTIL + 4, true) * 2 ** 32;
  return view.getUint16(at + COUNT, true) === 0 && until * 1000 <= leaseUntil;
}

/**
 * The session of bytes[at, end), which has no cursor, gets its first one, for which there must be room (CURSOR_MAX); returns where it ends.
 * Most sessions subscribe right after they began.
 */
export function writeFirstCursor(bytes: Buffer, at: number, end: number, cursor: ChannelCursor): number {
  putU16(bytes, at + COUNT, 1);
  return writeCursor(cursor, bytes, end);
}

/** The same by bytes that are there already. */
export function writeFirstEncoded(view: DataView, at: number, end: number, cursor: EncodedCursor): number {
  view.setUint16(at + COUNT, 1, true);
  copyWords(cursor.view, cursor.at, cursor.length, view, end);
  return end + cursor.length;
}

/**
 * Writes the session of from[at, end) once more to `bytes` at `start`, where there must be room for as much, as it is when its connection
 * is gone and `cursor` is all that is to be told of its channels; returns where it ends. -1 where it has other cursors, or nobody's lease.
 */
export function writeReleased(
  from: Buffer, at: number, end: number, cursor: ChannelCursor | null, times: SessionTimes, bytes: Buffer, start: number,
): number {
  const flags = from[at + 1] as number;
  const count = getU16(from, at + COUNT);
  if ((flags & OWNER) === 0 || count !== (cursor === null ? 0 : 1)) return -1;
  let owner = at + FIXED;
  if ((flags & USER) !== 0) owner += 1 + (from[owner] as number);
  if ((flags & DEVICE) !== 0) owner += 1 + (from[owner] as number);
  const cursors = owner + 1 + (from[owner] as number);
  const seqAt = cursor === null ? end : seqOf(from, cursors, cursor);
  if (seqAt < 0) return -1;
  let to = start;
  for (let i = at; i < owner; i += 1) bytes[to++] = from[i] as number;
  for (let i = cursors; i < end; i += 1) bytes[to++] = from[i] as number;
  bytes[start + 1] = flags & ~OWNER;
  putU48(bytes, start + LEASE_UNTIL, time(times.leaseUntil));
  putU48(bytes, start + EXPIRES_AT, time(times.expiresAt));
  putU48(bytes, start + FORGET_AT, time(times.forgetAt));
  if (cursor !== null) writePosition(bytes, to - (end - seqAt), cursor, getDouble(from, seqAt));
  return to;
}

/** `former`: the position that stood there. */
function writePosition(bytes: Buffer, at: number, { seq, subscribed, told }: ChannelCursor, former: number): void {
  putDouble(bytes, at, Math.max(seq, former));
  bytes[at + 8] = (subscribed ? SUBSCRIBED : 0) | (told ? TOLD : 0);
}

/** Where the position stands of the cursor at `at`; -1 where that is one of another channel or epoch. */
function seqOf(bytes: Buffer, at: number, { channel, epoch }: ChannelCursor): number {
  const epochAt = at + 1 + channel.length;
  const seqAt = epochAt + 1 + epoch.length;
  const isSame = bytes[at] === channel.length && bytes[epochAt] === epoch.length &&
    equalsText(channel, bytes, at + 1) && equalsText(epoch, bytes, epochAt + 1);
  return isSame ? seqAt : -1;
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
    generation: getU32(bytes, at + GENERATION),
    leaseUntil: getU48(bytes, at + LEASE_UNTIL),
    forgetAt: getU48(bytes, at + FORGET_AT),
    hasDevice: (flags & USER) !== 0 && (flags & DEVICE) !== 0,
  };
}

/** The session at `at`. */
export function decodeSession(id: string, bytes: Buffer, at = 0): SessionRecord {
  if (bytes[at] !== VERSION) throw new StoreError(`session ${id} is stored in format ${bytes[at]}, this release reads ${VERSION}`, false);
  const flags = bytes[at + 1] as number;
  reader.begin(bytes, at + FIXED);
  const user = (flags & USER) === 0 ? null : reader.text();
  const device = (flags & DEVICE) === 0 ? null : reader.text();
  const owner = (flags & OWNER) === 0 ? null : reader.text();
  const cursors: ChannelCursor[] = [];
  for (let left = getU16(bytes, at + COUNT); left > 0; left -= 1) {
    const channel = reader.text();
    const epoch = reader.text();
    const seq = reader.double();
    const kind = reader.byte();
    cursors.push({ channel, epoch, seq, subscribed: (kind & SUBSCRIBED) !== 0, told: (kind & TOLD) !== 0 });
  }
  return {
    id, user, device, owner, cursors,
    generation: getU32(bytes, at + GENERATION),
    previous: getU32(bytes, at + PREVIOUS),
    previousUntil: getU48(bytes, at + PREVIOUS_UNTIL),
    leaseUntil: getU48(bytes, at + LEASE_UNTIL),
    expiresAt: getU48(bytes, at + EXPIRES_AT),
    forgetAt: getU48(bytes, at + FORGET_AT),
    ended: (flags & ENDED) !== 0,
    lastSeenMessageId: readSeen(bytes, at + SEEN),
  };
}

function readSeen(bytes: Buffer, at: number): string | null {
  return getU32(bytes, at) === 0 && getU32(bytes, at + 4) === 0 ? null : bytes.readBigUInt64LE(at).toString();
}

/** Channels, epochs and nodes are the same in very many sessions. */
class Reader {
  readonly #texts = new KnownTexts();
  #bytes: Buffer = Buffer.alloc(0);
  #at = 0;

  begin(bytes: Buffer, at: number): void {
    this.#bytes = bytes;
    this.#at = at;
  }

  text(): string {
    const start = this.#at + 1;
    this.#at = start + (this.#bytes[this.#at] as number);
    return this.#texts.read(this.#bytes, start, this.#at);
  }

  double(): number {
    this.#at += 8;
    return getDouble(this.#bytes, this.#at - 8);
  }

  byte(): number {
    this.#at += 1;
    return this.#bytes[this.#at - 1] as number;
  }
}

const reader = new Reader();
