import type { Row } from '../../engine/port.js';
import { REPLY } from '../../errors.js';
import type { Body, GatewayContext } from '../context.js';
import { failureReply } from '../failure.js';
import { readChannel } from '../message/fields.js';
import { HeaderFault, type Header } from '../message/header.js';
import { refuse, requireId } from '../message/refusal.js';

export interface Presence {
  readonly count: number;
  /** User of each session, limits.presenceMembers of them at most. */
  readonly members: readonly string[];
}

/** `presence`: the sessions that are connected and subscribed. */
export function presence(context: GatewayContext, row: Row, header: Header, body: Body): void {
  const id = requireId(context, row, header);
  if (id === null) return;
  const name = readChannel(header.channel);
  if (name instanceof HeaderFault) return refuse(context, row, id, name);
  if (!context.sessions.canRead(row, name)) {
    context.replies.error(row, id, REPLY.notAuthorised, `the session may not read ${name}`);
    return;
  }
  const present = presenceOf(context, name);
  if (!(present instanceof Promise)) return answer(context, row, id, present);
  const hold = body.hold < 0 ? context.port.hold(row) : body.hold;
  body.hold = -1;
  void answerLater(context, row, id, present).then(() => context.port.letGo(hold));
}

function answer({ replies }: GatewayContext, row: Row, id: number, { count, members }: Presence): void {
  replies.ok(row, id, `,"members":${JSON.stringify(members)},"count":${count}`);
}

/** Never rejects. */
async function answerLater(context: GatewayContext, row: Row, id: number, presence: Promise<Presence>): Promise<void> {
  const { sessions, replies } = context;
  const connection = sessions.generation(row);
  const present = await presence.catch((error: unknown) => failureReply(error));
  if (!sessions.listens(row, connection)) return;
  if ('count' in present) answer(context, row, id, present);
  else replies.error(row, id, present.kind, present.message, present.retryAfterMs);
}

/** A promise where there are other nodes to be asked; it rejects with StoreError. */
export function presenceOf(context: GatewayContext, name: string): Presence | Promise<Presence> {
  if (context.cluster !== null) return context.cluster.presence(name);
  const channel = context.channels.find(name);
  return channel === null ? { count: 0, members: [] } : presenceHere(context, channel.id);
}

/** On this node. */
export function presenceHere({ subscriptions, sessions, config }: GatewayContext, channelId: number): Presence {
  const rows = subscriptions.membersOf(channelId, config.limits.presenceMembers);
  return { count: subscriptions.countOfChannel(channelId), members: rows.map((row) => sessions.userName(row)) };
}
