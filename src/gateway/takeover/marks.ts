/** What a successor of this control plane has to know of a subscription besides that it is there: one number, left with the engine. */

import type { Row } from '../../engine/port.js';
import type { SubscriptionMark } from '../../engine/snapshot.js';
import type { GatewayContext } from '../context.js';

const TOLD = 2 ** 32;

/** To be called whenever one of them changes, in the turn that changes it. */
export function leaveMark({ port, subscriptions }: Pick<GatewayContext, 'port' | 'subscriptions'>, row: Row, channelId: number): void {
  if (!port.detached) return;
  const node = subscriptions.find(row, channelId);
  if (node >= 0) port.mark(row, channelId, subscriptions.restoredFrom(node) + (subscriptions.isTold(node) ? TOLD : 0));
}

/** The subscription has been adopted. */
export function adoptMark({ subscriptions }: Pick<GatewayContext, 'subscriptions'>, { row, channelId, mark }: SubscriptionMark): void {
  const node = subscriptions.find(row, channelId);
  if (node < 0) return;
  subscriptions.setRestoredFrom(node, mark % TOLD);
  if (mark >= TOLD) subscriptions.setTold(node);
}
