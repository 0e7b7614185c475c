/** What a detached engine tells a control plane that attaches: native/core/snapshot.hpp names the format. */
import { RegionError } from '../errors.js';

export interface RowState {
  /** core × connectionsPerCore + slot. */
  readonly row: number;
  readonly generation: number;
  /** What the former control plane left about it; empty where there was no session yet. */
  readonly note: Buffer;
}

export interface SubscriptionState {
  readonly row: number;
  readonly channelId: number;
  /** First server_seq that the row was not sent; -1 when it gets the channel live. */
  readonly nextSeq: number;
}

/** What the former control plane left about a subscription. */
export interface SubscriptionMark {
  readonly row: number;
  readonly channelId: number;
  readonly mark: number;
}

export interface ChannelNote {
  readonly channelId: number;
  readonly note: Buffer;
}

/** Where a core's events stand. */
export interface EventState {
  /** Ring positions: of the oldest event that is not done with, and behind the newest that this account knows of. */
  readonly oldest: number;
  readonly end: number;
  /** Events between that are done with. */
  readonly done: ReadonlySet<number>;
}

export interface Snapshot {
  readonly events: readonly EventState[];
  readonly rows: readonly RowState[];
  readonly subscriptions: readonly SubscriptionState[];
  readonly marks: readonly SubscriptionMark[];
  readonly channelNotes: readonly ChannelNote[];
  /** Lowest server_seq that each channel which is listened to was published up to, over the cores. */
  readonly published: ReadonlyMap<number, number>;
}

const MAGIC = 0x32504e53;
const HEADER_WORDS = 12;
const ROW_WORDS = 5;
const STATE_WORDS = 4;
const THREE_WORDS = 3;

class Reader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get ended(): boolean {
    return this.#at >= this.#bytes.length;
  }

  word(): number {
    const at = this.#at;
    this.#at += 4;
    if (this.#at > this.#bytes.length) throw new RegionError("the engine's account of its connections is cut off");
    return this.#bytes.readUInt32LE(at);
  }

  seq(): number {
    return this.word() + this.word() * 2 ** 32;
  }

  /** `count` entries of so many words must be there before anything is made for them. */
  require(count: number, words: number): void {
    if (this.#at + count * words * 4 > this.#bytes.length) throw new RegionError("the engine's account of its connections is cut off");
  }

  /** Bytes in whole words. */
  bytes(length: number): Buffer {
    const at = this.#at;
    this.#at += Math.ceil(length / 4) * 4;
    if (this.#at > this.#bytes.length) throw new RegionError("the engine's account of its connections is cut off");
    return this.#bytes.subarray(at, at + length);
  }
}

interface Parts {
  readonly events: EventState[];
  readonly rows: RowState[];
  readonly subscriptions: SubscriptionState[];
  readonly marks: SubscriptionMark[];
  readonly channelNotes: ChannelNote[];
  readonly published: Map<number, number>;
}

/** Throws RegionError for what no engine of this layout writes. */
export function parseSnapshot(bytes: Buffer, cores: number, connectionsPerCore: number): Snapshot {
  const reader = new Reader(bytes);
  const parts: Parts = { events: [], rows: [], subscriptions: [], marks: [], channelNotes: [], published: new Map() };
  for (let core = 0; core < cores; core++) readCore(reader, core, connectionsPerCore, parts);
  if (!reader.ended) throw new RegionError("the engine's account of its connections is longer than it says");
  return parts;
}

function readCore(reader: Reader, core: number, connectionsPerCore: number, parts: Parts): void {
  reader.require(1, HEADER_WORDS);
  if (reader.word() !== MAGIC || reader.word() !== core) throw new RegionError("the engine's account of its connections is damaged");
  const oldest = reader.word();
  const end = reader.word();
  const [done, rows, live, behind, marks, published, notes, noteBytes] = Array.from({ length: 8 }, () => reader.word()) as [
    number, number, number, number, number, number, number, number,
  ];
  const rowOf = (slot: number): number => {
    if (slot >= connectionsPerCore) throw new RegionError(`the engine names a connection ${slot} that cannot be`);
    return core * connectionsPerCore + slot;
  };
  parts.events.push({ oldest, end, done: new Set(list(reader, done, 1, () => reader.word())) });
  const noted = list(reader, rows, ROW_WORDS, () => {
    const row = rowOf(reader.word());
    const generation = reader.word();
    reader.word();
    return { row, generation, offset: reader.word(), length: reader.word() };
  });
  for (const each of list(reader, live, 2, () => ({ row: rowOf(reader.word()), channelId: reader.word(), nextSeq: -1 })))
    parts.subscriptions.push(each);
  const late = (): SubscriptionState => ({ row: rowOf(reader.word()), channelId: reader.word(), nextSeq: reader.seq() });
  for (const each of list(reader, behind, STATE_WORDS, late)) parts.subscriptions.push(each);
  const mark = (): SubscriptionMark => ({ row: rowOf(reader.word()), channelId: reader.word(), mark: reader.seq() });
  for (const each of list(reader, marks, STATE_WORDS, mark)) parts.marks.push(each);
  for (const [id, seq] of list(reader, published, THREE_WORDS, () => [reader.word(), reader.seq()] as const))
    parts.published.set(id, Math.min(seq, parts.published.get(id) ?? Infinity));
  const channels = list(reader, notes, THREE_WORDS, () => ({ channelId: reader.word(), offset: reader.word(), length: reader.word() }));
  const text = reader.bytes(noteBytes);
  const note = (offset: number, length: number): Buffer => {
    if (offset + length > text.length) throw new RegionError("the engine's account of its connections is damaged");
    return text.subarray(offset, offset + length);
  };
  for (const { row, generation, offset, length } of noted) parts.rows.push({ row, generation, note: note(offset, length) });
  for (const { channelId, offset, length } of channels) parts.channelNotes.push({ channelId, note: note(offset, length) });
}

function list<T>(reader: Reader, count: number, words: number, read: () => T): T[] {
  reader.require(count, words);
  return Array.from({ length: count }, read);
}
