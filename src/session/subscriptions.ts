/**
 * Who is subscribed to what, in columns of typed arrays: a node for each subscription, in a list of its row and in one of its
 * channel. The few of most rows are looked through; those of rows with many are found through a hash index. Links hold node + 1, and what
 * is zero already is not written: a page that only held zeros is none.
 */

import type { Row } from '../engine/port.js';
import { HashIndex } from '../store/hash-index.js';

/** Index of a node; -1 for none. */
export type Subscription = number;

const NONE = -1;
const INITIAL = 256;
/** Rows with more subscriptions have theirs in the index. */
const FEW = 8;

export class Subscriptions {
  readonly #firstOfRow: Int32Array;
  readonly #countOfRow: Uint16Array;
  #firstOfChannel: Int32Array = new Int32Array(INITIAL);
  #countOfChannel = new Uint32Array(INITIAL);
  #row: Int32Array;
  #channel: Int32Array;
  #nextInRow: Int32Array;
  #prevInRow: Int32Array;
  #nextInChannel: Int32Array;
  #prevInChannel: Int32Array;
  #liveFrom: Uint32Array;
  #restoredFrom: Uint32Array;
  #told: Uint8Array;
  /** Node + 1. */
  #free = 0;
  #used = 0;
  #count = 0;
  /** Rows that were used. */
  #rowsUsed = 0;
  readonly #index: HashIndex;

  /** Reserved are as many nodes as rows: growing them by copying would hold up everybody where there are millions. */
  constructor(rows: number) {
    this.#firstOfRow = new Int32Array(rows);
    this.#countOfRow = new Uint16Array(rows);
    const nodes = Math.max(rows, INITIAL);
    this.#row = new Int32Array(nodes);
    this.#channel = new Int32Array(nodes);
    this.#nextInRow = new Int32Array(nodes);
    this.#prevInRow = new Int32Array(nodes);
    this.#nextInChannel = new Int32Array(nodes);
    this.#prevInChannel = new Int32Array(nodes);
    this.#liveFrom = new Uint32Array(nodes);
    this.#restoredFrom = new Uint32Array(nodes);
    this.#told = new Uint8Array(nodes);
    this.#index = new HashIndex((node) => hashOf(this.#row[node] as number, this.#channel[node] as number), INITIAL);
  }

  get count(): number {
    return this.#count;
  }

