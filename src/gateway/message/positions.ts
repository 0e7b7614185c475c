/** Positions of the protocol turned into sequence numbers. */

import type { Channel } from '../../sequence/types.js';
import type { MessageLog } from '../../store/types.js';
import { CatchUp } from '../../sync/catch-up.js';
import type { ColdPosition, ColdSource, Located, ReplaySource } from '../../sync/types.js';
import type { Position } from './fields.js';

export interface Start extends Located {
  /**
   * The position may lie among messages that have left the log: where it is, the cold tier knows. `seq` and `lost` say nothing then. Never
   * rejects.
   */
  readonly locate: (() => Promise<Located>) | null;
}

interface Reader {
  readonly log: Pick<MessageLog, 'seqAtTs' | 'seqAfterId'>;
  readonly cold: ColdSource | null;
}

/** Written out: spread from another one, each was given a shape of its own by V8, which all who read it look up anew (0368). */
const known = ({ seq, lost }: Located): Start => ({ seq, lost, locate: null });
const unknown = (locate: () => Promise<Located>): Start => ({ seq: 1, lost: null, locate });

/** Where the messages after `since` begin. */
export function resolveSince({ log, cold }: Reader, channel: Channel, since: Position): Start {
  // What of this is no longer retained is found, and said, by the catch-up itself: nobody looks at the log for each of those that resume.
  const isHere = since.kind === 'seq' && (since.epoch === null || since.epoch === channel.epoch);
  if (isHere) return known({ seq: since.seq + 1, lost: null });
  const oldest = channel.oldestSeq;
  const below = belowLog(cold, channel, oldest);
  switch (since.kind) {
    case 'seq': {
      return below === null ? known(changed(oldest)) : unknown(() => oldestOf(below, channel, oldest));
    }
    case 'ts':
      return cautious(below, channel, log.seqAtTs(channel.id, since.ts), oldest, since);
    case 'id': {
      const after = since.id + 1n;
      return cautious(below, channel, log.seqAfterId(channel.id, String(after)), oldest, { kind: 'id', id: after });
    }
  }
}

/** The cold tier where it may have messages of the channel that the log has no more. */
function belowLog(cold: ColdSource | null, channel: Channel, oldest: number): ColdSource | null {
  return channel.ephemeral || oldest <= 1 ? null : cold;
}

function changed(oldest: number): Located {
  return { seq: oldest, lost: { fromSeq: 1, toSeq: oldest - 1, reason: 'epoch_changed' } };
}

async function oldestOf(cold: ColdSource, channel: Channel, oldest: number): Promise<Located> {
  const oldestSeq = await cold.oldestSeq(channel).catch(() => null);
  return changed(oldestSeq ?? oldest);
}

/** `seq`: where the log has the position. */
function cautious(cold: ColdSource | null, channel: Channel, seq: number, oldest: number, position: ColdPosition): Start {
  if (cold === null || seq > oldest) return known(bounded(seq, oldest));
  return unknown(async () => {
    try {
      const found = await cold.locate(channel, position);
      return bounded(Math.min(found.seq ?? oldest, oldest), Math.min(found.oldestSeq ?? oldest, oldest));
    } catch {
      return { seq: oldest, lost: { fromSeq: 1, toSeq: oldest - 1, reason: 'unavailable' } };
    }
  });
}

/**
 * A time or an id that lies before the oldest retained message: whether messages between were dropped cannot be known any more, so
 * it is said that they may be missing.
 */
function bounded(seq: number, oldest: number): Located {
  return seq > oldest || oldest <= 1 ? { seq, lost: null } : { seq: oldest, lost: { fromSeq: 1, toSeq: oldest - 1, reason: 'expired' } };
}

/** The delivery of what the channel has from there on. */
export function catchUpOf(
  { source, cold }: { readonly source: ReplaySource; readonly cold: ColdSource | null }, channel: Channel, start: Start | number,
): CatchUp {
  const below = channel.ephemeral ? null : cold;
  if (typeof start === 'number') return new CatchUp(channel, start, source, { cold: below });
  return new CatchUp(channel, start.seq, source, { cold: below, locate: start.locate });
}

/** First seq that is not before a time or an id: in the log, or below it. Rejects with StoreError. */
export async function seqInAll({ log, cold }: Reader, channel: Channel, position: ColdPosition): Promise<number> {
  const seq = position.kind === 'ts' ? log.seqAtTs(channel.id, position.ts) : log.seqAfterId(channel.id, String(position.id));
  const oldest = channel.oldestSeq;
  const below = belowLog(cold, channel, oldest);
  if (below === null || seq > oldest) return seq;
  return Math.min((await below.locate(channel, position)).seq ?? oldest, oldest);
}

/** First seq that lies after the position (excluded). */
export function firstAfter(log: Reader['log'], channelId: number, position: Position): number {
  switch (position.kind) {
    case 'seq':
      return position.seq + 1;
    case 'ts':
      return log.seqAtTs(channelId, position.after);
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
