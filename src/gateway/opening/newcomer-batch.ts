/** New sessions on their way to the store, in columns that are used again, with what their clients said right behind `hello`. */

import type { Hold, Row } from '../../engine/port.js';
import type { OpenChannel } from '../../sequence/channels.js';
import { plainBytes } from '../message/plain-text.js';
import { EncodedCursor } from '../../store/sessions/encoded-cursor.js';
import type { SessionRecord } from '../../store/sessions/session-store.js';

/** Begun at once, at most. */
const MANY = 256;
/** Of one message behind `hello`; a longer one is kept elsewhere. */
export const SAID_BYTES = 96;
const WORD = 4;
const ID_WORDS = 4;

export class NewcomerBatch {
  readonly rows = new Int32Array(MANY);
  /** Of the rows' connections. */
  readonly generations = new Uint32Array(MANY);
  readonly holds = new Float64Array(MANY);
  readonly ids = new Uint32Array(MANY * ID_WORDS);
  /** What each said behind `hello`, at its number times SAID_BYTES, and how many bytes that is: 0 for nothing. */
  readonly said = plainBytes(Buffer.alloc(MANY * SAID_BYTES));
  readonly saidBytes = new Uint8Array(MANY);
  /** Channels that they ask for by that, with the cursors that their sessions begin with; null where it is something else. */
  readonly channels = new Array<OpenChannel | null>(MANY).fill(null);
  readonly cursors = new Array<EncodedCursor | null>(MANY).fill(null);
  readonly #cursors = EncodedCursor.many(MANY);
  count = 0;
  /** What all have in common. */
  record: SessionRecord | null = null;

  get isFull(): boolean {
    return this.count === MANY;
  }

  add(row: Row, generation: number, hold: Hold): void {
    const at = this.count;
    this.rows[at] = row;
    this.generations[at] = generation;
    this.holds[at] = hold;
    this.saidBytes[at] = 0;
    this.channels[at] = null;
    this.cursors[at] = null;
    this.count = at + 1;
  }

  /** Whether this connection is the last one here and what it says next can be taken along. */
  takes(row: Row, generation: number, length: number): boolean {
    const last = this.count - 1;
    return last >= 0 && this.rows[last] === row && this.generations[last] === generation && this.saidBytes[last] === 0 &&
      length >= WORD && length <= SAID_BYTES;
  }

  /** The last one said it: a copy, by words, of which the last may overlap the one before it. */
  say(view: DataView, address: number, length: number): void {
    const to = (this.count - 1) * SAID_BYTES;
    const said = this.said.view;
    const last = length - WORD;
    for (let i = 0; i < last; i += WORD) said.setInt32(to + i, view.getInt32(address + i, true), true);
    said.setInt32(to + last, view.getInt32(address + last, true), true);
    this.saidBytes[this.count - 1] = length;
  }

  /** By what it said the `i`th asks for the channel. Returns its cursor, to be filled in. */
  ask(i: number, channel: OpenChannel): EncodedCursor {
    const cursor = this.#cursors[i] as EncodedCursor;
    this.channels[i] = channel;
    this.cursors[i] = cursor;
    return cursor;
  }

  saidAt(i: number): number {
    return i * SAID_BYTES;
  }

  /** What the `i`th said is dealt with. */
  answered(i: number): void {
    this.saidBytes[i] = 0;
  }

  /** A copy of what the `i`th said; null for nothing. */
  saidBy(i: number): Buffer | null {
    const length = this.saidBytes[i] as number;
    const at = this.saidAt(i);
    return length === 0 ? null : Buffer.from(this.said.memory.subarray(at, at + length));
  }

  /** Closes up: the `i`th takes an earlier place. */
  move(i: number, to: number): void {
    if (i === to) return;
    this.rows[to] = this.rows[i] as Row;
    this.generations[to] = this.generations[i] as number;
    this.holds[to] = this.holds[i] as Hold;
    this.ids.copyWithin(to * ID_WORDS, i * ID_WORDS, (i + 1) * ID_WORDS);
    this.said.memory.copyWithin(this.saidAt(to), this.saidAt(i), this.saidAt(i + 1));
    this.saidBytes[to] = this.saidBytes[i] as number;
    this.channels[to] = this.channels[i] as OpenChannel | null;
    this.cursors[to] = this.cursors[i] as EncodedCursor | null;
    // Each has its own still.
    const mine = this.#cursors[to] as EncodedCursor;
    this.#cursors[to] = this.#cursors[i] as EncodedCursor;
    this.#cursors[i] = mine;
  }
}
