import { numberOr, stringOr } from './codec.js';
import type { Fields, Frame } from './codec.js';
import type { HistoryPoint, Message } from './types.js';
import { clockOf } from './vector-clock.js';

/** Null when a field that order depends on is missing. */
export function messageOf({ header, body }: Frame): Message | null {
  const channel = header['channel'];
  const serverSeq = header['server_seq'];
  if (typeof channel !== 'string' || typeof serverSeq !== 'number' || !Number.isSafeInteger(serverSeq)) return null;
  const from = stringOr(header['from'], '');
  return {
    channel,
    id: stringOr(header['id'], ''),
    serverSeq,
    serverTs: numberOr(header['server_ts'], 0),
    clientTs: numberOr(header['client_ts'], null),
    lamport: numberOr(header['lamport'], 0),
    from,
    clock: clockOf(header['clock'], from, serverSeq),
    body,
  };
}

/** The `before` or `after` field of a history request. */
export function pointField(point: HistoryPoint): Fields {
  if ('seq' in point) return point.epoch === undefined ? { seq: point.seq } : { seq: point.seq, epoch: point.epoch };
  return 'ts' in point ? { ts: point.ts } : { msg_id: point.msgId };
}
