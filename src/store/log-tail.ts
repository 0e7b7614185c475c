import type { DuplicateKey } from './log-keys.js';
import { TailKeys } from './tail-keys.js';

/**
 * The part of the log that is not in its indexes yet. The chunks are the log; the indexes (segment by channel and seq, seq by
 * duplicate key) follow in bulk, because one leaf page per channel and commit is what a commit would otherwise cost
 * (docs/decisions/0004-log-layout.md). What is not indexed is held here, bounded, and read again from the chunks after a restart.
 */

export interface SegmentPlace {
  readonly firstSeq: number;
  readonly lastSeq: number;
  readonly chunk: number;
  readonly offset: number;
}

interface TailChannel {
  /** In order of seq. */
  readonly places: SegmentPlace[];
  /** Newest of its entries in the generation's keys, or -1. */
  newest: number;
}

/** Channels with unindexed segments, since one moment until another. */
export class TailGeneration {
  readonly channels = new Map<number, TailChannel>();
  readonly keys = new TailKeys();

  get messages(): number {
    return this.keys.size;
  }

  addPlace(channelId: number, place: SegmentPlace): void {
    const channel = this.channels.get(channelId);
    if (channel === undefined) this.channels.set(channelId, { places: [place], newest: -1 });
    else channel.places.push(place);
  }

  /** The channel's place was added before. */
  addKey(channelId: number, key: DuplicateKey, seq: number): void {
    const channel = this.channels.get(channelId)!;
    channel.newest = this.keys.add(key, seq, channel.newest);
  }
}

/** Two generations: one that fills, one that is being written to the indexes. */
export class LogTail {
  filling = new TailGeneration();
  draining: TailGeneration | null = null;

  /** Makes what was gathered the draining generation. */
  rotate(): TailGeneration {
    this.draining = this.filling;
    this.filling = new TailGeneration();
    return this.draining;
  }

  /** -1 when the key is not in the tail. */
  seqOfKey(key: DuplicateKey): number {
    const seq = this.filling.keys.find(key);
    return seq >= 0 || this.draining === null ? seq : this.draining.keys.find(key);
  }

  firstSeq(channelId: number): number | undefined {
    return (this.draining?.channels.get(channelId) ?? this.filling.channels.get(channelId))?.places[0]?.firstSeq;
  }

  lastSeq(channelId: number): number | undefined {
    return (this.filling.channels.get(channelId) ?? this.draining?.channels.get(channelId))?.places.at(-1)?.lastSeq;
  }

  /** The places from the one that holds `seq`, or that comes after it. */
  *places(channelId: number, seq: number): Generator<SegmentPlace> {
    for (const generation of [this.draining, this.filling]) {
      const places = generation?.channels.get(channelId)?.places;
      if (places === undefined) continue;
      for (let i = firstFrom(places, seq); i < places.length; i++) yield places[i]!;
    }
  }
}

/** Index of the first place whose lastSeq is not below seq. */
function firstFrom(places: readonly SegmentPlace[], seq: number): number {
  let low = 0;
  let high = places.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (places[middle]!.lastSeq < seq) low = middle + 1;
    else high = middle;
  }
  return low;
}
