import type { Row } from '../../engine/port.js';
import { REPLY } from '../../errors.js';
import { isName } from '../../session/text.js';
import { SESSION } from '../../session/table.js';
import { decodeSyncCursor } from '../../sync/sync-cursor.js';
import type { GatewayContext } from '../context.js';
import { CHANNEL_BYTES_MAX, readDevice, readMessageId, readOptionalText, readPosition, type Position } from '../message/fields.js';
import { HeaderFault, readId, type Header } from '../message/header.js';
import { refuse } from '../message/refusal.js';
import type { DevicePositions } from '../opening/restore.js';

/** What a `hello` asks for. */
export interface Hello {
  readonly token: string | null;
  readonly device: string | null;
  readonly resume: string | null;
  readonly positions: DevicePositions;
}

/** Reads a `hello`; null when it was refused. */
export function readHello(context: GatewayContext, row: Row, header: Header): Hello | null {
  const id = readId(header);
  if (context.sessions.state(row) !== SESSION.connected) {
    context.replies.error(row, id, REPLY.secondHello, 'hello was said already');
    return null;
  }
  const channels = context.config.limits.channelsPerSession;
  const token = readOptionalText(header.token, 'token');
  const device = readDevice(header.device);
  const resume = readOptionalText(header.resume, 'resume');
  const named = readCursors(header.cursors, channels);
  const synced = readSyncCursor(header.sync_cursor, channels);
  const lastSeen = readLastSeen(header.last_seen_message_id);
  for (const field of [token, device, resume, named, synced, lastSeen]) {
    if (!(field instanceof HeaderFault)) continue;
    refuse(context, row, id, field);
    return null;
  }
  return { token, device, resume, positions: { named, synced, lastSeen } } as Hello;
}

function readLastSeen(value: unknown): Position | null | HeaderFault {
  if (value === undefined || value === null) return null;
  const id = readMessageId(value);
  return id === null ? new HeaderFault('last_seen_message_id must be the id of a message') : { kind: 'id', id };
}

const NO_POSITIONS: ReadonlyMap<string, Position> = new Map();

function readCursors(value: unknown, channelsMax: number): ReadonlyMap<string, Position> | HeaderFault {
  if (value === undefined || value === null) return NO_POSITIONS;
  if (typeof value !== 'object' || Array.isArray(value)) return new HeaderFault('cursors must be an object of positions by channel');
  const entries = Object.entries(value);
  if (entries.length > channelsMax) return new HeaderFault(`cursors must be of at most ${channelsMax} channels`);
  const positions = new Map<string, Position>();
  for (const [channel, given] of entries) {
    if (!isName(channel, CHANNEL_BYTES_MAX)) return new HeaderFault('cursors names a channel that cannot be');
    const position = readPosition(given, 'each of cursors');
    if (position instanceof HeaderFault) return position;
    positions.set(channel, position);
  }
  return positions;
}

/** The positions of a sync cursor; none where there is none. */
export function readSyncCursor(value: unknown, channelsMax: number): ReadonlyMap<string, Position> | HeaderFault {
  const text = readOptionalText(value, 'sync_cursor');
  if (text instanceof HeaderFault) return text;
  if (text === null || text === '') return NO_POSITIONS;
  const positions = decodeSyncCursor(text, channelsMax);
  // Anybody can write one: what it names must be what could have been given out.
  if (positions === null || !positions.every(({ channel }) => isName(channel, CHANNEL_BYTES_MAX))) {
    return new HeaderFault(`sync_cursor must be one that was given out, of at most ${channelsMax} channels`);
  }
  return new Map(positions.map(({ channel, seq, epoch }) => [channel, { kind: 'seq', seq, epoch }]));
}
