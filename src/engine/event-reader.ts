/** The control plane's end of one core's event ring. */
import { RegionError } from '../errors.js';
import { EVENT, FLAG, NOTICE, RING, SECTION_KIND } from './layout.js';
import type { EngineEvents, EngineNotice, OpenRequest } from './port.js';
import type { RegionView } from './region.js';
import type { EventState } from './snapshot.js';

const WORDS = RING.RECORD_BYTES / 4;

/** Tells the core that `count` events from ring position `first` on are done with. */
export type Confirm = (first: number, count: number) => void;

const NOTICES = new Map<number, EngineNotice>([
  [NOTICE.FILE_LIMIT, 'file_limit'],
  [NOTICE.FILE_LIMIT_OVER, 'file_limit_over'],
  [NOTICE.RECEIVE_EXHAUSTED, 'receive_exhausted'],
  [NOTICE.LISTEN_ERROR, 'listen_error'],
  [NOTICE.ASSEMBLY_EXHAUSTED, 'assembly_exhausted'],
  [NOTICE.TABLE_FULL, 'table_full'],
]);

export class EventReader {
  readonly #core: number;
  readonly #firstRow: number;
  readonly #header: Int32Array;
  readonly #records: Int32Array;
  readonly #mask: number;
  readonly #memory: Buffer;
  readonly #generations: Int32Array;
  #read: number;
  /** Events delivered since the start; what positions are counted in. */
  #position = 0;
  #confirmed = 0;
  /** Position of the event that is being delivered. */
  #current = 0;
  /** Held positions, ascending. */
  readonly #held: number[] = [];
  /** Events of this turn that have led to commands, in runs of [from, to): pairs of positions. */
  readonly #acted: number[] = [];
  /** The run that may still grow. */
  #actedFrom = 0;
  #actedTo = 0;
  /** What the former control plane had in hand; null once that is over. */
  #former: EventState | null = null;
  readonly #size: number;
  readonly #rows: number;
  readonly #opening: Opening;

  constructor(region: RegionView, memory: Buffer, core: number, generations: Int32Array, former: EventState | null = null) {
    const ring = region.section(SECTION_KIND.EVENT_RING, core);
    this.#core = core;
    this.#firstRow = core * region.connectionsPerCore;
    this.#header = new Int32Array(region.buffer, ring.offset, RING.RECORDS / 4);
    this.#records = new Int32Array(region.buffer, ring.offset + RING.RECORDS, ring.elementCount * WORDS);
    this.#opening = new Opening(this.#records);
    this.#mask = ring.elementCount - 1;
    this.#memory = memory;
    this.#generations = generations;
    this.#size = region.buffer.byteLength;
    this.#rows = region.connectionsPerCore;
    this.#read = Atomics.load(this.#header, RING.TAIL / 4);
    if (former === null) return;
    this.#read = former.oldest | 0;
    this.#former = former;
  }

