/**
 * What is left with a detached engine about a row's session, so that the next control plane knows whose connection it is without asking
 * the store: eight words, the user's name, the patterns as JSON, each filled up to a whole word. Another meaning needs another
 * kNoteVersion (native/queue/layout.hpp).
 */

import type { SessionStart } from './table.js';

const HEAD_BYTES = 32;
const UNCONFIRMED = 1;
const ANONYMOUS = 2;

export function encodeSessionNote({ id, user, read, write, expiresAt, sessionGeneration, leaseUntil, unconfirmed }: SessionStart): Buffer {
  const name = Buffer.from(user ?? '');
  const patterns = Buffer.from(JSON.stringify([read, write]));
  const patternsAt = HEAD_BYTES + wholeWords(name.length);
  // What JSON is filled up with is a space.
  const note = Buffer.alloc(patternsAt + wholeWords(patterns.length), ' ');
  for (let i = 0; i < 4; i += 1) note.writeUInt32LE(id[i] as number, i * 4);
  note.writeUInt32LE(sessionGeneration, 16);
  note.writeUInt32LE(expiresAt, 20);
  note.writeUInt32LE(Math.floor(leaseUntil / 1000), 24);
  note.writeUInt32LE((unconfirmed ? UNCONFIRMED : 0) | (user === null ? ANONYMOUS : 0) | (name.length << 8), 28);
  name.copy(note, HEAD_BYTES);
  patterns.copy(note, patternsAt);
  return note;
}

function wholeWords(bytes: number): number {
  return Math.ceil(bytes / 4) * 4;
}

type Patterns = readonly [read: readonly string[], write: readonly string[]];
type Session = { -readonly [K in keyof SessionStart]: SessionStart[K] };

/** Reads notes where they lie. Most sessions have patterns in common: each text of them is parsed once, and compared by words. */
export class SessionNoteReader {
  readonly #bytes: Buffer;
  readonly #words: Uint32Array;
  readonly #patterns = new Map<string, Patterns>();
  readonly #id = new Uint32Array(4);
  readonly #session: Session = {
    id: this.#id, user: null, read: [], write: [], sessionGeneration: 0, expiresAt: 0, leaseUntil: 0, unconfirmed: false,
  };
  /** Of the note before, in words. */
  #lastAt = 0;
  #lastWords = -1;
  #last: Patterns | null = null;

  /** `words`: the same memory. */
  constructor(bytes: Buffer, words: Uint32Array) {
    this.#bytes = bytes;
    this.#words = words;
  }

  /** The note at this byte; null for what encodeSessionNote() does not make. One object is used again and again. */
  decode(at: number, length: number): SessionStart | null {
    if (length < HEAD_BYTES || length % 4 !== 0 || at % 4 !== 0) return null;
    const words = this.#words;
    const word = at / 4;
    const flags = words[word + 7] as number;
    const nameBytes = (flags >>> 8) & 0xff;
    const patternsAt = HEAD_BYTES + wholeWords(nameBytes);
    if (patternsAt > length) return null;
    const patterns = this.#patternsAt((at + patternsAt) / 4, (length - patternsAt) / 4);
    if (patterns === null) return null;
    const session = this.#session;
    for (let i = 0; i < 4; i += 1) this.#id[i] = words[word + i] as number;
    session.sessionGeneration = words[word + 4] as number;
    session.expiresAt = words[word + 5] as number;
    session.leaseUntil = (words[word + 6] as number) * 1000;
    session.unconfirmed = (flags & UNCONFIRMED) !== 0;
    session.user = (flags & ANONYMOUS) !== 0 ? null : this.#bytes.utf8Slice(at + HEAD_BYTES, at + HEAD_BYTES + nameBytes);
    session.read = patterns[0];
    session.write = patterns[1];
    return session;
  }

  #patternsAt(at: number, count: number): Patterns | null {
    if (count === this.#lastWords && this.#isLast(at, count)) return this.#last;
    this.#last = this.#parse(this.#bytes.toString('utf8', at * 4, (at + count) * 4));
    this.#lastAt = at;
    this.#lastWords = count;
    return this.#last;
  }

  #isLast(at: number, count: number): boolean {
    const words = this.#words;
    const last = this.#lastAt;
    for (let i = 0; i < count; i += 1) if (words[at + i] !== words[last + i]) return false;
    return true;
  }

  #parse(text: string): Patterns | null {
    const known = this.#patterns.get(text);
    if (known !== undefined) return known;
    try {
      const parsed: unknown = JSON.parse(text);
      if (!Array.isArray(parsed) || parsed.length !== 2 || !parsed.every(isTexts)) return null;
      const patterns = parsed as unknown as Patterns;
      this.#patterns.set(text, patterns);
      return patterns;
    } catch {
      return null;
    }
  }
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string');
}
