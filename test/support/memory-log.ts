/** A MessageLog in memory whose commits finish when the test says so. */

import type { HistorySegment } from '../../src/store/history-store.js';
import type { ChannelHead, FirstResult, FrameRun, LogEntry, MessageLog } from '../../src/store/types.js';

interface Stored {
  readonly seq: number;
  readonly id: bigint;
  readonly serverTs: number;
  readonly frame: Buffer;
}

interface StoredChannel {
  readonly id: number;
  readonly name: string;
  epoch: string;
  oldest: number;
  readonly messages: Stored[];
  readonly keys: Map<string, FirstResult>;
}

export class MemoryLog implements MessageLog {
  /** With `held`, commits wait for `commit()`. */
  held = false;
  /** The next commits reject with it. */
  failure: Error | null = null;
  /** Reads throw it. */
  readFailure: Error | null = null;
  /** What opens a channel throws it. */
  openFailure: Error | null = null;
  readonly #byName = new Map<string, StoredChannel>();
  readonly #byId: StoredChannel[] = [];
  #waiting: (() => void)[] = [];

  openChannel(name: string): ChannelHead {
    if (this.openFailure !== null) throw this.openFailure;
    let channel = this.#byName.get(name);
    if (channel === undefined) {
      channel = { id: this.#byId.length, name, epoch: `e${this.#byId.length}`, oldest: 1, messages: [], keys: new Map() };
      this.#byName.set(name, channel);
      this.#byId.push(channel);
    }
    return head(channel);
  }

  adoptChannel(name: string, id: number): ChannelHead | null {
    const known = this.openChannel(name);
    return known.id === id ? known : null;
  }

  recentHead(channelId: number): number | null {
    return this.#byId[channelId]?.messages.at(-1)?.seq ?? null;
  }

  findChannel(name: string): ChannelHead | null {
    const channel = this.#byName.get(name);
    return channel === undefined ? null : head(channel);
  }

  get channels(): number {
    return this.#byId.length;
  }

  async append(entries: readonly LogEntry[]): Promise<void> {
    if (this.held) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    if (this.failure !== null) throw this.failure;
    for (const entry of entries) {
      const channel = this.#channel(entry.channelId);
      const expected = (channel.messages.at(-1)?.seq ?? channel.oldest - 1) + 1;
      if (entry.seq !== expected) throw new Error(`seq ${entry.seq} instead of ${expected}`);
      const frame = Buffer.from(entry.memory.subarray(entry.address, entry.address + entry.length));
      channel.messages.push({ seq: entry.seq, id: BigInt(entry.id), serverTs: entry.serverTs, frame });
      const { id, seq, serverTs, lamport } = entry;
      channel.keys.set(JSON.stringify([entry.sender, entry.key]), { id, seq, serverTs, lamport });
    }
  }

  /** Lets the commit that waits finish. */
  commit(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  findByKey(channelId: number, sender: string, key: string): FirstResult | null {
    return this.#channel(channelId).keys.get(JSON.stringify([sender, key])) ?? null;
  }

  read(channelId: number, fromSeq: number, maxCount: number, maxBytes: number): FrameRun | null {
    if (this.readFailure !== null) throw this.readFailure;
    const frames: Buffer[] = [];
    const ends: number[] = [];
    const messages = this.#channel(channelId).messages;
    let index = messages.findIndex(({ seq }) => seq >= fromSeq);
    const first = messages[index];
    if (index < 0 || first === undefined) return null;
    let bytes = 0;
    for (; index < messages.length && ends.length < maxCount && (bytes < maxBytes || ends.length === 0); index += 1) {
      const { frame } = messages[index] as Stored;
      bytes += frame.length;
      frames.push(frame);
      ends.push(bytes);
    }
    return { firstSeq: first.seq, lastSeq: first.seq + ends.length - 1, frames: Buffer.concat(frames), ends: Uint32Array.from(ends) };
  }

  seqAtTs(channelId: number, ts: number): number {
    return this.#first(channelId, (message) => message.serverTs >= ts);
  }

  seqAfterId(channelId: number, msgId: string): number {
    return this.#first(channelId, (message) => message.id >= BigInt(msgId));
  }

  maxLamport(): number {
    return 0;
  }

  maxTimestamp(): number {
    return 0;
  }

  async close(): Promise<void> {}

  get names(): readonly string[] {
    return [...this.#byName.keys()];
  }

  /** What an archiver would take of the channel: the messages from `from` to below `seq`. */
  segmentBelow(name: string, seq: number, from = 0): HistorySegment {
    const { epoch, messages } = this.#byName.get(name) as StoredChannel;
    const older = messages.filter((message) => message.seq >= from && message.seq < seq);
    let end = 0;
    return {
      channel: name, epoch,
      firstSeq: older[0]?.seq ?? 1,
      ids: older.map(({ id }) => String(id)),
      serverTs: older.map(({ serverTs }) => serverTs),
      frames: Buffer.concat(older.map(({ frame }) => frame)),
      ends: Uint32Array.from(older, ({ frame }) => (end += frame.length)),
    };
  }

  /** Drops the messages below `seq`. */
  expire(name: string, seq: number): void {
    const channel = this.#byName.get(name);
    if (channel === undefined) return;
    const { headSeq } = head(channel);
    while ((channel.messages[0]?.seq ?? Infinity) < seq) channel.messages.shift();
    channel.oldest = Math.max(channel.oldest, Math.min(seq, headSeq + 1));
  }

  #first(channelId: number, wanted: (message: Stored) => boolean): number {
    const channel = this.#channel(channelId);
    return channel.messages.find(wanted)?.seq ?? head(channel).headSeq + 1;
  }

  #channel(id: number): StoredChannel {
    const channel = this.#byId[id];
    if (channel === undefined) throw new Error(`no channel ${id}`);
    return channel;
  }
}

function head(channel: StoredChannel): ChannelHead {
  const headSeq = channel.messages.at(-1)?.seq ?? channel.oldest - 1;
  return { id: channel.id, name: channel.name, epoch: channel.epoch, headSeq, oldestSeq: channel.messages[0]?.seq ?? headSeq + 1 };
}
