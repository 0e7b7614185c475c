import type { Row } from '../../engine/port.js';
import { REPLY } from '../../errors.js';
import type { OpenChannel } from '../../sequence/channels.js';
import { SESSION } from '../../session/table.js';
import type { ColdPosition } from '../../sync/types.js';
import type { GatewayContext } from '../context.js';
import { readChannel, readPosition, type Position, type SoughtPosition } from '../message/fields.js';
import { HeaderFault, readId, type Header } from '../message/header.js';
import { firstAfter, seqInAll } from '../message/positions.js';
import { refuse } from '../message/refusal.js';

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
  if (seq instanceof Promise) void later(context, row, channel, seq);
  else keep(context, row, channel, seq);
}

/** A position of another life of the channel says nothing about this one; a channel that is not stored has no ids to look up. */
function keep(context: GatewayContext, row: Row, channel: OpenChannel, seq: number | null): void {
  if (seq === null) return;
  const id = seq > 0 ? messageId(context, channel, seq) : null;
  context.keeper.seen(row, channel, seq, id);
  if (id === null && seq > 0 && seq < channel.oldestSeq && !channel.ephemeral && context.cold !== null) {
    context.seenIds.look(context, row, channel, seq);
  }
}

/** What cannot be looked up at the moment is told again with the next message that is seen. Never rejects. */
async function later(context: GatewayContext, row: Row, channel: OpenChannel, seq: Promise<number>): Promise<void> {
  const { sessions } = context;
  const connection = sessions.generation(row);
  const found = await seq.catch(() => null);
  if (sessions.generation(row) === connection && sessions.state(row) === SESSION.open) keep(context, row, channel, found);
}

function seenSeq(context: GatewayContext, channel: OpenChannel, position: Position): number | Promise<number> | null {
  if (position.kind !== 'seq') return channel.ephemeral ? null : lastSeen(context, channel, position);
  if (position.epoch !== null && position.epoch !== channel.epoch) return null;
  // What a client cannot have seen yet would keep from it what comes.
  return Math.min(position.seq, channel.publishedSeq);
}

function lastSeen(context: GatewayContext, channel: OpenChannel, position: SoughtPosition): number | Promise<number> {
  const after: ColdPosition = position.kind === 'ts' ? { kind: 'ts', ts: position.after } : { kind: 'id', id: position.id + 1n };
  const seq = firstAfter(context.log, channel.id, position);
  const atMost = (first: number): number => Math.min(first - 1, channel.publishedSeq);
  if (context.cold === null || seq > channel.oldestSeq) return atMost(seq);
  return seqInAll(context, channel, after).then(atMost);
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
