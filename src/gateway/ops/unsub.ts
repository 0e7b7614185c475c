import type { Row } from '../../engine/port.js';
import type { GatewayContext } from '../context.js';
import { readChannel } from '../message/fields.js';
import { HeaderFault, type Header } from '../message/header.js';
import { refuse, requireId } from '../message/refusal.js';
import { stopDelivery } from './sub.js';

/** `unsub`: also ok for a channel that the row is not subscribed to. */
export function unsub(context: GatewayContext, row: Row, header: Header): void {
  const id = requireId(context, row, header);
  if (id === null) return;
  const name = readChannel(header.channel);
  if (name instanceof HeaderFault) return refuse(context, row, id, name);
  // A channel that nobody uses has no subscribers, and is not made for this.
  const channel = context.channels.find(name);
  const subscription = channel === null ? -1 : context.subscriptions.find(row, channel.id);
  if (channel !== null && subscription >= 0) {
    context.keeper.unsubscribed(row, channel);
    stopDelivery(context, row, channel.id);
    context.subscriptions.remove(subscription);
  }
  context.replies.ok(row, id);
}
