/** Positions of the protocol turned into sequence numbers. */

import type { Channel } from '../sequence/types.js';
import type { MessageLog } from '../store/types.js';
import type { IncompleteReason } from '../sync/types.js';
import type { Position } from './fields.js';

export interface Start {
  /** First server_seq to be delivered, if it is there yet. */
  readonly seq: number;
  /** What a client with this position may lack and cannot get. */
  readonly lost: { readonly fromSeq: number; readonly toSeq: number; readonly reason: IncompleteReason } | null;
}

interface Reader {
  readonly log: Pick<MessageLog, 'seqAtTs' | 'seqAfterId'>;
}

/** Where the messages after `since` begin. */
export function resolveSince({ log }: Reader, channel: Channel, since: Position): Start {
  const oldest = channel.oldestSeq;
  switch (since.kind) {
    case 'seq':
      if (since.epoch !== null && since.epoch !== channel.epoch) {
        return { seq: oldest, lost: { fromSeq: 1, toSeq: oldest - 1, reason: 'epoch_changed' } };
      }
      // What of this is no longer retained is found, and said, by the catch-up itself.
      return { seq: since.seq + 1, lost: null };
    case 'ts':
      return cautious(log.seqAtTs(channel.id, since.ts), oldest);
    case 'id':
      return cautious(log.seqAfterId(channel.id, String(since.id + 1n)), oldest);
  }
}

/**
 * A time or an id that lies before the oldest retained message: whether messages between were dropped cannot be known any more, so
 * it is said that they may be missing.
 */
function cautious(seq: number, oldest: number): Start {
  return seq > oldest || oldest <= 1 ? { seq, lost: null } : { seq: oldest, lost: { fromSeq: 1, toSeq: oldest - 1, reason: 'expired' } };
}

/** First seq that lies after the position (excluded). */
export function firstAfter(log: Reader['log'], channelId: number, position: Position): number {
  switch (position.kind) {
    case 'seq':
      return position.seq + 1;
    case 'ts':
      return log.seqAtTs(channelId, position.ts + 1);
    case 'id':
      return log.seqAfterId(channelId, String(position.id + 1n));
  }
}

/** Last seq that lies before the position (excluded). */
export function lastBefore(log: Reader['log'], channelId: number, position: Position): number {
  switch (position.kind) {
    case 'seq':
      return position.seq - 1;
    case 'ts':
      return log.seqAtTs(channelId, position.ts) - 1;
    case 'id':
      return log.seqAfterId(channelId, String(position.id)) - 1;
  }
}
