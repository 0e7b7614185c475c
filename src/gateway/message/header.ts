/**
 * The header line: JSON from outside. It is bounded before it is parsed (limits.headerBytes, so its nesting is bounded too, and
 * V8's parser keeps no stack of its own), only named fields are read, and nothing of it is ever merged into another object.
 */

import { isUtf8 } from 'node:buffer';
import { HeaderScanner } from './header-scan.js';

/** Fields that an operation may have, as they came: each reader checks the type of those that it uses. */
export interface Header {
  readonly op?: unknown;
  readonly id?: unknown;
  readonly channel?: unknown;
  readonly since?: unknown;
  readonly key?: unknown;
  readonly client_ts?: unknown;
  readonly lamport?: unknown;
  readonly clock?: unknown;
  readonly before?: unknown;
  readonly after?: unknown;
  readonly limit?: unknown;
  readonly token?: unknown;
  readonly device?: unknown;
  readonly resume?: unknown;
  readonly sync_cursor?: unknown;
  readonly cursors?: unknown;
  readonly last_seen_message_id?: unknown;
  readonly seq?: unknown;
  readonly epoch?: unknown;
  readonly ts?: unknown;
  readonly msg_id?: unknown;
  readonly position?: unknown;
}

const scanner = new HeaderScanner();

/** Null where the bytes are no JSON object. Text messages were checked to be UTF-8 natively; binary ones are checked here. */
export function parseHeader(memory: Buffer, start: number, end: number, text: boolean): Header | null {
  const scanned = scanner.scan(memory, start, end);
  if (scanned !== null) return scanned;
  if (!text && !isUtf8(memory.subarray(start, end))) return null;
  try {
    const value: unknown = JSON.parse(memory.toString('utf8', start, end));
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : null;
  } catch {
    return null;
  }
}

/** The client's operation id, or null where it has none that can be repeated. JSON knows neither NaN nor Infinity, but 1e999 parses. */
export function readId(header: Header): number | null {
  return typeof header.id === 'number' && Number.isFinite(header.id) ? header.id : null;
}

/**
 * The `id` of a header line that is too long to be parsed, from its first bytes: a number that is a value of the outermost object.
 * Walks strings and brackets only. Null where there is none.
 */
export function salvageId(beginning: string): number | null {
  let depth = 0;
  for (let i = 0; i < beginning.length; i += 1) {
    const char = beginning[i] as string;
    if (char === '{' || char === '[') depth += 1;
    else if (char === '}' || char === ']') depth -= 1;
    else if (char === '"') {
      const end = endOfString(beginning, i);
      const id = depth === 1 && end === i + 3 && beginning.startsWith('"id"', i) ? numberValue(beginning, end + 1) : null;
      if (id !== null || end < 0) return id;
      i = end;
    }
    if (depth === 0 && char.trim() !== '') return null;
  }
  return null;
}

/** Index of the quote that closes the string which begins at `start`, or -1. */
function endOfString(text: string, start: number): number {
  for (let i = start + 1; i < text.length; i += 1) {
    if (text[i] === '\\') i += 1;
    else if (text[i] === '"') return i;
  }
  return -1;
}

/** The number behind a colon at `start`, if a whole one stands there. */
function numberValue(text: string, start: number): number | null {
  const pattern = /\s*:\s*(-?\d{1,15})\s*[,}]/y;
  pattern.lastIndex = start;
  const match = pattern.exec(text);
  return match === null ? null : Number(match[1]);
}

/** What is wrong with a header, for its `err`. */
export class HeaderFault {
  readonly message: string;

  constructor(message: string) {
    this.message = message;
  }
}
