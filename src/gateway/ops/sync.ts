import type { Row } from '../../engine/port.js';
import { REPLY } from '../../errors.js';
import type { SessionRecord } from '../../store/sessions/session-store.js';
import type { CatchUp } from '../../sync/catch-up.js';
import { DeviceSync } from '../../sync/device-sync.js';
import { encodeSyncCursor } from '../../sync/sync-cursor.js';
import type { Reached } from '../../sync/types.js';
import type { Body, GatewayContext } from '../context.js';
import { failureReply } from '../failure.js';
import type { Position } from '../message/fields.js';
import { HeaderFault, type Header } from '../message/header.js';
import { catchUpOf, resolveSince } from '../message/positions.js';
import { refuse, requireId } from '../message/refusal.js';
import { readSyncCursor } from './hello.js';
import { stopDelivery } from './sub.js';

/** `sync`: what the device's channels have behind the cursor, or behind what the device told; then `ok` with the next cursor. */
export function sync(context: GatewayContext, row: Row, header: Header, body: Body): void {
  const id = requireId(context, row, header);
  if (id === null) return;
  const { limits } = context.config;
  const cursor = readSyncCursor(header.sync_cursor, limits.channelsPerSession);
  if (cursor instanceof HeaderFault) return refuse(context, row, id, cursor);
  if (context.holds.count(row) >= limits.requestsPerSession) {
    context.replies.error(row, id, REPLY.tooManyRequests, `the session has ${limits.requestsPerSession} requests in progress`);
    return;
  }
  context.holds.take(row, id, body);
  void start(context, row, id, cursor);
}

/** Never rejects. */
async function start(context: GatewayContext, row: Row, id: number, cursor: ReadonlyMap<string, Position>): Promise<void> {
  const { sessions, keeper, replies } = context;
  const connection = sessions.generation(row);
  let record: SessionRecord | null = null;
  let failure: unknown = null;
  try {
    record = await keeper.record(row);
    if (record !== null) await context.ahead?.positions(devicePositions(context, row, record, cursor));
  } catch (error) {
    failure = error;
  }
  if (!sessions.listens(row, connection)) return;
  if (failure !== null) {
    const { kind, retryAfterMs } = failureReply(failure);
    replies.error(row, id, kind, 'the cursors cannot be read', retryAfterMs);
    context.holds.settle(row, id);
    return;
  }
  // A session that went elsewhere is about to be closed.
  if (record === null) return context.holds.settle(row, id);
  catchUp(context, row, id, devicePositions(context, row, record, cursor));
}

function catchUp(context: GatewayContext, row: Row, id: number, positions: readonly [string, Position][]): void {
  const { channels, port, replays, subscriptions, sink } = context;
  const parts: CatchUp[] = [];
  const reached: Reached[] = [];
  for (const [name, position] of positions) {
    const channel = channels.open(name);
    const start = resolveSince(context, channel, position);
    const { seq, lost, locate } = start;
    const subscribed = subscriptions.find(row, channel.id) >= 0;
    if (lost === null && locate === null && seq > channel.publishedSeq) {
      // Live delivery is left alone where it lacks nothing: it may have fallen behind without our knowing yet.
      reached.push({ channel, seq: channel.publishedSeq });
      continue;
    }
    // Its messages come in order, once: off live delivery until the row has caught up.
    if (subscribed) {
      stopDelivery(context, row, channel.id);
      port.behind(row, channel.id, seq);
    }
    if (lost !== null) sink.incomplete(row, channel, lost.fromSeq, lost.toSeq, lost.reason);
    parts.push(catchUpOf(context, channel, start));
  }
  replays.add(row, new DeviceSync(id, parts, reached), false);
}

/** Of each of the device's channels that it may read: where the delta begins. */
function devicePositions(
  context: GatewayContext, row: Row, record: SessionRecord, cursor: ReadonlyMap<string, Position>,
): [string, Position][] {
  const positions = new Map(cursor);
  const sent = new Map(context.keeper.cursors(row).map((live) => [live.channel, live]));
  for (const stored of record.cursors) {
    const { channel, subscribed } = stored;
    if (!subscribed) positions.delete(channel);
    else if (!positions.has(channel)) {
      const { seq, epoch } = sent.get(channel) ?? stored;
      positions.set(channel, { kind: 'seq', seq, epoch });
    }
  }
  return [...positions].filter(([name]) => context.sessions.canRead(row, name));
}

export function synced(context: GatewayContext, row: Row, opId: number, reached: readonly Reached[]): void {
  const positions = reached.map(({ channel, seq }) => {
    return { channel: channel.name, seq: Math.min(seq, channel.publishedSeq), epoch: context.channels.open(channel.name).epoch };
  });
  context.replies.ok(row, opId, `,"sync_cursor":"${encodeSyncCursor(positions)}"`);
  context.holds.settle(row, opId);
}
