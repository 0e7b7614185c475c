import type { Row } from '../../engine/port.js';
import { REPLY } from '../../errors.js';
import type { OpenChannel } from '../../sequence/channels.js';
import type { GatewayContext } from '../context.js';
import { readChannel, readPosition, type Position } from '../fields.js';
import { HeaderFault, readId, type Header } from '../header.js';
import { firstAfter } from '../positions.js';
import { refuse } from '../refusal.js';

/** `seen`: moves the device's cursor of the channel and its last seen message, never back. Not answered, unless it is refused. */
export function seen(context: GatewayContext, row: Row, header: Header): void {
  const id = readId(header);
  const name = readChannel(header.channel);
  if (name instanceof HeaderFault) return refuse(context, row, id, name);
  const position = readPosition(header.position ?? header, 'seen');
  if (position instanceof HeaderFault) return refuse(context, row, id, position);
  if (!context.sessions.canRead(row, name)) {
    context.replies.error(row, id, REPLY.notAuthorised, `the session may not read ${name}`);
    return;
  }
  const channel = context.channels.find(name);
  if (channel === null) return;
  const seq = seenSeq(context, channel, position);
  // A position of another life of the channel says nothing about this one; a channel that is not stored has no ids to look up.
  if (seq !== null) context.keeper.seen(row, channel, seq, seq > 0 ? messageId(context, channel, seq) : null);
}

function seenSeq({ log }: GatewayContext, channel: OpenChannel, position: Position): number | null {
  if (position.kind !== 'seq') return channel.ephemeral ? null : Math.min(firstAfter(log, channel.id, position) - 1, channel.publishedSeq);
  if (position.epoch !== null && position.epoch !== channel.epoch) return null;
  // What a client cannot have seen yet would keep from it what comes.
  return Math.min(position.seq, channel.publishedSeq);
}

/** Every delivery begins with its channel and its id (sequence/frame.ts); the channel's name has no quote that is not escaped. */
const ID = /"id":"(\d+)"/;
const HEADER_BYTES = 10;
const AROUND_NAME = 80;

/** Null when the message is no longer retained, or not at hand. */
function messageId({ source, port }: GatewayContext, channel: OpenChannel, seq: number): string | null {
  const run = source.read(channel.id, seq, seq, 1);
  if (run === null || run instanceof Promise || run.firstSeq !== seq) return null;
  const length = HEADER_BYTES + AROUND_NAME + Buffer.byteLength(channel.nameJson);
  const piece = run.pieces?.[0];
  const start = piece?.address ?? 0;
  const bytes = piece === undefined ? Buffer.from((run.frames as Uint8Array).subarray(0, length)) : port.memory;
  return ID.exec(bytes.toString('latin1', start, start + Math.min(length, piece?.length ?? length)))?.[1] ?? null;
}
