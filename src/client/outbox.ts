import type { Fields } from './codec.js';
import type { ClientError } from './errors.js';
import type { Body, PublishResult } from './types.js';

export interface OutboxEntry {
  readonly channel: string;
  /** The `pub` header without its id: a repetition is the same publish. */
  readonly header: Fields;
  readonly body: Body;
  readonly bytes: number;
  /** On the wire of the present connection, unanswered. */
  isSent: boolean;
  readonly resolve: (result: PublishResult) => void;
  readonly reject: (error: ClientError) => void;
}

/** Entries of one channel in the order of publish(). */
interface Lane {
  readonly entries: Set<OutboxEntry>;
  sent: number;
}

/** Unanswered publishes, bounded, in order per channel. Pure: the publisher does the sending. */
export class Outbox {
  readonly #lanes = new Map<string, Lane>();
  readonly #maxMessages: number;
  readonly #maxBytes: number;
  readonly #window: number;
  #messages = 0;
  #bytes = 0;

  constructor(maxMessages: number, maxBytes: number, window: number) {
    this.#maxMessages = maxMessages;
    this.#maxBytes = maxBytes;
    this.#window = window;
  }

  get messages(): number {
    return this.#messages;
  }

  get bytes(): number {
    return this.#bytes;
  }

  hasRoomFor(bytes: number): boolean {
    return this.#messages < this.#maxMessages && this.#bytes + bytes <= this.#maxBytes;
  }

  add(entry: OutboxEntry): void {
    let lane = this.#lanes.get(entry.channel);
    if (lane === undefined) this.#lanes.set(entry.channel, (lane = { entries: new Set(), sent: 0 }));
    lane.entries.add(entry);
    this.#messages += 1;
    this.#bytes += entry.bytes;
  }

  /** Entries that may go out now: the oldest unsent of each channel, as far as its window allows. */
  *sendable(channel?: string): Generator<OutboxEntry> {
    const only = channel === undefined ? undefined : this.#lanes.get(channel);
    if (channel !== undefined && only === undefined) return;
    for (const lane of only === undefined ? [...this.#lanes.values()] : [only]) {
      // At most a window of sent entries stands before the first unsent one.
      for (const entry of lane.entries) {
        if (lane.sent >= this.#window) break;
        if (!entry.isSent) yield entry;
      }
    }
  }

  markSent(entry: OutboxEntry): void {
    entry.isSent = true;
    this.#lane(entry).sent += 1;
  }

  /** It was refused for now and keeps its place. */
  putBack(entry: OutboxEntry): void {
    entry.isSent = false;
    this.#lane(entry).sent -= 1;
  }

  /** The connection is gone: everything is to be sent again. */
  putAllBack(): void {
    for (const lane of this.#lanes.values()) {
      lane.sent = 0;
      for (const entry of lane.entries) entry.isSent = false;
    }
  }

  /** It was answered. */
  remove(entry: OutboxEntry): void {
    const lane = this.#lane(entry);
    if (!lane.entries.delete(entry)) return;
    if (entry.isSent) lane.sent -= 1;
    if (lane.entries.size === 0) this.#lanes.delete(entry.channel);
    this.#messages -= 1;
    this.#bytes -= entry.bytes;
  }

  /** Empties it. */
  clear(): OutboxEntry[] {
    const entries = [...this.#lanes.values()].flatMap((lane) => [...lane.entries]);
    this.#lanes.clear();
    this.#messages = 0;
    this.#bytes = 0;
    return entries;
  }

  #lane(entry: OutboxEntry): Lane {
    return this.#lanes.get(entry.channel) ?? { entries: new Set(), sent: 0 };
  }
}
