/**
 * A cursor beside its bytes as they stand in a session. Thousands of sessions begin with the same one: it is encoded once, and copied. The
 * object is used again for others, so who keeps what it says copies that.
 */

import { copyWords } from '../little-endian.js';
import type { ChannelCursor } from './session-store.js';

/** Most bytes of such a cursor, as a whole number of words. */
export const ENCODED_BYTES = 128;

export class EncodedCursor implements ChannelCursor {
  channel = '';
  epoch = '';
  seq = 0;
  readonly subscribed = true;
  readonly told = false;
  /** Its bytes, which begin at `at`. */
  readonly view: DataView;
  readonly at: number;
  length = 0;

  constructor(view: DataView, at: number) {
    this.view = view;
    this.at = at;
  }

  static many(count: number): EncodedCursor[] {
    const view = new DataView(new ArrayBuffer(count * ENCODED_BYTES));
    return Array.from({ length: count }, (_, i) => new EncodedCursor(view, i * ENCODED_BYTES));
  }

  /** The bytes are at `at` of `from`, where there must be as many words as they begin. */
  set(channel: string, epoch: string, seq: number, from: DataView, at: number, length: number): void {
    this.channel = channel;
    this.epoch = epoch;
    this.seq = seq;
    this.length = length;
    copyWords(from, at, length, this.view, this.at);
  }
}