  /** Bytes in use; reserved ones that nothing has touched take no memory. */
  get memoryBytes(): number {
    // Of nodes that are their row's only one neither the links within the row nor the rest is ever written.
    const others = Math.max(0, this.#used - this.#rowsUsed);
    return this.#used * 20 + others * 13 + this.#rowsUsed * 6 + this.#firstOfChannel.length * 8 + this.#index.bytes;
  }

  countOfRow(row: Row): number {
    return this.#countOfRow[row] as number;
  }

  countOfChannel(channel: number): number {
    return channel < this.#countOfChannel.length ? (this.#countOfChannel[channel] as number) : 0;
  }

  find(row: Row, channel: number): Subscription {
    if ((this.#countOfRow[row] as number) <= FEW) {
      let node = this.#first(row);
      while (node !== NONE && this.#channel[node] !== channel) node = this.#next(node);
      return node;
    }
    const index = this.#index;
    for (let at = index.first(hashOf(row, channel)), node; (node = index.value(at)) >= 0; at = index.next(at)) {
      if (this.#row[node] === row && this.#channel[node] === channel) return node;
    }
    return NONE;
  }

  /** Reads what add() will read of the channel, so that it is there by then; what this gives says nothing. */
  readAhead(channel: number): number {
    if (channel >= this.#firstOfChannel.length) return 0;
    const first = this.#firstOfChannel[channel] as number;
    return (this.#countOfChannel[channel] as number) + (first === 0 ? 0 : (this.#prevInChannel[first - 1] as number));
  }

  /** The pair must not be subscribed yet. */
  add(row: Row, channel: number): Subscription {
    const node = this.#take();
    this.#growChannels(channel);
    const inRow = this.#firstOfRow[row] as number;
    const inChannel = this.#firstOfChannel[channel] as number;
    if (row >= this.#rowsUsed) this.#rowsUsed = row + 1;
    this.#row[node] = row;
    this.#channel[node] = channel;
    put(this.#liveFrom, node, 0);
    put(this.#restoredFrom, node, 0);
    put(this.#told, node, 0);
    put(this.#nextInRow, node, inRow);
    put(this.#prevInRow, node, 0);
    put(this.#nextInChannel, node, inChannel);
    put(this.#prevInChannel, node, 0);
    if (inRow !== 0) this.#prevInRow[inRow - 1] = node + 1;
    if (inChannel !== 0) this.#prevInChannel[inChannel - 1] = node + 1;
    this.#firstOfRow[row] = node + 1;
    this.#firstOfChannel[channel] = node + 1;
    const count = (this.#countOfRow[row] as number) + 1;
    this.#countOfRow[row] = count;
    this.#countOfChannel[channel] = (this.#countOfChannel[channel] as number) + 1;
    this.#count += 1;
    if (count === FEW + 1) this.#enter(row);
    else if (count > FEW) this.#index.insert(hashOf(row, channel), node);
    return node;
  }

  remove(node: Subscription): void {
    const row = this.#row[node] as number;
    const channel = this.#channel[node] as number;
    const count = this.#countOfRow[row] as number;
    if (count > FEW) this.#index.remove(hashOf(row, channel), node);
    this.#unlink(node, row, channel);
    this.#countOfRow[row] = count - 1;
    this.#countOfChannel[channel] = (this.#countOfChannel[channel] as number) - 1;
    this.#count -= 1;
    if (count === FEW + 1) this.#leave(row);
    put(this.#nextInRow, node, this.#free);
    this.#free = node + 1;
  }

  #enter(row: Row): void {
    for (let node = this.#first(row); node !== NONE; node = this.#next(node)) {
      this.#index.insert(hashOf(row, this.#channel[node] as number), node);
    }
  }

  #leave(row: Row): void {
    for (let node = this.#first(row); node !== NONE; node = this.#next(node)) {
      this.#index.remove(hashOf(row, this.#channel[node] as number), node);
    }
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
    put(this.#liveFrom, node, seq >>> 0);
  }

  /** First server_seq (its low 32 bits) that the row gets because its session was resumed; 0 when it subscribed by itself. */
  restoredFrom(node: Subscription): number {
    return this.#restoredFrom[node] as number;
  }

  setRestoredFrom(node: Subscription, seq: number): void {
    put(this.#restoredFrom, node, seq >>> 0);
  }

  /** Whether the device tells by itself how far it has the channel. */
  isTold(node: Subscription): boolean {
    return this.#told[node] === 1;
  }

  setTold(node: Subscription): void {
    this.#told[node] = 1;
  }

  channelsOf(row: Row, visit: (channel: number) => void): void {
    for (let node = this.#first(row); node !== NONE; node = this.#next(node)) {
      visit(this.#channel[node] as number);
    }
  }

  /** Rows subscribed to the channel, the latest first, at most `limit`. */
  membersOf(channel: number, limit: number): Row[] {
    const rows: Row[] = [];
    if (channel >= this.#firstOfChannel.length) return rows;
    let link = this.#firstOfChannel[channel] as number;
    for (; link !== 0 && rows.length < limit; link = this.#nextInChannel[link - 1] as number) rows.push(this.#row[link - 1] as number);
    return rows;
  }

  #next(node: Subscription): Subscription {
    return (this.#nextInRow[node] as number) - 1;
  }

  #first(row: Row): Subscription {
    return (this.#firstOfRow[row] as number) - 1;
  }

  #unlink(node: Subscription, row: Row, channel: number): void {
    const nextInRow = this.#nextInRow[node] as number;
    const prevInRow = this.#prevInRow[node] as number;
    if (prevInRow === 0) this.#firstOfRow[row] = nextInRow;
    else this.#nextInRow[prevInRow - 1] = nextInRow;
    if (nextInRow !== 0) this.#prevInRow[nextInRow - 1] = prevInRow;
    const nextInChannel = this.#nextInChannel[node] as number;
    const prevInChannel = this.#prevInChannel[node] as number;
    if (prevInChannel === 0) this.#firstOfChannel[channel] = nextInChannel;
    else this.#nextInChannel[prevInChannel - 1] = nextInChannel;
    if (nextInChannel !== 0) this.#prevInChannel[nextInChannel - 1] = prevInChannel;
  }

  #take(): Subscription {
    if (this.#free !== 0) {
      const node = this.#free - 1;
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
    this.#firstOfChannel = grown(this.#firstOfChannel, size);
    this.#countOfChannel = widened(this.#countOfChannel, new Uint32Array(size));
  }
}

function put(column: Int32Array | Uint32Array | Uint8Array, at: number, value: number): void {
  if (column[at] !== value) column[at] = value;
}

function widened<T extends Uint32Array | Uint8Array>(old: T, larger: T): T {
  larger.set(old);
  return larger;
}

function grown(old: Int32Array, size: number): Int32Array {
  const larger = new Int32Array(size);
  larger.set(old);
  return larger;
}

function hashOf(row: Row, channel: number): number {
  return Math.imul(row, 0x9e3779b1) ^ Math.imul(channel, 0x85ebca6b);
}
