/** What a detached engine tells a control plane that attaches: native/core/snapshot.hpp names the format. */
import { RegionError } from '../errors.js';

/** Connections and what the former control plane left about them, in place: there may be millions. */
export interface RowStates {
  readonly count: number;
  /** core × connectionsPerCore + slot. */
  row(index: number): number;
  generation(index: number): number;
  /** Place of the note in `bytes`, at a whole word; with length 0 where there was no session yet. */
  noteAt(index: number): number;
  noteLength(index: number): number;
  readonly bytes: Buffer;
  /** The same memory. */
  readonly words: Uint32Array;
}

/** Subscriptions that are live, those of a channel one behind the other. */
export interface LiveSubscriptions {
  readonly count: number;
  row(index: number): number;
  channelId(index: number): number;
}

/** A subscription that is not. */
export interface SubscriptionState {
  readonly row: number;
  readonly channelId: number;
  /** First server_seq that the row was not sent. */
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
  /** By core. */
  readonly rows: readonly RowStates[];
  readonly live: readonly LiveSubscriptions[];
  readonly behind: readonly SubscriptionState[];
  readonly marks: readonly SubscriptionMark[];
  readonly channelNotes: readonly ChannelNote[];
  /** Lowest server_seq that each channel which is listened to was published up to, over the cores. */
  readonly published: ReadonlyMap<number, number>;
}

export const SNAPSHOT_MAGIC = 0x32504e53;
const ROW_WORDS = 5;
const STATE_WORDS = 4;
const THREE_WORDS = 3;

const CUT_OFF = "the engine's account of its connections is cut off";
const DAMAGED = "the engine's account of its connections is damaged";

class Reader {
  readonly bytes: Buffer;
  readonly words: Uint32Array;
  at = 0;

  constructor(bytes: Buffer) {
    if (bytes.length % 4 !== 0 || bytes.byteOffset % 4 !== 0) throw new RegionError(CUT_OFF);
    this.bytes = bytes;
    this.words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  }

  get ended(): boolean {
    return this.at >= this.words.length;
  }

  word(): number {
    if (this.ended) throw new RegionError(CUT_OFF);
    return this.words[this.at++] as number;
  }

  seq(): number {
    return this.word() + this.word() * 2 ** 32;
  }

  /** Leaves out `count` entries of so many words and returns where they begin; they are there. */
  skip(count: number, words: number): number {
    const at = this.at;
    this.at += count * words;
    if (this.at > this.words.length) throw new RegionError(CUT_OFF);
    return at;
  }

  /** Entries of which there are few. */
  list<T>(count: number, words: number, read: () => T): T[] {
    const end = this.skip(count, words) + count * words;
    this.at = end - count * words;
    return Array.from({ length: count }, read);
  }
}

/** Rows of one core; every slot and note was checked to lie where it may. */
class Rows implements RowStates {
  readonly count: number;
  readonly bytes: Buffer;
  readonly words: Uint32Array;
  readonly #at: number;
  readonly #firstRow: number;
  readonly #notes: number;

  constructor({ bytes, words }: Reader, at: number, count: number, firstRow: number, notes: number) {
    this.bytes = bytes;
    this.words = words;
    this.count = count;
    this.#at = at;
    this.#firstRow = firstRow;
    this.#notes = notes * 4;
  }

