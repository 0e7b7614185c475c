/** What subscribers are told and given when a shared channel loses messages, or goes on in another life of its sequence. */

import type { OpenChannel } from '../sequence/channels.js';
import { CatchUp } from '../sync/catch-up.js';
import { catchingUp } from '../sync/delivery.js';
import { stopDelivery } from './ops/sub.js';
import type { GatewayParts } from './parts.js';

/** Messages that cannot be had any more: those who catch up find that out when they come to them. */
export function tellLost({ subscriptions, replays, sink }: GatewayParts, channel: OpenChannel, fromSeq: number, toSeq: number): void {
  for (const row of subscriptions.membersOf(channel.id, Infinity)) {
    if (catchingUp(replays, row, channel.id) === undefined) sink.incomplete(row, channel, fromSeq, toSeq, 'expired');
  }
}

/** Everybody gets the channel anew, from its oldest message on: what the former numbers meant is not what these mean. */
export function moveSubscribers(parts: GatewayParts, former: OpenChannel, channel: OpenChannel): void {
  const { subscriptions, replays, sink, port, source, keeper } = parts;
  const oldest = channel.oldestSeq;
  for (const row of subscriptions.membersOf(former.id, Infinity)) {
    stopDelivery(parts, row, former.id);
    subscriptions.remove(subscriptions.find(row, former.id));
    subscriptions.add(row, channel.id);
    sink.incomplete(row, channel, 1, oldest - 1, 'epoch_changed');
    port.behind(row, channel.id, oldest);
    replays.add(row, new CatchUp(channel, oldest, source), false);
    keeper.subscribed(row, channel, oldest - 1);
  }
}
