/** What subscribers are told and given when a shared channel loses messages, or goes on in another life of its sequence. */

import type { OpenChannel } from '../../sequence/channels.js';
import { catchingUp } from '../../sync/delivery.js';
import { stopDelivery } from '../ops/sub.js';
import type { GatewayParts } from '../parts.js';
import { catchUpOf } from '../message/positions.js';

/**
 * Messages that the log has no more: with a cold tier they are there, and the subscribers catch up from them. Those who catch up already
 * find that out when they come to them.
 */
export function tellLost(parts: GatewayParts, channel: OpenChannel, fromSeq: number, toSeq: number): void {
  const { subscriptions, replays, sink, port, cold } = parts;
  for (const row of subscriptions.membersOf(channel.id, Infinity)) {
    if (catchingUp(replays, row, channel.id) !== undefined) continue;
    if (cold === null) {
      sink.incomplete(row, channel, fromSeq, toSeq, 'expired');
      continue;
    }
    stopDelivery(parts, row, channel.id);
    port.behind(row, channel.id, fromSeq);
    replays.add(row, catchUpOf(parts, channel, fromSeq), false);
  }
}

/** Everybody gets the channel anew, from its oldest message on: what the former numbers meant is not what these mean. */
export function moveSubscribers(parts: GatewayParts, former: OpenChannel, channel: OpenChannel): void {
  const { subscriptions, replays, sink, port, keeper } = parts;
  const oldest = channel.oldestSeq;
  if (port.detached) port.noteChannel(former.id, null);
  for (const row of subscriptions.membersOf(former.id, Infinity)) {
    stopDelivery(parts, row, former.id);
    subscriptions.remove(subscriptions.find(row, former.id));
    subscriptions.add(row, channel.id);
    sink.incomplete(row, channel, 1, oldest - 1, 'epoch_changed');
    port.behind(row, channel.id, oldest);
    replays.add(row, catchUpOf(parts, channel, oldest), false);
    keeper.subscribed(row, channel, oldest - 1);
  }
}
