/** From an open session to its `welcome`: the row becomes the session's, whoever had it before is told, its channels come again. */

import type { Row } from '../../engine/port.js';
import { CLOSE } from '../../errors.js';
import type { OpenChannel } from '../../sequence/channels.js';
import type { Identity } from '../../session/auth.js';
import { SessionOpener, type Opened } from '../../session/opener.js';
import { encodeSessionNote } from '../../session/session-note.js';
import type { SessionWords } from '../../store/sessions/session-id.js';
import { mergeCursor, type ChannelCursor, type SessionRecord } from '../../store/sessions/session-store.js';
import { encodeSyncCursor, type ChannelPosition } from '../../sync/sync-cursor.js';
import type { GatewayContext } from '../context.js';
import type { Start } from '../message/positions.js';
import { restore, restoredChannels, type DevicePositions, type Restored, type Settled } from './restore.js';

const TAKEN_OVER = 'the session goes on over another connection';

export function welcome(
  context: GatewayContext, row: Row, identity: Identity, positions: DevicePositions, opened: Opened, settled: Settled,
): void {
  const { sessions, replies, port } = context;
  const { record, words, resumed } = opened;
  const former = resumed ? sessions.findSession(words) : -1;
  if (former >= 0 && sessions.sessionGeneration(former) > record.generation) {
    return context.end(row, CLOSE.sessionTakenOver, TAKEN_OVER);
  }
  const cursors = former < 0 ? record.cursors : takeOver(context, former, record.cursors);
  openRow(context, row, identity, words, record);
  port.admit(row);
  const restored = restoredChannels(context, row, cursors, resumed, positions, settled);
  replies.raw(row, welcomeText(context, opened, cursors, restored));
  restore(context, row, restored);
  keep(context, row, positions, former >= 0 ? cursors : [], restored);
  if (!resumed) sendHome(context, row);
}

/** What places a client on a node: its user, or its session where it has no name. */
export function clientKey(sessions: GatewayContext['sessions'], row: Row): string {
  const user = sessions.userName(row);
  return user === '' ? sessions.sessionId(row) : user;
}

/** A client whose place is on another node is asked to go there, once: a session that came from elsewhere stays where it is. */
function sendHome({ cluster, sessions, replies }: GatewayContext, row: Row): void {
  const target = cluster?.elsewhere(clientKey(sessions, row)) ?? null;
  if (target === null) return;
  const reason = 'another node is the one for this client';
  replies.raw(row, JSON.stringify({ op: 'drain', reason, deadline_ms: 0, reconnect_in_ms: 0, target }));
}

/** The client is gone before it was welcomed, perhaps to come again: whoever had the session has lost it all the same. */
export function giveBack(context: GatewayContext, { record, words, resumed }: Opened): void {
  const { sessions, writer, config, clock } = context;
  const former = resumed ? sessions.findSession(words) : -1;
  const late = former >= 0 && sessions.sessionGeneration(former) > record.generation;
  const upsert = former < 0 || late ? [] : takeOver(context, former, []);
  writer.release(record, SessionOpener.released(config.session, clock.now()), { upsert });
}

function openRow(context: GatewayContext, row: Row, identity: Identity, id: SessionWords, record: SessionRecord): void {
  const { sessions, clock, config, port } = context;
  const session = {
    user: identity.user,
    read: identity.read,
    write: identity.write,
    id,
    expiresAt: tokenEnd(identity, Math.floor(clock.now() / 1000), config.auth.leewayS),
    sessionGeneration: record.generation,
    leaseUntil: record.leaseUntil,
    unconfirmed: record.previous !== 0,
  };
  sessions.open(row, session);
  if (port.detached) port.note(row, encodeSessionNote(session));
}

/** The session ends with its token; one that was accepted after its end, within the leeway, at the leeway's end. */
function tokenEnd({ expiresAt }: Identity, now: number, leewayS: number): number {
  return expiresAt === 0 || expiresAt > now ? expiresAt : Math.max(expiresAt + leewayS, now + 1);
}

/** A session has one connection: the former one is told and closed. The session's cursors, with those of the former connection. */
function takeOver(context: GatewayContext, former: Row, stored: readonly ChannelCursor[]): readonly ChannelCursor[] {
  const cursors = new Map(stored.map((cursor) => [cursor.channel, cursor]));
  for (const cursor of context.keeper.cursors(former)) cursors.set(cursor.channel, mergeCursor(cursors.get(cursor.channel), cursor));
  context.end(former, CLOSE.sessionTakenOver, TAKEN_OVER);
  return [...cursors.values()];
}

/** What the store does not know yet: positions that the client told, channels that it got by them, cursors of the former connection. */
function keep(
  { writer, keeper }: GatewayContext, row: Row, device: DevicePositions, former: readonly ChannelCursor[], restored: readonly Restored[],
): void {
  const tells = device.named.size > 0 || device.synced.size > 0 || device.lastSeen !== null;
  if (former.length === 0 && !tells) return;
  const told = tells ? restored : [];
  const positions = told.map(({ channel, start, told }) => ({ ...positionOf(channel, start), subscribed: true, told }));
  const upsert = [...former, ...positions];
  const lastSeen = device.lastSeen?.kind === 'id' ? { lastSeenMessageId: String(device.lastSeen.id) } : {};
  if (upsert.length > 0 || device.lastSeen !== null) writer.change(keeper.ref(row), { upsert, ...lastSeen }, true);
}

function positionOf(channel: OpenChannel, { seq }: Start): ChannelPosition {
  return { channel: channel.name, seq: Math.min(seq - 1, channel.publishedSeq), epoch: channel.epoch };
}

function welcomeText(
  { opener, welcomeTexts }: GatewayContext, opened: Opened, cursors: readonly ChannelCursor[], restored: readonly Restored[],
): string {
  const { record, resumed } = opened;
  const token = opener.token(opened);
  // Neither holds what JSON would have to escape.
  const head = `{"op":"welcome","session":"${record.id}","resume":"${token}","resumed":${resumed}`;
  if (cursors.length === 0 && restored.length === 0 && record.lastSeenMessageId === null) return head + welcomeTexts.plainTail;
  const positions = restored.map(({ channel, start }) => positionOf(channel, start));
  const known = new Set(positions.map(({ channel }) => channel));
  const others = cursors.filter(({ channel, subscribed }) => subscribed && !known.has(channel));
  const seen = record.lastSeenMessageId === null ? 'null' : `"${record.lastSeenMessageId}"`;
  // Delivered already, from the message after each position: the client need not subscribe to them.
  const channels = restored.map(({ channel }, i) => `${channel.nameJson}:{"seq":${positions[i]?.seq},"epoch":${channel.epochJson}}`);
  return `${head}${welcomeTexts.node},"sync_cursor":"${encodeSyncCursor([...positions, ...others])}",` +
    `"last_seen_message_id":${seen},"channels":{${channels.join(',')}}}`;
}
