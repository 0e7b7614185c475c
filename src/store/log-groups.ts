import type { LogEntry } from './types.js';

/** A batch in order of channel, each channel's entries in the order they came in. */
export interface Groups {
  /** Indices into the batch. */
  readonly order: Int32Array;
  /** Group g is order[ends[g]] to order[ends[g + 1]], exclusive. */
  readonly ends: readonly number[];
}

/** A counting sort: two passes over the batch, one Map entry a channel. */
export function groupByChannel(entries: readonly LogEntry[]): Groups {
  const groupOf = new Map<number, number>();
  const counts: number[] = [];
  const groups = new Int32Array(entries.length);
  for (let i = 0; i < entries.length; i++) {
    const { channelId } = entries[i]!;
    let group = groupOf.get(channelId);
    if (group === undefined) {
      group = counts.length;
      groupOf.set(channelId, group);
      counts.push(0);
    }
    counts[group] = counts[group]! + 1;
    groups[i] = group;
  }
  const ends = [0];
  for (const count of counts) ends.push(ends.at(-1)! + count);
  const next = Int32Array.from(ends);
  const order = new Int32Array(entries.length);
  for (let i = 0; i < entries.length; i++) {
    const at = next[groups[i]!]!++;
    order[at] = i;
  }
  return { order, ends };
}
