/** Messages of PROTOCOL.md: a JSON header line, then optionally a newline and a body that is never parsed. */
import type { Body } from './types.js';

export type Fields = Readonly<Record<string, unknown>>;

export interface Frame {
  readonly op: string;
  readonly header: Fields;
  /** A string for a text message, bytes for a binary one; empty without a body. */
  readonly body: Body;
}

export const HEARTBEAT = '{"op":"hb"}';

const NEWLINE = 10;
const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true });

/** A bytes body makes a binary message, a string or no body a text message. */
export function encode(header: Fields, body: Body | null = null): string | Uint8Array<ArrayBuffer> {
  const line = JSON.stringify(header);
  if (body === null) return line;
  if (typeof body === 'string') return `${line}\n${body}`;
  const head = encoder.encode(`${line}\n`);
  const message = new Uint8Array(head.length + body.length);
  message.set(head);
  message.set(body, head.length);
  return message;
}

/** Null when the header line is not a JSON object with an `op`. */
export function decode(data: unknown): Frame | null {
  if (typeof data === 'string') {
    const end = data.indexOf('\n');
    return end < 0 ? frame(data, '') : frame(data.slice(0, end), data.slice(end + 1));
  }
  const bytes = toBytes(data);
  if (bytes === null) return null;
  const end = bytes.indexOf(NEWLINE);
  try {
    const line = decoder.decode(end < 0 ? bytes : bytes.subarray(0, end));
    return frame(line, end < 0 ? new Uint8Array(0) : bytes.subarray(end + 1));
  } catch {
    return null;
  }
}

/** What an application gave as a body, in bytes of our own, because it may reuse its buffer; null where it is neither text nor bytes. */
export function bodyOf(given: unknown): Body | null {
  return typeof given === 'string' ? given : (toBytes(given)?.slice() ?? null);
}

/** UTF-8 bytes of a body. */
export function bodyBytes(body: Body): number {
  if (typeof body !== 'string') return body.byteLength;
  let bytes = body.length;
  for (let i = 0; i < body.length; i += 1) {
    const unit = body.charCodeAt(i);
    // A surrogate is half of a 4-byte character; other units above U+07FF take 3 bytes.
    if (unit > 0x7f) bytes += unit > 0x7ff && (unit < 0xd800 || unit > 0xdfff) ? 2 : 1;
  }
  return bytes;
}

function frame(line: string, body: Body): Frame | null {
  let header: unknown;
  try {
    header = JSON.parse(line);
  } catch {
    return null;
  }
  if (typeof header !== 'object' || header === null || Array.isArray(header)) return null;
  const fields = header as Fields;
  return typeof fields['op'] === 'string' ? { op: fields['op'], header: fields, body } : null;
}

function toBytes(data: unknown): Uint8Array | null {
  if (data instanceof ArrayBuffer) return new Uint8Array(data);
  return ArrayBuffer.isView(data) ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength) : null;
}

/** Readers of header fields: a gateway's mistake must not become a client's exception. */
export function numberOr<T>(value: unknown, fallback: T): number | T {
  return typeof value === 'number' && Number.isFinite(value) ? value : fallback;
}

export function stringOr<T>(value: unknown, fallback: T): string | T {
  return typeof value === 'string' ? value : fallback;
}
