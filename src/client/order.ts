import type { Message } from './types.js';

type Orderable = Pick<Message, 'serverSeq' | 'serverTs' | 'id'>;

/**
 * The order of messages: server_seq, then server_ts, then id. The first alone decides within one channel and epoch; the rest
 * give a merge of several channels, or of two epochs, one order for everybody.
 */
export function compareMessages(a: Orderable, b: Orderable): number {
  return a.serverSeq - b.serverSeq || a.serverTs - b.serverTs || compareIds(a.id, b.id);
}

/** Snowflakes exceed 2⁵³, so they are compared as decimal text. */
export function compareIds(a: string, b: string): number {
  if (a.length !== b.length) return a.length - b.length;
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Lamport's clock: local = max(local, received) + 1. */
export class LamportClock {
  #value = 0;

  get value(): number {
    return this.#value;
  }

  /** Time of an event here: a publish. */
  tick(): number {
    this.#value += 1;
    return this.#value;
  }

  receive(received: number): void {
    this.#value = Math.max(this.#value, received) + 1;
  }
}
