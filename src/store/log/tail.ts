import type { Generation } from './generation.js';
import type { KeyHash } from '../key-hash.js';
import { TailView } from './tail-view.js';

/**
 * The part of the log that is in the journal and not in the tables yet: two generations, one that fills and one that is being moved. It is
 * bounded, and read again from the journal after a restart (docs/decisions/0010).
 */

/** Messages of one view: what reading one of them looks at. */
const VIEW_MESSAGES = 256;

export class LogTail {
  filling: Generation;
  draining: Generation | null = null;
  #spare: Generation;

  constructor(filling: Generation, spare: Generation) {
    this.filling = filling;
    this.#spare = spare;
  }

  /** What was gathered is to be moved; nothing is being moved yet. */
  rotate(): Generation {
    const full = this.filling;
    this.draining = full;
    this.filling = this.#spare;
    this.filling.restart(full.number + 1);
    return full;
  }

  /** After a restart: `newer` had begun, so the one before it was being moved. */
  resume(newer: Generation): void {
    this.draining = this.filling;
    this.filling = newer;
  }

  /** Everything of the draining generation is in the tables. */
  drained(): void {
    if (this.draining === null) return;
    this.#spare = this.draining;
    this.draining = null;
  }

  /** A view of the message with this key alone, or null. */
  findKey(hash: KeyHash, channelId: number, sender: string, key: string): TailView | null {
    const found = find(this.filling, hash, channelId, sender, key);
    return found !== null || this.draining === null ? found : find(this.draining, hash, channelId, sender, key);
  }

  firstSeq(channelId: number): number | undefined {
    return (this.draining?.channels.get(channelId) ?? this.filling.channels.get(channelId))?.firstSeq;
  }

  lastSeq(channelId: number): number | undefined {
    const channel = this.filling.channels.get(channelId) ?? this.draining?.channels.get(channelId);
    return channel === undefined ? undefined : channel.firstSeq + channel.count - 1;
  }

  /** Views from the one that begins with `seq` on, or with what comes after it. */
  *views(channelId: number, seq: number): Generator<TailView> {
    for (const generation of [this.draining, this.filling]) {
      const channel = generation?.channels.get(channelId);
      if (generation === null || channel === undefined) continue;
      const { count } = channel;
      for (let from = Math.max(0, seq - channel.firstSeq); from < count; from += VIEW_MESSAGES) {
        yield new TailView(generation, channel, from, Math.min(VIEW_MESSAGES, count - from));
      }
    }
  }
}

function find(generation: Generation, hash: KeyHash, channelId: number, sender: string, key: string): TailView | null {
  const { keys } = generation;
  for (let message = keys.find(hash); message >= 0; message = keys.findBefore(message, hash)) {
    if (generation.channelId(message) !== channelId || generation.sender(message) !== sender || generation.key(message) !== key) continue;
    const channel = generation.channels.get(channelId)!;
    return new TailView(generation, channel, generation.seq(message) - channel.firstSeq, 1);
  }
  return null;
}
