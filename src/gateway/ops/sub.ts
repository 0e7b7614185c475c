import type { Row } from '../../engine/port.js';
import { REPLY } from '../../errors.js';
import type { OpenChannel } from '../../sequence/channels.js';
import { stopCatchingUp } from '../../sync/delivery.js';
import type { GatewayContext } from '../context.js';
import { leaveMark } from '../takeover/marks.js';
import { readChannel, readPosition, type Position } from '../message/fields.js';
import { HeaderFault, type Header } from '../message/header.js';
import { catchUpOf, resolveSince, type Start } from '../message/positions.js';
import { refuse, requireId } from '../message/refusal.js';

/** `sub`: answers the head, then the messages after `since`, then live ones. */
export function sub(context: GatewayContext, row: Row, header: Header): void {
  const id = requireId(context, row, header);
  if (id === null) return;
  const name = readChannel(header.channel);
  if (name instanceof HeaderFault) return refuse(context, row, id, name);
  const since = header.since === undefined || header.since === null ? null : readPosition(header.since, 'since');
  if (since instanceof HeaderFault) return refuse(context, row, id, since);
  if (!context.sessions.canRead(row, name)) {
    context.replies.error(row, id, REPLY.notAuthorised, `the session may not read ${name}`);
    return;
  }
  const known = context.channels.find(name);
  const again = known !== null && context.subscriptions.find(row, known.id) >= 0;
  if (!again && isFull(context, row, id)) return;
  const channel = known ?? context.channels.open(name);
  if (!again) {
    // A sync may be sending what is not subscribed.
    stopCatchingUp(context.replays, row, channel.id);
    context.subscriptions.add(row, channel.id);
  }
  context.replies.ok(row, id, `,"server_seq":${channel.publishedSeq},"epoch":${channel.epochJson}`);
  if (since !== null) catchUpFrom(context, row, channel, since, again);
  else if (!again) fromNowOn(context, row, channel);
}

function fromNowOn(context: GatewayContext, row: Row, channel: OpenChannel): void {
  goLive(context, row, channel);
  context.keeper.subscribed(row, channel, channel.publishedSeq);
}

function isFull(context: GatewayContext, row: Row, id: number): boolean {
  const max = context.config.limits.channelsPerSession;
  if (context.subscriptions.countOfRow(row) < max) return false;
  context.replies.error(row, id, REPLY.tooManyChannels, `the session has ${max} channels already`);
  return true;
}

/** Live from the next message that is published: native delivery begins with the first publish command after this one. */
export function goLive(context: GatewayContext, row: Row, channel: { readonly id: number; readonly publishedSeq: number }): void {
  const subscription = context.subscriptions.find(row, channel.id);
  if (subscription < 0) return;
  context.subscriptions.setLiveFrom(subscription, channel.publishedSeq + 1);
  context.port.subscribe(row, channel.id, channel.publishedSeq);
}

/** Delivers from `since` on, then live. `again`: the row was subscribed, so it is taken off live delivery until it has caught up. */
function catchUpFrom(context: GatewayContext, row: Row, channel: OpenChannel, since: Position, again: boolean): void {
  const start = resolveSince(context, channel, since);
  if (again && isRestored(context, row, channel, start)) return;
  if (again) {
    stopDelivery(context, row, channel.id);
    leaveMark(context, row, channel.id);
  }
  if (start.lost !== null) context.sink.incomplete(row, channel, start.lost.fromSeq, start.lost.toSeq, start.lost.reason);
  context.port.behind(row, channel.id, start.seq);
  context.replays.add(row, catchUpOf(context, channel, start), false);
  context.keeper.subscribed(row, channel, start.seq - 1);
}

/**
 * A client that subscribes again to what its resumed session brought, as clients do that know of no sessions: what it asks for is
 * on its way to it already, and must not come twice. Only the first time, because later it means what it says.
 */
function isRestored(context: GatewayContext, row: Row, channel: OpenChannel, start: Start): boolean {
  const { subscriptions } = context;
  const node = subscriptions.find(row, channel.id);
  const from = subscriptions.restoredFrom(node);
  if (from === 0) return false;
  subscriptions.setRestoredFrom(node, 0);
  leaveMark(context, row, channel.id);
  return start.lost === null && start.locate === null && ((start.seq >>> 0) - from | 0) >= 0;
}

/** Nothing more of the channel is sent to the row, whatever was on its way. */
export function stopDelivery({ replays, port }: GatewayContext, row: Row, channelId: number): void {
  stopCatchingUp(replays, row, channelId);
  port.unsubscribe(row, channelId);
}
