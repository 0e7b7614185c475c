/**
 * Who is subscribed to what, in columns of typed arrays: a node for each subscription, in a list of its row and in one of its
 * channel, found by (row, channel) through a hash index. Every operation is O(1); nodes are reused through a free list.
 */

import type { Row } from '../engine/port.js';
import { HashIndex } from '../store/hash-index.js';

/** Index of a node; -1 for none. */
export type Subscription = number;

const NONE = -1;
const INITIAL = 256;

export class Subscriptions {
  /** Node + 1, so that rows without a subscription leave their pages untouched. */
  readonly #firstOfRow: Int32Array;
  readonly #countOfRow: Uint16Array;
  #firstOfChannel = new Int32Array(INITIAL).fill(NONE);
  #countOfChannel = new Uint32Array(INITIAL);
  #row = new Int32Array(INITIAL);
  #channel = new Int32Array(INITIAL);
  #nextInRow = new Int32Array(INITIAL);
  #prevInRow = new Int32Array(INITIAL);
  #nextInChannel = new Int32Array(INITIAL);
  #prevInChannel = new Int32Array(INITIAL);
  #liveFrom = new Uint32Array(INITIAL);
  #restoredFrom = new Uint32Array(INITIAL);
  #told = new Uint8Array(INITIAL);
  #free = NONE;
  #used = 0;
  readonly #index: HashIndex;

  constructor(rows: number) {
    this.#firstOfRow = new Int32Array(rows);
    this.#countOfRow = new Uint16Array(rows);
    this.#index = new HashIndex((node) => hashOf(this.#row[node] as number, this.#channel[node] as number), INITIAL);
  }

  get count(): number {
    return this.#index.count;
  }

  get memoryBytes(): number {
    const nodes = this.#row.length * (8 * 4 + 1);
    return nodes + this.#firstOfRow.length * 6 + this.#firstOfChannel.length * 8 + this.#index.bytes;
  }

  countOfRow(row: Row): number {
    return this.#countOfRow[row] as number;
  }

  countOfChannel(channel: number): number {
    return channel < this.#countOfChannel.length ? (this.#countOfChannel[channel] as number) : 0;
  }

