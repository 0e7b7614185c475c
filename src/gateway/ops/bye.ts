import type { Row } from '../../engine/port.js';
import { CLOSE } from '../../errors.js';
import { SESSION } from '../../session/table.js';
import { catchingUp } from '../../sync/delivery.js';
import type { GatewayContext } from '../context.js';

/** `bye`: the session ends and cannot be resumed; its connection closes behind the answers to what was said before. */
export function bye(context: GatewayContext, row: Row): void {
  context.keeper.end(row);
  leaveChannels(context, row);
  context.sessions.setState(row, SESSION.leaving);
  context.port.leave(row, CLOSE.done, 'bye');
}

/** It is present in none any more, and nothing comes live. What it has asked for of a channel is still sent. */
function leaveChannels({ subscriptions, replays, port }: GatewayContext, row: Row): void {
  if (subscriptions.countOfRow(row) === 0) return;
  const channels: number[] = [];
  subscriptions.channelsOf(row, (channelId) => channels.push(channelId));
  for (const channelId of channels) {
    if (catchingUp(replays, row, channelId) !== undefined) continue;
    port.unsubscribe(row, channelId);
    subscriptions.remove(subscriptions.find(row, channelId));
  }
}
