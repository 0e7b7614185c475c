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
  /** sender and key (see tailKey) -> seq. */
  readonly keys: Map<string, number>;
}

/** The sender's length in front keeps ("ab", "c") and ("a", "bc") apart. */
export const tailKey = (sender: string, key: string): string => `${sender.length}:${sender}${key}`;

export function splitTailKey(text: string): [sender: string, key: string] {
  const colon = text.indexOf(':');
  const end = colon + 1 + Number(text.slice(0, colon));
  return [text.slice(colon + 1, end), text.slice(end)];
}

/** Channels with unindexed segments, since one moment until another. */
export class TailGeneration {
  readonly channels = new Map<number, TailChannel>();
  /** Messages in it. */
  messages = 0;

  #channel(channelId: number): TailChannel {
    let channel = this.channels.get(channelId);
    if (channel === undefined) {
      channel = { places: [], keys: new Map() };
      this.channels.set(channelId, channel);
    }
    return channel;
  }

  addPlace(channelId: number, place: SegmentPlace): void {
    this.#channel(channelId).places.push(place);
  }

  addKey(channelId: number, sender: string, key: string, seq: number): void {
    this.#channel(channelId).keys.set(tailKey(sender, key), seq);
    this.messages++;
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

  seqOfKey(channelId: number, sender: string, key: string): number | undefined {
    const filling = this.filling.channels.get(channelId);
    const draining = this.draining?.channels.get(channelId);
    if (filling === undefined && draining === undefined) return undefined;
    const text = tailKey(sender, key);
    return filling?.keys.get(text) ?? draining?.keys.get(text);
  }

  firstSeq(channelId: number): number | undefined {
    return (this.draining?.channels.get(channelId) ?? this.filling.channels.get(channelId))?.places[0]?.firstSeq;
  }

  lastSeq(channelId: number): number | undefined {
    return (this.filling.channels.get(channelId) ?? this.draining?.channels.get(channelId))?.places.at(-1)?.lastSeq;
  }

  /** The places of one generation from the one that holds `seq`, or that comes after it. */
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
