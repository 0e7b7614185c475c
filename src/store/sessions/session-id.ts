/** 128-bit session ids as four 32-bit words: what columns keep; as 32 hexadecimal digits: what clients see. */

import { randomFillSync } from 'node:crypto';
import '../native-buffer.js';

export type SessionWords = Uint32Array;

/** Random ids are drawn from the system in batches: a draw of its own for each costs more than the rest of `hello`. */
const BATCH = 256;
const pool = new Uint32Array(BATCH * 4);
let drawn = BATCH;

export function randomSessionId(): SessionWords {
  if (drawn === BATCH) {
    randomFillSync(pool);
    drawn = 0;
  }
  const id = pool.slice(drawn * 4, drawn * 4 + 4);
  pool.fill(0, drawn * 4, drawn * 4 + 4);
  drawn += 1;
  return id;
}

/** Draws `count` ids, four words each. */
export function drawSessionIds(into: Uint32Array, count: number): void {
  randomFillSync(into, 0, count * 4);
}

/** Text is made here, digit by digit, and read out in one call: numbers to text by way of toString(16) cost ten times as much. */
const digits = Buffer.alloc(32);
const DIGITS = Buffer.from('0123456789abcdef');

export function formatSessionId(words: ArrayLike<number>, offset = 0): string {
  for (let i = 0; i < 4; i += 1) writeHex(words[offset + i] as number, i * 8);
  return digits.latin1Slice(0, 32);
}

/** Null where the text is no session id. */
export function parseSessionId(text: string): SessionWords | null {
  const words = new Uint32Array(4);
  return readSessionId(text, words) ? words : null;
}

/** Writes the words of the id to `into`; false where the text is no session id. */
export function readSessionId(text: string, into: SessionWords): boolean {
  if (text.length !== 32) return false;
  for (let i = 0; i < 4; i += 1) {
    const word = readHex(text, i * 8);
    if (word < 0) return false;
    into[i] = word;
  }
  return true;
}

/** Name by which others see an anonymous session: it lasts as long as the session, over connections. */
export function anonymousName(words: ArrayLike<number>, offset = 0): string {
  writeHex(words[offset] as number, 0);
  writeHex(words[offset + 1] as number, 8);
  return `anon-${digits.latin1Slice(0, 16)}`;
}

function writeHex(word: number, at: number): void {
  for (let i = 0; i < 8; i += 1) digits[at + i] = DIGITS[(word >>> (28 - i * 4)) & 15] as number;
}

/** The number that eight digits make; -1 where one is none. */
function readHex(text: string, at: number): number {
  let word = 0;
  for (let i = at; i < at + 8; i += 1) {
    const code = text.charCodeAt(i);
    const isDigit = code >= 0x30 && code <= 0x39;
    if (!isDigit && !(code >= 0x61 && code <= 0x66)) return -1;
    word = word * 16 + code - (isDigit ? 0x30 : 0x57);
  }
  return word;
}
