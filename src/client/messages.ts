import { ClientError } from './errors.js';
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

/** The fields of a place in a channel. Throws ClientError `bad_option` with `name` for what is none: JavaScript lets it through. */
export function pointField(name: string, point: HistoryPoint): Fields {
  const given: Readonly<Record<string, unknown>> = { ...(point as object | null | undefined) };
  const { seq, epoch, ts, msgId } = given;
  if (typeof seq === 'number') return epoch === undefined ? { seq } : { seq, epoch };
  if (typeof ts === 'number') return { ts };
  if (typeof msgId === 'string') return { msg_id: msgId };
  throw new ClientError('bad_option', `${name}: expected a place in the channel: a seq, a ts or a msgId`);
}
