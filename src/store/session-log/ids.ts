/** Session ids and device names as the numbers by which the session log finds them. */

import { randomBytes } from 'node:crypto';
import { formatSessionId, parseSessionId, type SessionWords } from '../sessions/session-id.js';
import { StoreError } from '../../errors.js';

/** Names come from clients: with a seed of this process nobody can choose ones that collide. */
const SEED = randomBytes(4).readInt32LE();

/** Throws StoreError. */
export function requireId(id: string): SessionWords {
  const words = parseSessionId(id);
  if (words === null) throw new StoreError(`'${id.slice(0, 40)}' is no id of a session`, false);
  return words;
}

export function idOf(words: ArrayLike<number>): string {
  return formatSessionId(words);
}

export function wordsAt(bytes: Buffer, at: number): SessionWords {
  return Uint32Array.of(bytes.readUInt32LE(at), bytes.readUInt32LE(at + 4), bytes.readUInt32LE(at + 8), bytes.readUInt32LE(at + 12));
}

/** 64 bits of an id, of which all 128 take part. */
export function fingerprint(words: ArrayLike<number>): [high: number, low: number] {
  const [a = 0, b = 0, c = 0, d = 0] = [words[0], words[1], words[2], words[3]];
  return [(a ^ c) >>> 0, (b ^ d) >>> 0];
}

/** FNV-1a; the user's length keeps ("ab", "c") and ("a", "bc") apart. */
export function deviceHash(user: string, device: string): number {
  let hash = 0x811c9dc5 ^ SEED ^ user.length;
  for (let i = 0; i < user.length; i += 1) hash = Math.imul(hash ^ user.charCodeAt(i), 0x01000193);
  for (let i = 0; i < device.length; i += 1) hash = Math.imul(hash ^ device.charCodeAt(i), 0x01000193);
  return hash;
}