  find(row: Row, channel: number): Subscription {
    const index = this.#index;
    for (let at = index.first(hashOf(row, channel)), node; (node = index.value(at)) >= 0; at = index.next(at)) {
      if (this.#row[node] === row && this.#channel[node] === channel) return node;
    }
    return NONE;
  }

  /** The pair must not be subscribed yet. */
  add(row: Row, channel: number): Subscription {
    const node = this.#take();
    this.#growChannels(channel);
    const inRow = this.#first(row);
    const inChannel = this.#firstOfChannel[channel] as number;
    this.#row[node] = row;
    this.#channel[node] = channel;
    this.#liveFrom[node] = 0;
    this.#restoredFrom[node] = 0;
    this.#told[node] = 0;
    this.#nextInRow[node] = inRow;
    this.#prevInRow[node] = NONE;
    this.#nextInChannel[node] = inChannel;
    this.#prevInChannel[node] = NONE;
    if (inRow !== NONE) this.#prevInRow[inRow] = node;
    if (inChannel !== NONE) this.#prevInChannel[inChannel] = node;
    this.#firstOfRow[row] = node + 1;
    this.#firstOfChannel[channel] = node;
    this.#countOfRow[row] = (this.#countOfRow[row] as number) + 1;
    this.#countOfChannel[channel] = (this.#countOfChannel[channel] as number) + 1;
    this.#index.insert(hashOf(row, channel), node);
    return node;
  }

  remove(node: Subscription): void {
    const row = this.#row[node] as number;
    const channel = this.#channel[node] as number;
    this.#index.remove(hashOf(row, channel), node);
    this.#unlink(node, row, channel);
    this.#countOfRow[row] = (this.#countOfRow[row] as number) - 1;
    this.#countOfChannel[channel] = (this.#countOfChannel[channel] as number) - 1;
    this.#nextInRow[node] = this.#free;
    this.#free = node;
  }

  /** Removes all subscriptions of a row. */
  removeRow(row: Row): void {
    for (let node = this.#first(row); node !== NONE; node = this.#first(row)) this.remove(node);
  }

  /** First server_seq (its low 32 bits) that the engine delivers by the latest subscribe command. */
  liveFrom(node: Subscription): number {
    return this.#liveFrom[node] as number;
  }

  setLiveFrom(node: Subscription, seq: number): void {
    this.#liveFrom[node] = seq >>> 0;
  }

  /** First server_seq (its low 32 bits) that the row gets because its session was resumed; 0 when it subscribed by itself. */
  restoredFrom(node: Subscription): number {
    return this.#restoredFrom[node] as number;
  }

  setRestoredFrom(node: Subscription, seq: number): void {
    this.#restoredFrom[node] = seq >>> 0;
  }

  /** Whether the device tells by itself how far it has the channel. */
  isTold(node: Subscription): boolean {
    return this.#told[node] === 1;
  }

  setTold(node: Subscription): void {
    this.#told[node] = 1;
  }

  channelsOf(row: Row, visit: (channel: number) => void): void {
    for (let node = this.#first(row); node !== NONE; node = this.#nextInRow[node] as number) {
      visit(this.#channel[node] as number);
    }
  }

  /** Rows subscribed to the channel, the latest first, at most `limit`. */
  membersOf(channel: number, limit: number): Row[] {
    const rows: Row[] = [];
    if (channel >= this.#firstOfChannel.length) return rows;
    let node = this.#firstOfChannel[channel] as number;
    for (; node !== NONE && rows.length < limit; node = this.#nextInChannel[node] as number) rows.push(this.#row[node] as number);
    return rows;
  }

  #first(row: Row): Subscription {
    return (this.#firstOfRow[row] as number) - 1;
  }

  #unlink(node: Subscription, row: Row, channel: number): void {
    const nextInRow = this.#nextInRow[node] as number;
    const prevInRow = this.#prevInRow[node] as number;
    if (prevInRow === NONE) this.#firstOfRow[row] = nextInRow + 1;
    else this.#nextInRow[prevInRow] = nextInRow;
    if (nextInRow !== NONE) this.#prevInRow[nextInRow] = prevInRow;
    const nextInChannel = this.#nextInChannel[node] as number;
    const prevInChannel = this.#prevInChannel[node] as number;
    if (prevInChannel === NONE) this.#firstOfChannel[channel] = nextInChannel;
    else this.#nextInChannel[prevInChannel] = nextInChannel;
    if (nextInChannel !== NONE) this.#prevInChannel[nextInChannel] = prevInChannel;
  }

  #take(): Subscription {
    if (this.#free !== NONE) {
      const node = this.#free;
      this.#free = this.#nextInRow[node] as number;
      return node;
    }
    if (this.#used === this.#row.length) this.#growNodes();
    this.#used += 1;
    return this.#used - 1;
  }

  #growNodes(): void {
    const size = this.#row.length * 2;
    this.#row = grown(this.#row, size);
    this.#channel = grown(this.#channel, size);
    this.#nextInRow = grown(this.#nextInRow, size);
    this.#prevInRow = grown(this.#prevInRow, size);
    this.#nextInChannel = grown(this.#nextInChannel, size);
    this.#prevInChannel = grown(this.#prevInChannel, size);
    this.#liveFrom = widened(this.#liveFrom, new Uint32Array(size));
    this.#restoredFrom = widened(this.#restoredFrom, new Uint32Array(size));
    this.#told = widened(this.#told, new Uint8Array(size));
  }

  #growChannels(channel: number): void {
    if (channel < this.#firstOfChannel.length) return;
    const old = this.#firstOfChannel.length;
    const size = Math.max(old * 2, channel + 1);
    this.#firstOfChannel = grown(this.#firstOfChannel, size).fill(NONE, old);
    this.#countOfChannel = widened(this.#countOfChannel, new Uint32Array(size));
  }
}

function widened<T extends Uint32Array | Uint8Array>(old: T, larger: T): T {
  larger.set(old);
  return larger;
}

function grown(old: Int32Array<ArrayBuffer>, size: number): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(size);
  larger.set(old);
  return larger;
}

function hashOf(row: Row, channel: number): number {
  return Math.imul(row, 0x9e3779b1) ^ Math.imul(channel, 0x85ebca6b);
}
