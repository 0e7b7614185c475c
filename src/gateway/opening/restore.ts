/** The channels that a connection gets without asking for them: those of the session that it resumes, and those it names cursors of. */

import type { Row } from '../../engine/port.js';
import type { OpenChannel } from '../../sequence/channels.js';
import type { ChannelCursor } from '../../store/sessions/session-store.js';
import type { GatewayContext } from '../context.js';
import type { Position } from '../message/fields.js';
import { leaveMark } from '../takeover/marks.js';
import { goLive } from '../ops/sub.js';
import { catchUpOf, resolveSince, type Start } from '../message/positions.js';

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

/** By channel. */
export type Settled = ReadonlyMap<string, { readonly position: Position; readonly start: Start }>;

const NOTHING: readonly Restored[] = [];

interface Wanted {
  readonly position: Position;
  readonly told: boolean;
}

/** By channel: where the device's delivery is to go on. `stored`: the cursors of the session, which count only where it is `resumed`. */
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

/** Positions among messages that have left the log, looked up before the `welcome` that tells where each channel goes on. Never rejects. */
export async function settle(
  context: GatewayContext, stored: readonly ChannelCursor[], resumed: boolean, device: DevicePositions,
): Promise<Settled> {
  const settled = new Map<string, { position: Position; start: Start }>();
  if (context.cold === null) return settled;
  for (const [name, { position }] of wantedPositions(stored, resumed, device)) {
    if (settled.size >= context.config.limits.channelsPerSession) break;
    const channel = context.channels.find(name);
    if (channel === null) continue;
    const { locate } = resolveSince(context, channel, position);
    if (locate !== null) settled.set(name, { position, start: { ...(await locate()), locate: null } });
  }
  return settled;
}

export function restoredChannels(
  context: GatewayContext, row: Row, stored: readonly ChannelCursor[], resumed: boolean, device: DevicePositions, settled: Settled,
): readonly Restored[] {
  if ((!resumed || stored.length === 0) && device.named.size === 0 && device.synced.size === 0) return NOTHING;
  if (device.named.size === 0 && device.synced.size === 0 && device.lastSeen === null) return storedChannels(context, row, stored, settled);
  const restored: Restored[] = [];
  for (const [name, { position, told }] of wantedPositions(stored, resumed, device)) {
    if (restored.length >= context.config.limits.channelsPerSession) break;
    if (context.sessions.canRead(row, name)) restored.push(restoredChannel(context, name, position, told, settled));
  }
  return restored;
}

/** Those of a device that says nothing of how far it is, as most do that resume. */
function storedChannels(context: GatewayContext, row: Row, stored: readonly ChannelCursor[], settled: Settled): readonly Restored[] {
  const restored: Restored[] = [];
  for (const { channel, seq, epoch, subscribed, told } of stored) {
    if (restored.length >= context.config.limits.channelsPerSession) break;
    if (!subscribed || !context.sessions.canRead(row, channel)) continue;
    restored.push(restoredChannel(context, channel, { kind: 'seq', seq, epoch }, told, settled));
  }
  return restored;
}

function restoredChannel(context: GatewayContext, name: string, position: Position, told: boolean, settled: Settled): Restored {
  const channel = context.channels.open(name);
  const found = settled.size === 0 ? undefined : settled.get(name);
  const start = found !== undefined && samePosition(found.position, position) ? found.start : resolveSince(context, channel, position);
  return { channel, told, start };
}

function samePosition(a: Position, b: Position): boolean {
  if (a.kind === 'seq') return b.kind === 'seq' && a.seq === b.seq && a.epoch === b.epoch;
  return a.kind === 'ts' ? b.kind === 'ts' && a.ts === b.ts : b.kind === 'id' && a.id === b.id;
}

/** Subscribes the row to them, from where it stopped. */
export function restore(context: GatewayContext, row: Row, restored: readonly Restored[]): void {
  const { port, subscriptions, replays, sink } = context;
  for (const { channel, start, told } of restored) {
    const node = subscriptions.add(row, channel.id);
    subscriptions.setRestoredFrom(node, start.seq);
    if (told) subscriptions.setTold(node);
    if (start.lost !== null) sink.incomplete(row, channel, start.lost.fromSeq, start.lost.toSeq, start.lost.reason);
    leaveMark(context, row, channel.id);
    // Nothing was published meanwhile: so it is with most channels of those that all come back at once.
    if (start.locate === null && start.seq > channel.publishedSeq) {
      goLive(context, row, channel);
      continue;
    }
    port.behind(row, channel.id, start.seq);
    replays.add(row, catchUpOf(context, channel, start), false);
  }
}
