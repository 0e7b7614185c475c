import { StoreError } from '../errors.js';
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
const FORGET_AT = 28;
const FIXED = 44;
const TEXT_MAX = 255;
const TIME_MAX = 2 ** 48 - 1;
/** Two texts, a double and a flag. */
const CURSOR_MAX = 2 * (TEXT_MAX + 1) + 9;

let scratch = Buffer.allocUnsafe(4096);

export function encodeSession(record: SessionRecord): Buffer {
  const bound = FIXED + 3 * (TEXT_MAX + 1) + record.cursors.length * CURSOR_MAX;
  if (scratch.length < bound) scratch = Buffer.allocUnsafe(bound);
  const { user, device, owner } = record;
  scratch[0] = VERSION;
  scratch[1] = (user === null ? 0 : USER) | (device === null ? 0 : DEVICE) | (owner === null ? 0 : OWNER) | (record.ended ? ENDED : 0);
  scratch.writeUInt32LE(record.generation, 2);
  scratch.writeUInt32LE(record.previous, 6);
  scratch.writeUIntLE(time(record.previousUntil), 10, 6);
  scratch.writeUIntLE(time(record.leaseUntil), 16, 6);
  scratch.writeUIntLE(time(record.expiresAt), 22, 6);
  scratch.writeUIntLE(time(record.forgetAt), FORGET_AT, 6);
  scratch.writeBigUInt64LE(record.lastSeenMessageId === null ? 0n : BigInt(record.lastSeenMessageId), 34);
  scratch.writeUInt16LE(record.cursors.length, 42);
  let at = FIXED;
  for (const text of [user, device, owner]) if (text !== null) at = writeText(at, text);
  for (const { channel, epoch, seq, subscribed, told } of record.cursors) {
    at = writeText(writeText(at, channel), epoch);
    at = scratch.writeDoubleLE(seq, at);
    scratch[at] = (subscribed ? SUBSCRIBED : 0) | (told ? TOLD : 0);
    at += 1;
  }
  return Buffer.from(scratch.subarray(0, at));
}

/** Times beyond the year 10889 are for ever. */
function time(ms: number): number {
  return Math.min(TIME_MAX, Math.floor(ms));
}

function writeText(at: number, text: string): number {
  const length = scratch.write(text, at + 1);
  if (length > TEXT_MAX || Buffer.byteLength(text) !== length) {
    throw new StoreError(`a name of a session is longer than ${TEXT_MAX} bytes`, false);
  }
  scratch[at] = length;
  return at + 1 + length;
}

export function forgetAtOf(bytes: Buffer): number {
  return bytes.readUIntLE(FORGET_AT, 6);
}

export function decodeSession(id: string, bytes: Buffer): SessionRecord {
  if (bytes[0] !== VERSION) throw new StoreError(`session ${id} is stored in format ${bytes[0]}, this release reads ${VERSION}`, false);
  const reader = new Reader(bytes);
  const flags = bytes[1] as number;
  const seen = bytes.readBigUInt64LE(34);
  const count = bytes.readUInt16LE(42);
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
    leaseUntil: bytes.readUIntLE(16, 6),
    expiresAt: bytes.readUIntLE(22, 6),
    forgetAt: forgetAtOf(bytes),
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
