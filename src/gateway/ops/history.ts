import type { Row } from '../../engine/port.js';
import { REPLY } from '../../errors.js';
import type { Channel } from '../../sequence/types.js';
import { History, type HistoryRange } from '../../sync/history.js';
import type { ColdPosition } from '../../sync/types.js';
import type { Body, GatewayContext } from '../context.js';
import { readChannel, readPosition, type Position, type SoughtPosition } from '../message/fields.js';
import { HeaderFault, type Header } from '../message/header.js';
import { firstAfter, lastBefore, seqInAll } from '../message/positions.js';
import { refuse, requireId } from '../message/refusal.js';

interface HistoryQuery {
  readonly name: string;
  readonly before: Position | null;
  readonly after: Position | null;
  readonly limit: number;
}

const DEFAULT_LIMIT = 100;

/** `history`: messages of the channel in ascending order, each marked with the request's id, then `ok`. */
export function history(context: GatewayContext, row: Row, header: Header, body: Body): void {
  const id = requireId(context, row, header);
  if (id === null) return;
  const query = readQuery(header, context.config.limits.historyMessages);
  if (query instanceof HeaderFault) return refuse(context, row, id, query);
  if (!context.sessions.canRead(row, query.name)) {
    context.replies.error(row, id, REPLY.notAuthorised, `the session may not read ${query.name}`);
    return;
  }
  const max = context.config.limits.requestsPerSession;
  if (context.holds.count(row) >= max) {
    context.replies.error(row, id, REPLY.tooManyRequests, `the session has ${max} requests in progress`);
    return;
  }
  const channel = context.channels.find(query.name);
  if (channel === null) {
    context.replies.ok(row, id, ',"count":0,"server_seq":0,"epoch":null,"oldest_seq":1');
    return;
  }
  if (isOtherEpoch(query, channel)) {
    context.replies.error(row, id, REPLY.epochChanged, `the channel's epoch is ${channel.epoch}`);
    return;
  }
  context.holds.take(row, id, body);
  const cold = channel.ephemeral ? null : context.cold;
  context.replays.add(row, new History(channel, id, historyRange(context, channel, query), context.runs, cold), false);
}

function readQuery(header: Header, limitMax: number): HistoryQuery | HeaderFault {
  const name = readChannel(header.channel);
  if (name instanceof HeaderFault) return name;
  const before = isGiven(header.before) ? readPosition(header.before, 'before') : null;
  if (before instanceof HeaderFault) return before;
  const after = isGiven(header.after) ? readPosition(header.after, 'after') : null;
  if (after instanceof HeaderFault) return after;
  if (before !== null && after !== null) return new HeaderFault('history takes before or after, not both');
  const limit = isGiven(header.limit) ? header.limit : Math.min(DEFAULT_LIMIT, limitMax);
  if (typeof limit !== 'number' || !Number.isInteger(limit) || limit < 1 || limit > limitMax) {
    return new HeaderFault(`limit must be a whole number from 1 to ${limitMax}`);
  }
  return { name, before, after, limit };
}

function isGiven(value: unknown): boolean {
  return value !== undefined && value !== null;
}

function isOtherEpoch({ before, after }: HistoryQuery, channel: Channel): boolean {
  const position = before ?? after;
  return position?.kind === 'seq' && position.epoch !== null && position.epoch !== channel.epoch;
}

/**
 * The messages meant: published ones only, the first `limit` after or the last `limit` before the position. A promise where only the cold
 * tier knows where that is; it may reject with StoreError.
 */
export function historyRange(
  { log, cold }: Pick<GatewayContext, 'log' | 'cold'>, channel: Channel, query: Omit<HistoryQuery, 'name'>,
): HistoryRange | Promise<HistoryRange> {
  const { before, after, limit } = query;
  const logged = channel.oldestSeq;
  const oldest = cold === null || channel.ephemeral ? logged : 1;
  const head = channel.publishedSeq;
  const following = (seq: number): HistoryRange => ({ fromSeq: Math.max(oldest, seq), toSeq: head, limit });
  const leading = (seq: number): HistoryRange => {
    const last = Math.min(head, seq);
    return { fromSeq: Math.max(oldest, last - limit + 1), toSeq: last, limit };
  };
  const position = after ?? before;
  if (position === null) return leading(head);
  const first = after === null ? lastBefore(log, channel.id, position) + 1 : firstAfter(log, channel.id, position);
  const range = (seq: number): HistoryRange => (after === null ? leading(seq - 1) : following(seq));
  if (position.kind === 'seq' || oldest === logged || first > logged) return range(first);
  return seqInAll({ log, cold }, channel, after === null ? position : behind(position)).then(range);
}

function behind(position: SoughtPosition): ColdPosition {
  return position.kind === 'ts' ? { kind: 'ts', ts: position.after } : { kind: 'id', id: position.id + 1n };
}
