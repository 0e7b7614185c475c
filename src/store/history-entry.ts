import { crc32 } from 'node:zlib';
import { idHigh, idLow } from './message-id.js';

/**
 * A message in the table of an LMDB cold tier, little-endian:
 *
 *   magic u32 · checksum u32 (of the key, then of all that follows) · id: high f64, low u32 · server_ts f64 · frame
 *
 * What was written before there were checksums begins with the id. Its high half is an integer below 2^31 in a double: the two bytes that
 * come first are zero, which those of the magic are not.
 */

const MAGIC = 0x32484c53; // "SLH2"
const CHECKSUM = 4;
const COVERED = 8;
export const ENTRY_HEADER = 28;
const PLAIN_HEADER = 20;

export interface HistoryEntry {
  readonly idHigh: number;
  readonly idLow: number;
  readonly serverTs: number;
  /** Valid until the next read from the database. */
  readonly frame: Buffer;
}

/** `into` has room for the header; the frame stands behind it. */
export function sealEntry(into: Buffer, key: Buffer, id: string, serverTs: number): void {
  into.writeUInt32LE(MAGIC, 0);
  into.writeDoubleLE(idHigh(id), 8);
  into.writeUInt32LE(idLow(id), 16);
  into.writeDoubleLE(serverTs, 20);
  into.writeUInt32LE(checksum(key, into), CHECKSUM);
}

/** Why it is none where it is damaged. */
export function openEntry(key: Buffer, value: Buffer): HistoryEntry | string {
  if (value.length >= PLAIN_HEADER && value.readUInt16LE(0) === 0) return openPlain(value);
  if (value.length < ENTRY_HEADER || value.readUInt32LE(0) !== MAGIC) return 'it is not a message';
  if (checksum(key, value) !== value.readUInt32LE(CHECKSUM)) return 'its checksum is wrong';
  return fields(value, ENTRY_HEADER);
}

function checksum(key: Buffer, value: Buffer): number {
  return crc32(value.subarray(COVERED), crc32(key));
}

/** Without a checksum: only what no message has is found. */
function openPlain(value: Buffer): HistoryEntry | string {
  const entry = fields(value, PLAIN_HEADER);
  return entry.idHigh >= 0 && entry.serverTs > 0 && entry.frame.length > 0 && entry.frame[0] !== 0 ? entry : 'it is not a message';
}

function fields(value: Buffer, header: number): HistoryEntry {
  const at = header - PLAIN_HEADER;
  return {
    idHigh: value.readDoubleLE(at), idLow: value.readUInt32LE(at + 8), serverTs: value.readDoubleLE(at + 12), frame: value.subarray(header),
  };
}
