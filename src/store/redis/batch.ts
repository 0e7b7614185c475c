/**
 * What an append hands to its script: all messages in three long arguments. Arguments by the hundred cost Node and Redis more than the
 * messages themselves, and so does each string that Redis's Lua makes, so the script looks at names and marks only.
 */

import '../native-buffer.js';
import type { SharedEntry } from '../shared-log.js';

export interface Batch {
  /** MessagePack, an array: sender and key of each message with a NUL between them. */
  readonly names: Buffer;
  /** Of each message its id (20 characters, blanks behind it), server_ts and lamport (big-endian doubles). */
  readonly marks: Buffer;
  /** What is stored (message-run.ts). */
  readonly messages: Buffer;
  /** Where none is a duplicate, the last one's server_ts and lamport are not below these. */
  readonly leastTs: number;
  readonly leastLamport: number;
}

const MARK_BYTES = 36;
const ID_BYTES = 20;
const BLANK = 0x20;
const FIN_TEXT = 0x81;
const FIN_BINARY = 0x82;
/** First byte of the frame, lengths of the line's four parts (u32), server_ts and lamport (doubles); all big-endian. */
export const RECORD_BYTES = 33;
/** MessagePack: array 32 and str 32. */
const ARRAY = 0xdd;
const TEXT = 0xdb;
/** The most that a UTF-16 unit takes in UTF-8. */
const UTF8_MAX = 3;

export function packBatch(entries: readonly SharedEntry[]): Batch {
  const count = entries.length;
  const marks = Buffer.allocUnsafe(count * MARK_BYTES);
  let leastTs = 0;
  let leastLamport = 0;
  for (let i = 0; i < count; i++) {
    const { id, serverTs, lamport } = entries[i] as SharedEntry;
    const ts = Math.floor(serverTs);
    const at = i * MARK_BYTES;
    marks.fill(BLANK, at + marks.latin1Write(id, at, ID_BYTES), at + ID_BYTES);
    marks.writeDoubleBE(ts, at + ID_BYTES);
    marks.writeDoubleBE(lamport, at + ID_BYTES + 8);
    leastTs = Math.max(leastTs, ts);
    leastLamport = Math.max(leastLamport, lamport + count - 1 - i);
  }
  return { names: packNames(entries), marks, messages: packMessages(entries), leastTs, leastLamport };
}

function packNames(entries: readonly SharedEntry[]): Buffer {
  let bound = 5;
  for (const { sender, key } of entries) bound += 6 + UTF8_MAX * (sender.length + key.length);
  const out = Buffer.allocUnsafe(bound);
  out[0] = ARRAY;
  out.writeUInt32BE(entries.length, 1);
  let at = 5;
  for (const { sender, key } of entries) {
    const start = at + 5;
    let end = start + out.utf8Write(sender, start);
    out[end++] = 0;
    end += out.utf8Write(key, end);
    out[at] = TEXT;
    out.writeUInt32BE(end - start, at + 1);
    at = end;
  }
  return out.subarray(0, at);
}

function packMessages(entries: readonly SharedEntry[]): Buffer {
  let bound = 0;
  for (const { line } of entries) {
    bound += RECORD_BYTES + UTF8_MAX * (line[0].length + line[1].length + line[2].length) + line[3].length;
  }
  const out = Buffer.allocUnsafe(bound);
  let at = 0;
  for (const { text, serverTs, lamport, line } of entries) {
    out[at] = text ? FIN_TEXT : FIN_BINARY;
    out.writeDoubleBE(Math.floor(serverTs), at + 17);
    out.writeDoubleBE(lamport, at + 25);
    let end = at + RECORD_BYTES;
    for (let part = 0; part < 3; part++) {
      const length = out.utf8Write(line[part] as string, end);
      out.writeUInt32BE(length, at + 1 + 4 * part);
      end += length;
    }
    out.writeUInt32BE(line[3].length, at + 13);
    out.set(line[3], end);
    at = end + line[3].length;
  }
  return out.subarray(0, at);
}
