/**
 * Goes on where another control plane ended: what a detached engine kept for it becomes this one's sessions, subscriptions and channels.
 * What that one had in hand comes again as events afterwards.
 */

import type { Row } from '../../engine/port.js';
import type { LiveSubscriptions, RowStates, Snapshot, SubscriptionState } from '../../engine/snapshot.js';
import { AttachError, CLOSE } from '../../errors.js';
import type { FormerChannel, OpenChannel } from '../../sequence/channels.js';
import { SessionNoteReader } from '../../session/session-note.js';
import { adoptMark } from './marks.js';
import type { GatewayParts } from '../parts.js';
import { catchUpOf } from '../message/positions.js';

/** Bytes read from the log at once. */
const READ_BYTES = 1 << 20;
const READ_MESSAGES = 4096;
/** Channels by which another log is told from the engine's: each has an epoch that no other has. */
const CHECKED_FIRST = 16;
/** Channels adopted between two pauses: ten thousand in a second, beside what clients ask for. */
const CHANNELS_AT_ONCE = 20;
const PAUSE_MS = 2;

/** Where most of what an engine tells goes. */
export type Tables = Pick<GatewayParts, 'sessions' | 'subscriptions' | 'channels' | 'end'>;

/** Throws AttachError where the log is not the one that the engine's channels are in, StoreError where it cannot be read. */
export function adopt(parts: GatewayParts, snapshot: Snapshot): void {
  const { channels } = parts;
  const strangers = fillTables(parts, snapshot);
  // Before the first command: nothing is done about the connections of another log's engine.
  channels.onAdopted = (former, channel) => checkLog(parts, former, channel);
  for (const { channelId } of snapshot.channelNotes.slice(0, CHECKED_FIRST)) channels.byId(channelId);
  channels.onAdopted = (former, channel) => goOn(parts, former, channel);
  for (const subscription of snapshot.behind) {
    if (!adoptBehind(parts, subscription)) strangers.add(subscription.row);
  }
  for (const mark of snapshot.marks) adoptMark(parts, mark);
  for (const row of strangers) giveUp(parts, row);
  channels.adoptUrgent();
}

/** Adopts the channels that nobody has asked for yet, some at a time, until that is done or `over`. Throws StoreError. */
export async function adoptOthers({ channels }: Pick<GatewayParts, 'channels'>, over: () => boolean): Promise<void> {
  while (!over() && channels.adoptSome(CHANNELS_AT_ONCE)) await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
}

function checkLog(parts: GatewayParts, former: FormerChannel, channel: OpenChannel | null): void {
  if (channel !== null) return goOn(parts, former, channel);
  throw new AttachError(`channel ${former.name} has another number in this log: it is not the log of the engine's messages`, {
    remedy: 'Name the data folder of the former control plane with --data.',
  });
}

/** What the channel's subscribers were not sent yet comes before anything new. */
function goOn(parts: GatewayParts, { id, publishedSeq }: FormerChannel, channel: OpenChannel | null): void {
  if (channel !== null && (publishedSeq === null || publishRest(parts, channel, publishedSeq))) return;
  for (const row of parts.subscriptions.membersOf(id, Infinity)) giveUp(parts, row);
}

/** Not to be expected; the client comes back and gets what it lacks by its session. */
function giveUp(parts: GatewayParts, row: Row): void {
  parts.end(row, CLOSE.serviceRestart, 'the connection could not be taken over');
}

/** Channels, sessions and live subscriptions; returns rows with a subscription to a channel that is not known. */
export function fillTables({ sessions, subscriptions, channels, end }: Tables, snapshot: Snapshot): Set<Row> {
  // What loops is given the tables one by one: a rehearsal's are of the same classes, so code that is compiled then is good now.
  const strangers = new Set<Row>();
  adoptChannels(channels, snapshot);
  for (const rows of snapshot.rows) adoptRows(sessions, end, rows);
  for (const live of snapshot.live) adoptLive(channels, subscriptions, snapshot, live, strangers);
  return strangers;
}

function adoptChannels(channels: Tables['channels'], { channelNotes, published }: Snapshot): void {
  for (const { channelId, note } of channelNotes) {
    const read = readChannelNote(note);
    if (read === null) throw new AttachError(`the engine's note of channel ${channelId} cannot be read`);
    const publishedSeq = published.get(channelId) ?? read.publishedSeq;
    channels.expect({ id: channelId, name: read.name, epoch: read.epoch, publishedSeq });
  }
}

