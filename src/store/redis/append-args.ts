/** Messages for the append script as one argument: hundreds of small ones cost Node and Redis more than the messages themselves. */

import '../native-buffer.js';
import type { SharedEntry } from '../shared-log.js';

const FIELDS = 10;
const FIN_TEXT = 0x81;
const FIN_BINARY = 0x82;

/** Of each message ten fields (scripts.ts), each behind its length in bytes (u32, big-endian). */
export function packEntries(entries: readonly SharedEntry[]): Buffer {
  let bound = 0;
  for (const { sender, key, id, line } of entries) {
    // Three bytes are the most that a UTF-16 unit takes in UTF-8; the two times have 16 digits at most.
    const texts = sender.length + key.length + id.length + line[0].length + line[1].length + line[2].length;
    bound += FIELDS * 4 + 33 + 3 * texts + line[3].length;
  }
  const out = Buffer.allocUnsafe(bound);
  let at = 0;
  const text = (value: string): void => {
    const length = out.utf8Write(value, at + 4);
    out.writeUInt32BE(length, at);
    at += 4 + length;
  };
  for (const { sender, key, id, serverTs, lamport, text: isText, line } of entries) {
    text(sender);
    text(key);
    text(id);
    text(String(Math.floor(serverTs)));
    text(String(lamport));
    out.writeUInt32BE(1, at);
    out[at + 4] = isText ? FIN_TEXT : FIN_BINARY;
    at += 5;
    text(line[0]);
    text(line[1]);
    text(line[2]);
    out.writeUInt32BE(line[3].length, at);
    out.set(line[3], at + 4);
    at += 4 + line[3].length;
  }
  return out.subarray(0, at);
}
