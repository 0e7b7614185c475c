/** The channels that a connection gets without asking for them: those of the session that it resumes, and those it names cursors of. */

import type { Row } from '../engine/port.js';
import type { OpenChannel } from '../sequence/channels.js';
import type { ChannelCursor } from '../store/session-store.js';
import { CatchUp } from '../sync/catch-up.js';
import type { GatewayContext } from './context.js';
import type { Position } from './fields.js';
import { resolveSince, type Start } from './positions.js';

/** What `hello` says of how far the device is. */
export interface DevicePositions {
  /** `cursors`. */
  readonly named: ReadonlyMap<string, Position>;
  /** `sync_cursor`, for channels that are not in `cursors`. */
  readonly synced: ReadonlyMap<string, Position>;
  /** `last_seen_message_id`, for the session's other channels. */
  readonly lastSeen: Position | null;
}

export interface Restored {
  readonly channel: OpenChannel;
  readonly start: Start;
  readonly told: boolean;
}

const NOTHING: readonly Restored[] = [];
interface Wanted {
  readonly position: Position;
  readonly told: boolean;
}

/** `stored`: the cursors of the session. Only a session that is `resumed` gets its channels without naming them. */
export function restoredChannels(
  context: GatewayContext, row: Row, stored: readonly ChannelCursor[], resumed: boolean, device: DevicePositions,
): readonly Restored[] {
  if ((!resumed || stored.length === 0) && device.named.size === 0 && device.synced.size === 0) return NOTHING;
  const restored: Restored[] = [];
  for (const [name, { position, told }] of wantedPositions(stored, resumed, device)) {
    if (restored.length >= context.config.limits.channelsPerSession) break;
    if (!context.sessions.canRead(row, name)) continue;
    const channel = context.channels.open(name);
    restored.push({ channel, told, start: resolveSince(context, channel, position) });
  }
  return restored;
}

/** By channel: where the device's delivery is to go on. */
export function wantedPositions(stored: readonly ChannelCursor[], resumed: boolean, device: DevicePositions): Map<string, Wanted> {
  const positions = new Map<string, Wanted>();
  for (const [channel, position] of device.synced) positions.set(channel, { position, told: true });
  for (const { channel, seq, epoch, subscribed, told } of resumed ? stored : []) {
    // A sync cursor may be older than the end of the subscription.
    if (!subscribed) positions.delete(channel);
    else if (device.lastSeen !== null && !positions.has(channel)) positions.set(channel, { position: device.lastSeen, told: true });
    else if (!positions.has(channel)) positions.set(channel, { position: { kind: 'seq', seq, epoch }, told });
  }
  for (const [channel, position] of device.named) positions.set(channel, { position, told: true });
  return positions;
}

/** Subscribes the row to them, from where it stopped. */
export function restore(context: GatewayContext, row: Row, restored: readonly Restored[]): void {
  const { port, subscriptions, replays, sink, source } = context;
  for (const { channel, start, told } of restored) {
    const node = subscriptions.add(row, channel.id);
    subscriptions.setRestoredFrom(node, start.seq);
    if (told) subscriptions.setTold(node);
    if (start.lost !== null) sink.incomplete(row, channel, start.lost.fromSeq, start.lost.toSeq, start.lost.reason);
    port.behind(row, channel.id, start.seq);
    replays.add(row, new CatchUp(channel, start.seq, source), false);
  }
}
