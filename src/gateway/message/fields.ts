/** Readers of header fields: the value, or a HeaderFault that says what is expected. `null` counts as "not given". */

import { isName } from '../../session/text.js';
import { HeaderFault } from './header.js';

export const CHANNEL_BYTES_MAX = 255;
const KEY_LENGTH_MAX = 128;
const DEVICE_BYTES_MAX = 255;
/** Largest Snowflake: 63 bits. */
const MSG_ID_MAX = 2n ** 63n - 1n;

/**
 * A place in a channel, as `since`, `before` and `after` give it. `ts`: the first whole millisecond that is not before the time that was
 * given, and `after` the first one behind it; they differ where it was a whole one itself.
 */
export type Position =
  | { readonly kind: 'seq'; readonly seq: number; readonly epoch: string | null }
  | { readonly kind: 'ts'; readonly ts: number; readonly after: number }
  | { readonly kind: 'id'; readonly id: bigint };

/** One that has to be looked for. */
export type SoughtPosition = Exclude<Position, { readonly kind: 'seq' }>;

const CHANNEL_FAULT = new HeaderFault(`channel must be a text of 1 to ${CHANNEL_BYTES_MAX} bytes of UTF-8 without control characters`);
const KEY_FAULT = new HeaderFault(`key must be a text of 1 to ${KEY_LENGTH_MAX} characters`);
const CLIENT_TS_FAULT = new HeaderFault('client_ts must be a number');
const LAMPORT_FAULT = new HeaderFault('lamport must be a whole number from 0');

export function readChannel(value: unknown): string | HeaderFault {
  return typeof value === 'string' && isName(value, CHANNEL_BYTES_MAX) ? value : CHANNEL_FAULT;
}

export function readKey(value: unknown): string | HeaderFault {
  if (typeof value !== 'string' || value === '' || value.length > KEY_LENGTH_MAX) return KEY_FAULT;
  return isName(value, KEY_LENGTH_MAX * 3) ? value : KEY_FAULT;
}

export function readClientTs(value: unknown): number | null | HeaderFault {
  if (value === undefined || value === null) return null;
  return typeof value === 'number' && Number.isFinite(value) ? value : CLIENT_TS_FAULT;
}

export function readLamport(value: unknown): number | HeaderFault {
  if (value === undefined || value === null) return 0;
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : LAMPORT_FAULT;
}

export function readOptionalText(value: unknown, field: string): string | null | HeaderFault {
  if (value === undefined || value === null) return null;
  return typeof value === 'string' ? value : new HeaderFault(`${field} must be a text`);
}

export function readDevice(value: unknown): string | null | HeaderFault {
  if (value === undefined || value === null) return null;
  const valid = typeof value === 'string' && isName(value, DEVICE_BYTES_MAX);
  return valid ? value : new HeaderFault(`device must be a text of 1 to ${DEVICE_BYTES_MAX} bytes without control characters`);
}

/** `{seq, epoch?}`, `{ts}`, `{msg_id}` or a plain sequence number. */
export function readPosition(value: unknown, field: string): Position | HeaderFault {
  if (typeof value === 'number') return isSeq(value) ? { kind: 'seq', seq: value, epoch: null } : positionFault(field);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return positionFault(field);
  const { seq, epoch, ts, msg_id: id } = value as Partial<Record<'seq' | 'epoch' | 'ts' | 'msg_id', unknown>>;
  const given = [seq, ts, id].filter((part) => part !== undefined && part !== null).length;
  if (given !== 1) return positionFault(field);
  if (typeof seq === 'number') return readSeqPosition(seq, epoch, field);
  if (typeof ts === 'number' && Number.isFinite(ts) && ts >= 0) return { kind: 'ts', ts: Math.ceil(ts), after: Math.floor(ts) + 1 };
  const message = readMessageId(id);
  return message === null ? positionFault(field) : { kind: 'id', id: message };
}

/** Null where it is no Snowflake. */
export function readMessageId(value: unknown): bigint | null {
  if (typeof value !== 'string' || !/^\d{1,19}$/.test(value)) return null;
  const id = BigInt(value);
  return id <= MSG_ID_MAX ? id : null;
}

function readSeqPosition(seq: number, epoch: unknown, field: string): Position | HeaderFault {
  if (!isSeq(seq)) return positionFault(field);
  if (epoch === undefined || epoch === null) return { kind: 'seq', seq, epoch: null };
  return typeof epoch === 'string' ? { kind: 'seq', seq, epoch } : positionFault(field);
}

function isSeq(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}

function positionFault(field: string): HeaderFault {
  return new HeaderFault(`${field} must be {"seq","epoch"}, {"ts"} or {"msg_id"}`);
}