  /**
   * Delivers what is there, but about `most` events; returns how many there were. `commands` grows with each command that is written.
   * Throws RegionError when the ring holds what no engine writes.
   */
  drain(events: EngineEvents, commands: () => number, most: number): number {
    const head = Atomics.load(this.#header, RING.HEAD / 4);
    const count = (head - this.#read) | 0;
    if (count <= 0 && count !== 0) throw new RegionError('the event ring has gone back');
    if (count === 0) return 0;
    if (count > this.#mask + 1) throw new RegionError('the event ring holds more than there is room for');
    const records = this.#records;
    let left = most < count ? most : count;
    while (left > 0) {
      const at = (this.#read & this.#mask) * WORDS;
      const type = records[at]! & 0xff;
      // An event counts as delivered before its handler runs: one that throws is not called again for the same event.
      const taken = type === EVENT.OPEN ? 2 : 1;
      const ring = this.#read;
      left -= taken;
      this.#current = this.#position;
      this.#read = (ring + taken) | 0;
      this.#position += taken;
      if (this.#former !== null && this.#isOver(ring, at)) continue;
      const before = commands();
      if (type === EVENT.MESSAGE) this.#message(at, events);
      else this.#deliver(at, events);
      if (commands() !== before) this.#act(taken);
    }
    events.onTurnEnd(this.#core, this.#position);
    return count;
  }

  /** Of the events that the former control plane had in hand: whether there is nothing left to do about this one. */
  #isOver(ring: number, at: number): boolean {
    const former = this.#former as EventState;
    if (((ring - former.end) | 0) >= 0) {
      this.#former = null;
      return false;
    }
    if (former.done.has(ring >>> 0)) return true;
    const type = this.#records[at]! & 0xff;
    // The connections and how far each is are known from the engine's account; what was left undone of them are messages and ends.
    if (type !== EVENT.MESSAGE && type !== EVENT.CLOSE) return type !== EVENT.NOTICE;
    return this.#generations[this.#firstRow + this.#records[at + 1]!] !== this.#records[at + 2]!;
  }

  #act(taken: number): void {
    const from = this.#current;
    if (this.#actedTo !== from || this.#held.length > 0) this.#beginRun(from, taken);
    else this.#actedTo = from + taken;
  }

  #beginRun(from: number, taken: number): void {
    if (this.#held.at(-1) === from) return;
    if (this.#actedTo !== from) this.#endRun(from);
    this.#actedTo = from + taken;
  }

  #endRun(next: number): void {
    if (this.#actedTo !== this.#actedFrom) this.#acted.push(this.#actedFrom, this.#actedTo);
    this.#actedFrom = this.#actedTo = next;
  }

  /** Keeps the event that is being delivered from being confirmed. */
  hold(): number {
    if (this.#held.at(-1) !== this.#current) this.#held.push(this.#current);
    return this.#current;
  }

  letGo(position: number, emit: Confirm): void {
    const at = this.#held.lastIndexOf(position);
    if (at < 0) return;
    this.#held.splice(at, 1);
    // At once: a confirmation that comes later, with a commit that is under way, would part it from its answer.
    emit(this.#ringOf(position), 1);
  }

  /** Gives the events up to `position` back to the core, but for those that are held. */
  confirm(position: number, emit: Confirm): void {
    if (position <= this.#confirmed || position > this.#position) return;
    let from = this.#confirmed;
    this.#confirmed = position;
    for (const held of this.#held) {
      if (held < from) continue;
      if (held >= position) break;
      if (held > from) emit(this.#ringOf(from), held - from);
      from = held + 1;
    }
    if (position > from) emit(this.#ringOf(from), position - from);
  }

  /** At the end of a turn: what led to commands is done with, whatever else of the turn is not. */
  confirmActed(emit: Confirm): void {
    const acted = this.#acted;
    this.#endRun(this.#position);
    for (let i = 0; i < acted.length; i += 2) {
      const from = Math.max(acted[i]!, this.#confirmed);
      const to = acted[i + 1]!;
      if (to > from) emit(this.#ringOf(from), to - from);
    }
    acted.length = 0;
  }

  #ringOf(position: number): number {
    return (this.#read - (this.#position - position)) | 0;
  }

  /** Announces that this side sleeps; false when something came meanwhile. */
  prepareSleep(): boolean {
    Atomics.store(this.#header, RING.CONSUMER_SLEEPING / 4, 1);
    if (Atomics.load(this.#header, RING.HEAD / 4) === this.#read) return true;
    this.wake();
    return false;
  }

  wake(): void {
    Atomics.store(this.#header, RING.CONSUMER_SLEEPING / 4, 0);
  }

  /** Nearly all events are messages: the one kind whose delivery is small enough for V8 to be a part of the loop. */
  #message(at: number, events: EngineEvents): void {
    const records = this.#records;
    const slot = records[at + 1]! >>> 0;
    const address = records[at + 3]! >>> 0;
    const length = records[at + 4]! >>> 0;
    if (slot >= this.#rows || address + length > this.#size) this.#check(EVENT.MESSAGE, slot);
    events.onMessage(this.#firstRow + slot, address, length, records[at + 5]! >>> 0, ((records[at]! >> 8) & FLAG.TEXT) !== 0);
  }

  #deliver(at: number, events: EngineEvents): void {
    const records = this.#records;
    const head = records[at]!;
    const slot = records[at + 1]! >>> 0;
    const row = this.#firstRow + slot;
    // An index or a length that the other process damaged must not be taken for somebody else's connection or bytes.
    if (slot >= this.#rows || (records[at + 3]! >>> 0) + (records[at + 4]! >>> 0) > this.#size) this.#check(head & 0xff, slot);
    switch (head & 0xff) {
      case EVENT.OPEN:
        this.#generations[row] = records[at + 2]!;
        events.onOpen(row, this.#request(at));
        return;
      case EVENT.CLOSE: {
        const address = records[at + 3]! >>> 0;
        const length = records[at + 4]! >>> 0;
        events.onClose(row, head >>> 16, length === 0 ? '' : this.#memory.toString('utf8', address, address + length));
        return;
      }
      case EVENT.WRITABLE:
        if (this.#generations[row] === records[at + 2]!) events.onWritable(row);
        return;
      case EVENT.LAGGING:
        if (this.#generations[row] === records[at + 2]!) {
          events.onLagging(row, records[at + 5]! >>> 0, (records[at + 6]! >>> 0) + (records[at + 7]! >>> 0) * 2 ** 32);
        }
        return;
      case EVENT.NOTICE:
        events.onNotice(NOTICES.get(head >>> 16) ?? 'listen_error', this.#core, records[at + 5]! >>> 0);
        return;
      default:
        throw new RegionError(`the event ring holds an event of kind ${head & 0xff}`);
    }
  }

  #check(type: number, slot: number): void {
    const named = type === EVENT.OPEN || type === EVENT.MESSAGE || type === EVENT.CLOSE;
    if (slot >= this.#rows) throw new RegionError(`the event ring names a connection ${slot} that cannot be`);
    if (named) throw new RegionError('the event ring names bytes outside of the region');
  }

  /** An opening is two records; the second has the peer's address. */
  #request(at: number): OpenRequest {
    this.#opening.at(at, (((at / WORDS) + 1) & this.#mask) * WORDS);
    return this.#opening;
  }
}

/** One object for all: what nobody asks for costs nothing. */
class Opening implements OpenRequest {
  readonly #records: Int32Array;
  #first = 0;
  #second = 0;

  constructor(records: Int32Array) {
    this.#records = records;
  }

  at(first: number, second: number): void {
    this.#first = first;
    this.#second = second;
  }

  get address(): number {
    return this.#records[this.#first + 3]! >>> 0;
  }

  get length(): number {
    return this.#records[this.#first + 4]! >>> 0;
  }

  get peerAddress(): string {
    const bytes = Buffer.from(this.#records.buffer, this.#records.byteOffset + this.#second * 4 + 12, 16);
    const family = this.#records[this.#second]! >>> 16;
    return family === 6 ? ipv6(bytes) : `${bytes[0]}.${bytes[1]}.${bytes[2]}.${bytes[3]}`;
  }

  get peerPort(): number {
    return this.#records[this.#second + 7]! >>> 0;
  }
}

function ipv6(bytes: Buffer): string {
  const groups: string[] = [];
  for (let i = 0; i < 16; i += 2) groups.push(bytes.readUInt16BE(i).toString(16));
  // URL's parser knows the canonical text form (RFC 5952).
  return new URL(`http://[${groups.join(':')}]/`).hostname.slice(1, -1);
}