function adoptRows(sessions: Tables['sessions'], end: Tables['end'], rows: RowStates): void {
  const reader = new SessionNoteReader(rows.bytes, rows.words);
  for (let i = 0; i < rows.count; i += 1) {
    const row = rows.row(i);
    sessions.connect(row);
    const session = reader.decode(rows.noteAt(i), rows.noteLength(i));
    if (session === null) continue;
    const other = sessions.findSession(session.id);
    // It died when the session had just gone on over another connection, before it closed the former one.
    const lost = other >= 0 && sessions.sessionGeneration(other) > session.sessionGeneration ? row : other;
    if (other >= 0 && lost === other) end(other, CLOSE.sessionTakenOver, 'the session goes on over another connection');
    sessions.open(row, session);
    if (lost === row) end(row, CLOSE.sessionTakenOver, 'the session goes on over another connection');
  }
}

function adoptLive(
  channels: Tables['channels'], subscriptions: Tables['subscriptions'], { published }: Snapshot, live: LiveSubscriptions,
  strangers: Set<Row>,
): void {
  let channelId = -1;
  let known = false;
  let liveFrom = 0;
  for (let i = 0; i < live.count; i += 1) {
    if (live.channelId(i) !== channelId) {
      channelId = live.channelId(i);
      known = channels.has(channelId);
      liveFrom = (published.get(channelId) ?? 0) + 1;
    }
    if (known) subscriptions.setLiveFrom(subscriptions.add(live.row(i), channelId), liveFrom);
    else strangers.add(live.row(i));
  }
}

function adoptBehind(parts: GatewayParts, { row, channelId, nextSeq }: SubscriptionState): boolean {
  const { channels, subscriptions, replays } = parts;
  const channel = channels.byId(channelId);
  if (channel === undefined) return false;
  if (subscriptions.find(row, channelId) >= 0) return true;
  subscriptions.add(row, channelId);
  replays.add(row, catchUpOf(parts, channel, nextSeq), true);
  return true;
}

/** Fans out what was durable already, but not yet handed to every core; cores ignore what they have. False when memory is short. */
function publishRest({ port, runs, hotLog, clock }: GatewayParts, channel: OpenChannel, publishedSeq: number): boolean {
  if (channel.ephemeral) return true;
  for (let seq = publishedSeq + 1; seq <= channel.publishedSeq; ) {
    const run = runs.read(channel.id, seq, READ_MESSAGES, READ_BYTES);
    if (run instanceof Promise) return false;
    if (run === null || run.firstSeq > channel.publishedSeq) return true;
    let from = 0;
    for (let i = 0; i < run.ends.length; i++) {
      const end = run.ends[i] as number;
      const address = port.arena.claim(end - from);
      if (address < 0) return false;
      port.memory.set(run.frames.subarray(from, end), address);
      port.publish(channel.id, address, end - from, run.firstSeq + i);
      hotLog.add(channel.id, run.firstSeq + i, address, end - from, clock.now());
      from = end;
    }
    seq = run.lastSeq + 1;
  }
  return true;
}

/** `publishedSeq`: where a channel of a shared log stood when it was opened, which nothing else tells before the next message. */
export function channelNote({ name, epoch, publishedSeq }: Pick<OpenChannel, 'name' | 'epoch' | 'publishedSeq'>, shared: boolean): Buffer {
  return Buffer.from(JSON.stringify(shared ? [name, epoch, publishedSeq] : [name, epoch]));
}

interface ChannelNote {
  readonly name: string;
  readonly epoch: string;
  readonly publishedSeq: number | null;
}

function readChannelNote(note: Buffer): ChannelNote | null {
  try {
    const parsed: unknown = JSON.parse(note.toString());
    const [name, epoch, seq] = Array.isArray(parsed) ? (parsed as unknown[]) : [];
    if (typeof name !== 'string' || typeof epoch !== 'string') return null;
    return { name, epoch, publishedSeq: typeof seq === 'number' && Number.isSafeInteger(seq) && seq >= 0 ? seq : null };
  } catch {
    return null;
  }
}
