/**
 * The common shape of a header line, read straight from its bytes: one flat object whose fields are op, id, channel, key, client_ts,
 * lamport and the texts of `hello`, with plain ASCII texts and whole numbers. Everything else (escapes, other fields, fractions, nesting,
 * errors) is left to JSON.parse, so what this accepts must mean the same there; test/unit/gateway/header-scan.test.ts and the fuzzer
 * compare the two.
 */

import { equalsText, KnownTexts } from '../../store/known-texts.js';
import '../../store/native-buffer.js';

/** As JSON.parse would give it; absent fields are undefined. */
export interface ScannedHeader {
  op: string | undefined;
  id: number | undefined;
  channel: string | undefined;
  key: string | undefined;
  client_ts: number | undefined;
  lamport: number | undefined;
  resume: string | undefined;
  token: string | undefined;
  device: string | undefined;
}

type Text = 'key' | 'resume' | 'token' | 'device';
type Field = 'op' | 'id' | 'channel' | 'client_ts' | 'lamport' | Text;

const SPACE = 0x20;
const QUOTE = 0x22;
const COMMA = 0x2c;
const MINUS = 0x2d;
const ZERO = 0x30;
const NINE = 0x39;
const COLON = 0x3a;
const BACKSLASH = 0x5c;
const OPEN = 0x7b;
const CLOSE = 0x7d;
const DELETE = 0x7f;
/** So many digits are always exact. */
const MAX_DIGITS = 15;

const FIELDS: readonly Field[] = ['op', 'id', 'channel', 'key', 'client_ts', 'lamport', 'resume', 'token', 'device'];
const FIELD_BYTES: readonly Buffer[] = FIELDS.map((field) => Buffer.from(field));

export class HeaderScanner {
  readonly #names = new KnownTexts();
  /** Behind what was read; -1 once something is not of the common shape. */
  #at = 0;
  #number = 0;

  /** Null where the line is not of the common shape, which says nothing about whether it is good. */
  scan(bytes: Buffer, start: number, end: number): ScannedHeader | null {
    const header: ScannedHeader = {
      op: undefined, id: undefined, channel: undefined, key: undefined, client_ts: undefined, lamport: undefined,
      resume: undefined, token: undefined, device: undefined,
    };
    if (bytes[start] !== OPEN) return null;
    let at = start + 1;
    for (;;) {
      at = this.#field(header, bytes, skipSpaces(bytes, at, end), end);
      if (at < 0) return null;
      at = skipSpaces(bytes, at, end);
      if (at >= end) return null;
      const next = bytes[at++]!;
      if (next === COMMA) continue;
      return next === CLOSE && skipSpaces(bytes, at, end) === end ? header : null;
    }
  }

  /** Reads a name, a colon and a value; returns where that ends, or -1. */
  #field(header: ScannedHeader, bytes: Buffer, start: number, end: number): number {
    const nameEnd = textEnd(bytes, start, end);
    if (nameEnd < 0) return -1;
    const field = fieldOf(bytes, start + 1, nameEnd);
    const colon = skipSpaces(bytes, nameEnd + 1, end);
    if (field < 0 || colon >= end || bytes[colon] !== COLON) return -1;
    const at = skipSpaces(bytes, colon + 1, end);
    const name = FIELDS[field]!;
    switch (name) {
      case 'op':
        return this.#text(bytes, at, end) ? this.#set(header, 'op', opOf(bytes, at + 1, this.#at)) : -1;
      case 'channel':
        return this.#text(bytes, at, end) ? this.#set(header, 'channel', this.#names.read(bytes, at + 1, this.#at)) : -1;
      case 'id':
        return this.#whole(bytes, at, end) ? this.#setNumber(header, 'id') : -1;
      case 'client_ts':
        return this.#whole(bytes, at, end) ? this.#setNumber(header, 'client_ts') : -1;
      case 'lamport':
        return this.#whole(bytes, at, end) ? this.#setNumber(header, 'lamport') : -1;
      default:
        return this.#text(bytes, at, end) ? this.#set(header, name, bytes.latin1Slice(at + 1, this.#at)) : -1;
    }
  }

  #setNumber(header: ScannedHeader, field: 'id' | 'client_ts' | 'lamport'): number {
    header[field] = this.#number;
    return this.#at;
  }

  #set(header: ScannedHeader, field: 'op' | 'channel' | Text, text: string): number {
    header[field] = text;
    return this.#at + 1;
  }

  /** Leaves the place of the closing quote. */
  #text(bytes: Buffer, at: number, end: number): boolean {
    this.#at = textEnd(bytes, at, end);
    return this.#at >= 0;
  }

  /** A whole number as JSON writes it. What follows it is looked at by the caller. */
  #whole(bytes: Buffer, start: number, end: number): boolean {
    const negative = bytes[start] === MINUS;
    const first = negative ? start + 1 : start;
    let at = first;
    let value = 0;
    for (; at < end; at++) {
      const digit = bytes[at]!;
      if (digit < ZERO || digit > NINE) break;
      value = value * 10 + digit - ZERO;
    }
    const digits = at - first;
    // JSON has no leading zeros, and -0 is not 0.
    if (digits === 0 || digits > MAX_DIGITS || (bytes[first] === ZERO && (digits > 1 || negative))) return false;
    this.#number = negative ? -value : value;
    this.#at = at;
    return true;
  }
}

function skipSpaces(bytes: Buffer, from: number, end: number): number {
  let at = from;
  while (at < end && bytes[at] === SPACE) at++;
  return at;
}

/** Where the closing quote is of the text that begins at `start`; -1 when none begins there or it is not plain ASCII. */
function textEnd(bytes: Buffer, start: number, end: number): number {
  if (start >= end || bytes[start] !== QUOTE) return -1;
  for (let at = start + 1; at < end; at++) {
    const char = bytes[at]!;
    if (char === QUOTE) return at;
    if (char < SPACE || char >= DELETE || char === BACKSLASH) return -1;
  }
  return -1;
}

/** Index in FIELDS, or -1. */
function fieldOf(bytes: Buffer, from: number, to: number): number {
  for (let field = 0; field < FIELDS.length; field++) {
    const name = FIELD_BYTES[field]!;
    if (name.length !== to - from || name[0] !== bytes[from] || name[1] !== bytes[from + 1]) continue;
    let i = 2;
    while (i < name.length && name[i] === bytes[from + i]) i++;
    if (i === name.length) return field;
  }
  return -1;
}

/** One string object for each of the frequent ones. */
const OPS: readonly string[] = ['pub', 'sub', 'seen', 'hello'];

function opOf(bytes: Buffer, from: number, to: number): string {
  for (let i = 0; i < OPS.length; i++) {
    const op = OPS[i]!;
    if (op.length === to - from && equalsText(op, bytes, from)) return op;
  }
  return bytes.latin1Slice(from, to);
}
