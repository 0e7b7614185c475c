import type { Hold, Row } from '../../engine/port.js';
import { CLOSE, REPLY } from '../../errors.js';
import { vectorClockJson, type ClockFault } from '../../sequence/vector-clock.js';
import type { Body, GatewayContext } from '../context.js';
import { readChannel, readClientTs, readKey, readLamport } from '../message/fields.js';
import { HeaderFault, type Header } from '../message/header.js';
import { refuse, requireId } from '../message/refusal.js';

/** `pub`: hands the message to the publisher; the `ok` follows when it is durable. */
export function pub(context: GatewayContext, row: Row, header: Header, body: Body): void {
  const id = requireId(context, row, header);
  if (id === null) return;
  const name = readChannel(header.channel);
  const key = readKey(header.key);
  const clientTs = readClientTs(header.client_ts);
  const lamport = readLamport(header.lamport);
  if (name instanceof HeaderFault) return refusePub(context, row, id, name);
  if (key instanceof HeaderFault) return refusePub(context, row, id, key);
  if (clientTs instanceof HeaderFault) return refusePub(context, row, id, clientTs);
  if (lamport instanceof HeaderFault) return refusePub(context, row, id, lamport);
  if (!withinRate(context, row, id)) return;
  const { sessions } = context;
  if (!sessions.canWrite(row, name)) {
    context.drops.not_authorised += 1;
    context.replies.error(row, id, REPLY.notAuthorised, `the session may not write ${name}`);
    return;
  }
  const channel = context.channels.open(name);
  const sender = sessions.userName(row);
  const clock = channel.clocked ? vectorClockJson(header.clock, sender, context.config.limits.clockSenders) : '';
  if (typeof clock !== 'string') return refuseClock(context, row, id, clock);
  const hold = holdOf(context, row, body);
  body.hold = -1;
  context.publisher.publish({
    channel,
    sender,
    key,
    clientTs,
    lamport,
    clock,
    text: body.text,
    bodyAddress: body.address,
    bodyLength: body.length,
    bodyBytes: body.bytes,
    row,
    generation: sessions.generation(row),
    opId: id,
    hold,
    done: null,
  });
}

/** Over a shared log a turn is confirmed before its publishes have their results: each is held by itself until then. */
function holdOf({ cluster, port }: GatewayContext, row: Row, { hold }: Body): Hold {
  return cluster !== null && hold < 0 ? port.hold(row) : hold;
}

function refusePub(context: GatewayContext, row: Row, id: number, fault: HeaderFault): void {
  context.drops.bad_request += 1;
  refuse(context, row, id, fault);
}

function refuseClock(context: GatewayContext, row: Row, id: number, { tooMany, message }: ClockFault): void {
  context.drops.bad_request += 1;
  context.replies.error(row, id, tooMany ? REPLY.tooManySenders : REPLY.badRequest, message);
}

function withinRate(context: GatewayContext, row: Row, id: number): boolean {
  const retryAfterMs = context.rate.take(row, context.clock.monotonic());
  if (retryAfterMs === 0) return true;
  context.drops.rate_limited += 1;
  if (context.rate.ignored(row)) context.end(row, CLOSE.rateLimited, 'publishing went on over the rate');
  else context.replies.error(row, id, REPLY.rateLimited, 'publishing over the rate', retryAfterMs);
  return false;
}
