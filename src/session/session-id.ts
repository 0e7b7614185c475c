/** 128-bit session ids as four 32-bit words: what columns keep; as 32 hexadecimal digits: what clients see. */

import { randomFillSync } from 'node:crypto';

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

export function formatSessionId(words: ArrayLike<number>, offset = 0): string {
  return hex(words[offset]) + hex(words[offset + 1]) + hex(words[offset + 2]) + hex(words[offset + 3]);
}

/** Null where the text is no session id. */
export function parseSessionId(text: string): SessionWords | null {
  if (!/^[0-9a-f]{32}$/.test(text)) return null;
  return Uint32Array.of(word(text, 0), word(text, 8), word(text, 16), word(text, 24));
}

/** Name by which others see an anonymous session: it lasts as long as the session, over connections. */
export function anonymousName(words: ArrayLike<number>, offset = 0): string {
  return `anon-${hex(words[offset])}${hex(words[offset + 1])}`;
}

function hex(value: number | undefined): string {
  return (value ?? 0).toString(16).padStart(8, '0');
}

function word(text: string, at: number): number {
  return Number.parseInt(text.slice(at, at + 8), 16);
}
