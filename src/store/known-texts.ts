/**
 * Texts that come again and again, read from their bytes: one string object for all, whose own hash is known, and no call of a decoder.
 * Of a fixed size: a text takes the place of another with its hash.
 */

import './native-buffer.js';

/** A power of two. */
const TEXTS = 16_384;
const MAX_LENGTH = 64;
const ASCII_MAX = 0x7f;

export class KnownTexts {
  readonly #texts: (string | undefined)[] = new Array<string | undefined>(TEXTS);

  /** The UTF-8 in bytes[from, to). */
  read(bytes: Buffer, from: number, to: number): string {
    const length = to - from;
    if (length > MAX_LENGTH) return bytes.utf8Slice(from, to);
    let hash = length;
    let all = 0;
    for (let i = from; i < to; i++) {
      const byte = bytes[i]!;
      all |= byte;
      hash = (Math.imul(hash, 31) + byte) | 0;
    }
    if (all > ASCII_MAX) return bytes.utf8Slice(from, to);
    const slot = (hash ^ (hash >>> 10)) & (TEXTS - 1);
    const known = this.#texts[slot];
    if (known !== undefined && known.length === length && equalsText(known, bytes, from)) return known;
    return (this.#texts[slot] = bytes.latin1Slice(from, to));
  }
}

/** Whether the ASCII text stands at `from`. */
export function equalsText(text: string, bytes: Buffer, from: number): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) !== bytes[from + i]) return false;
  return true;
}
