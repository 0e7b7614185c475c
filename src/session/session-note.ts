/**
 * What is left with a detached engine about a row's session, so that the next control plane knows whose connection it is without asking
 * the store: a fixed head, the user's name, the patterns as JSON. Another meaning needs another kNoteVersion (native/queue/layout.hpp).
 */

import type { SessionStart } from './table.js';

const HEAD_BYTES = 16 + 4 * 3 + 2;
const UNCONFIRMED = 1;
const ANONYMOUS = 2;

export function encodeSessionNote({ id, user, read, write, expiresAt, sessionGeneration, leaseUntil, unconfirmed }: SessionStart): Buffer {
  const name = Buffer.from(user ?? '');
  const patterns = Buffer.from(JSON.stringify([read, write]));
  const note = Buffer.allocUnsafe(HEAD_BYTES + name.length + patterns.length);
  for (let i = 0; i < 4; i += 1) note.writeUInt32LE(id[i] as number, i * 4);
  note.writeUInt32LE(sessionGeneration, 16);
  note.writeUInt32LE(expiresAt, 20);
  note.writeUInt32LE(Math.floor(leaseUntil / 1000), 24);
  note[28] = (unconfirmed ? UNCONFIRMED : 0) | (user === null ? ANONYMOUS : 0);
  note[29] = name.length;
  name.copy(note, HEAD_BYTES);
  patterns.copy(note, HEAD_BYTES + name.length);
  return note;
}

type Patterns = readonly [read: readonly string[], write: readonly string[]];

/** Most sessions have patterns in common: each text of them is parsed once. */
export class SessionNoteReader {
  readonly #patterns = new Map<string, Patterns>();

  /** Null for what encodeSessionNote() does not make. */
  decode(note: Buffer): SessionStart | null {
    if (note.length < HEAD_BYTES) return null;
    const flags = note[28] as number;
    const nameEnd = HEAD_BYTES + (note[29] as number);
    const patterns = this.#parse(note.toString('utf8', nameEnd));
    if (patterns === null || nameEnd > note.length) return null;
    return {
      id: Uint32Array.from({ length: 4 }, (_, i) => note.readUInt32LE(i * 4)),
      user: (flags & ANONYMOUS) !== 0 ? null : note.toString('utf8', HEAD_BYTES, nameEnd),
      read: patterns[0],
      write: patterns[1],
      sessionGeneration: note.readUInt32LE(16),
      expiresAt: note.readUInt32LE(20),
      leaseUntil: note.readUInt32LE(24) * 1000,
      unconfirmed: (flags & UNCONFIRMED) !== 0,
    };
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
