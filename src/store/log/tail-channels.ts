import { InternalError } from '../../errors.js';

/** One channel's messages of a generation, in the order of their seqs. */
export interface TailChannel {
  readonly firstSeq: number;
  readonly count: number;
}

interface Entry extends TailChannel {
  firstSeq: number;
  count: number;
  /** Numbers of its messages in the generation. */
  first: number;
  last: number;
  /** By seq - firstSeq: the message's number, as far as somebody has read. */
  list: number[] | null;
}

const INITIAL_MESSAGES = 1024;
/** Entries that wait for the next life at most; those of a generation live as long as it, and so become old before they are garbage. */
const MOST_SPARE = 32_768;

/**
 * A generation's messages by channel. Each message names the next one of its channel in a column, and entries are used again: with a few
 * messages in each of thousands of channels, an array for each of them was most of what full collections had to be made for.
 */
export class TailChannels {
  readonly #entries = new Map<number, Entry>();
  readonly #spare: Entry[] = [];
  /** By message: the next one of its channel. */
  #next = new Uint32Array(INITIAL_MESSAGES);

  ids(): IterableIterator<number> {
    return this.#entries.keys();
  }

  get(channelId: number): TailChannel | undefined {
    return this.#entries.get(channelId);
  }

  /** `message`: its number in the generation. */
  add(channelId: number, seq: number, message: number): void {
    if (message >= this.#next.length) this.#grow(message + 1);
    const entry = this.#entries.get(channelId);
    if (entry === undefined) {
      this.#entries.set(channelId, this.#begin(seq, message));
      return;
    }
    if (seq !== entry.firstSeq + entry.count) {
      throw new InternalError(`message ${seq} of channel ${channelId} does not follow ${entry.firstSeq + entry.count - 1}`);
    }
    this.#next[entry.last] = message;
    entry.last = message;
    entry.count++;
  }

  #grow(messages: number): void {
    const larger = new Uint32Array(Math.max(messages, this.#next.length * 2));
    larger.set(this.#next);
    this.#next = larger;
  }

  #begin(seq: number, message: number): Entry {
    const entry = this.#spare.pop() ?? { firstSeq: 0, count: 0, first: 0, last: 0, list: null };
    entry.firstSeq = seq;
    entry.count = 1;
    entry.first = message;
    entry.last = message;
    return entry;
  }

  /** Numbers of the channel's messages, by seq - firstSeq. Kept for who reads on: an array of its own for each channel that is read. */
  messagesOf(channel: TailChannel): readonly number[] {
    const entry = channel as Entry;
    entry.list ??= [];
    return this.#extend(entry, entry.list);
  }

  /** The same once, for what takes one channel after the other. */
  listOf(channel: TailChannel): readonly number[] {
    return this.#extend(channel as Entry, []);
  }

  #extend({ first, count }: Entry, list: number[]): readonly number[] {
    while (list.length < count) {
      const { length } = list;
      list.push(length === 0 ? first : this.#next[list[length - 1]!]!);
    }
    return list;
  }

  /** Begins a new life. */
  clear(): void {
    for (const entry of this.#entries.values()) {
      if (this.#spare.length === MOST_SPARE) break;
      entry.list = null;
      this.#spare.push(entry);
    }
    this.#entries.clear();
  }
}
