import type { Row } from '../../engine/port.js';
import { REPLY } from '../../errors.js';
import type { GatewayContext } from '../context.js';
import { readChannel } from '../fields.js';
import { HeaderFault, type Header } from '../header.js';
import { refuse, requireId } from '../refusal.js';

export interface Presence {
  readonly count: number;
  /** User of each session, limits.presenceMembers of them at most. */
  readonly members: readonly string[];
}

/** `presence`: the sessions that are connected and subscribed. */
export function presence(context: GatewayContext, row: Row, header: Header): void {
  const id = requireId(context, row, header);
  if (id === null) return;
  const name = readChannel(header.channel);
  if (name instanceof HeaderFault) return refuse(context, row, id, name);
  if (!context.sessions.canRead(row, name)) {
    context.replies.error(row, id, REPLY.notAuthorised, `the session may not read ${name}`);
    return;
  }
  const { count, members } = presenceOf(context, name);
  context.replies.ok(row, id, `,"members":${JSON.stringify(members)},"count":${count}`);
}

export function presenceOf(context: GatewayContext, name: string): Presence {
  const { channels, subscriptions, sessions, config } = context;
  const channel = channels.find(name);
  if (channel === null) return { count: 0, members: [] };
  const rows = subscriptions.membersOf(channel.id, config.limits.presenceMembers);
  return { count: subscriptions.countOfChannel(channel.id), members: rows.map((row) => sessions.userName(row)) };
}