  row(index: number): number {
    return this.#firstRow + (this.words[this.#at + index * ROW_WORDS] as number);
  }
  generation(index: number): number {
    return this.words[this.#at + index * ROW_WORDS + 1] as number;
  }
  noteAt(index: number): number {
    return this.#notes + (this.words[this.#at + index * ROW_WORDS + 3] as number);
  }
  noteLength(index: number): number {
    return this.words[this.#at + index * ROW_WORDS + 4] as number;
  }
}

class Live implements LiveSubscriptions {
  readonly count: number;
  readonly #words: Uint32Array;
  readonly #at: number;
  readonly #firstRow: number;

  constructor({ words }: Reader, at: number, count: number, firstRow: number) {
    this.#words = words;
    this.count = count;
    this.#at = at;
    this.#firstRow = firstRow;
  }

  row(index: number): number {
    return this.#firstRow + (this.#words[this.#at + index * 2] as number);
  }
  channelId(index: number): number {
    return this.#words[this.#at + index * 2 + 1] as number;
  }
}

interface Parts {
  readonly events: EventState[];
  readonly rows: RowStates[];
  readonly live: LiveSubscriptions[];
  readonly behind: SubscriptionState[];
  readonly marks: SubscriptionMark[];
  readonly channelNotes: ChannelNote[];
  readonly published: Map<number, number>;
}

/** Throws RegionError for what no engine of this layout writes. */
export function parseSnapshot(bytes: Buffer, cores: number, connectionsPerCore: number): Snapshot {
  const reader = new Reader(bytes);
  const parts: Parts = { events: [], rows: [], live: [], behind: [], marks: [], channelNotes: [], published: new Map() };
  for (let core = 0; core < cores; core++) readCore(reader, core, connectionsPerCore, parts);
  if (!reader.ended) throw new RegionError("the engine's account of its connections is longer than it says");
  return parts;
}

function readCore(reader: Reader, core: number, connectionsPerCore: number, parts: Parts): void {
  if (reader.word() !== SNAPSHOT_MAGIC || reader.word() !== core) throw new RegionError(DAMAGED);
  const oldest = reader.word();
  const end = reader.word();
  const [done, rows, live, behind, marks, published, notes, noteBytes] = Array.from({ length: 8 }, () => reader.word()) as [
    number, number, number, number, number, number, number, number,
  ];
  const firstRow = core * connectionsPerCore;
  const rowOf = (slot: number): number => {
    if (slot >= connectionsPerCore) throw new RegionError(`the engine names a connection ${slot} that cannot be`);
    return firstRow + slot;
  };
  parts.events.push({ oldest, end, done: new Set(reader.list(done, 1, () => reader.word())) });
  const rowsAt = reader.skip(rows, ROW_WORDS);
  const liveAt = reader.skip(live, 2);
  const late = (): SubscriptionState => ({ row: rowOf(reader.word()), channelId: reader.word(), nextSeq: reader.seq() });
  for (const each of reader.list(behind, STATE_WORDS, late)) parts.behind.push(each);
  const mark = (): SubscriptionMark => ({ row: rowOf(reader.word()), channelId: reader.word(), mark: reader.seq() });
  for (const each of reader.list(marks, STATE_WORDS, mark)) parts.marks.push(each);
  for (const [id, seq] of reader.list(published, THREE_WORDS, () => [reader.word(), reader.seq()] as const))
    parts.published.set(id, Math.min(seq, parts.published.get(id) ?? Infinity));
  const channels = reader.list(notes, THREE_WORDS, () => ({ channelId: reader.word(), offset: reader.word(), length: reader.word() }));
  if (noteBytes % 4 !== 0) throw new RegionError(DAMAGED);
  const notesAt = reader.skip(noteBytes / 4, 1);
  for (const { channelId, offset, length } of channels) {
    if (offset + length > noteBytes) throw new RegionError(DAMAGED);
    parts.channelNotes.push({ channelId, note: reader.bytes.subarray(notesAt * 4 + offset, notesAt * 4 + offset + length) });
  }
  checkSlots(reader.words, rowsAt, rows, ROW_WORDS, connectionsPerCore);
  checkSlots(reader.words, liveAt, live, 2, connectionsPerCore);
  checkNotes(reader.words, rowsAt, rows, noteBytes);
  parts.rows.push(new Rows(reader, rowsAt, rows, firstRow, notesAt));
  parts.live.push(new Live(reader, liveAt, live, firstRow));
}

function checkSlots(words: Uint32Array, at: number, count: number, each: number, slots: number): void {
  for (let i = 0; i < count; i++) {
    const slot = words[at + i * each] as number;
    if (slot >= slots) throw new RegionError(`the engine names a connection ${slot} that cannot be`);
  }
}

function checkNotes(words: Uint32Array, at: number, count: number, noteBytes: number): void {
  for (let i = 0; i < count; i++) {
    const offset = words[at + i * ROW_WORDS + 3] as number;
    if (offset % 4 !== 0 || offset + (words[at + i * ROW_WORDS + 4] as number) > noteBytes) throw new RegionError(DAMAGED);
  }
}
