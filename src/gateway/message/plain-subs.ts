/**
 * `sub` as clients write it who want what comes from now on, `{"op":"sub","id":1,"channel":"news"}`: read from its bytes and answered in
 * bytes, where the channel is in use and nothing stands against it. There are as many as connections, so there is no object and no text
 * for any of them. Whatever is otherwise is parsed, and is ops/sub.ts's: what this accepts means the same there.
 */

import type { Row } from '../../engine/port.js';
import { StoreError } from '../../errors.js';
import type { OpenChannel } from '../../sequence/channels.js';
import { copyWords } from '../../store/little-endian.js';
import { ENCODED_BYTES, EncodedCursor } from '../../store/sessions/encoded-cursor.js';
import { stopCatchingUp } from '../../sync/delivery.js';
import type { GatewayContext } from '../context.js';
import { readChannel } from './fields.js';
import { ChannelNames, EPOCH_BYTES_MAX, NAME_BYTES_LEAST, NAME_BYTES_MAX } from './channel-names.js';
import { plainBytes, PlainText, type PlainBytes } from './plain-text.js';

const BEFORE_ID = new PlainText('{"op":"sub","id":');
const BEFORE_NAME = new PlainText(',"channel":"');
const AFTER_NAME_BYTES = 2;
/** With an id and a name of one character each. */
const LEAST_BYTES = BEFORE_ID.length + 1 + BEFORE_NAME.length + 1 + AFTER_NAME_BYTES;
const BEFORE_OK_ID = '{"op":"ok","id":';
const BEFORE_SEQ = ',"server_seq":';
const BEFORE_EPOCH = ',"epoch":"';
/** `sub` and not another operation. */
const OP_AT = 7;

const SPACE = 0x20;
const QUOTE = 0x22;
const ZERO = 0x30;
const NINE = 0x39;
const BACKSLASH = 0x5c;
const LETTER_S = 0x73;
const CLOSE = 0x7d;
const DELETE = 0x7f;

/** Of an id: so many are always exact. */
const ID_DIGITS = 15;
/** Of a position. */
const SEQ_DIGITS = 16;
/** A channel's last use is known to so much. */
const USED_MS = 1000;
/** Behind the epoch, and what copying by words may bring besides. */
const END = QUOTE | (CLOSE << 8);
const END_BYTES = 2;
const SLACK = 4;
const HEAD_BYTES_MAX = BEFORE_OK_ID.length + BEFORE_SEQ.length + BEFORE_EPOCH.length + ID_DIGITS + SEQ_DIGITS;
const REPLY_BYTES_MAX = HEAD_BYTES_MAX + EPOCH_BYTES_MAX + END_BYTES + SLACK;
/** Of so short a text (RFC 6455 §5.2). */
const FRAME_HEADER = 2;
const FIN_TEXT = 0x81;
/** Of an answer as a frame. */
export const JOINED_BYTES_MAX = FRAME_HEADER + REPLY_BYTES_MAX;

/** Takes what several texts name. */
export interface ChannelTaker {
  /** Whoever names this channel may have it made. */
  readonly mayOpen: (name: string) => boolean;
  /** The `i`th of the texts names the channel. Returns a cursor to be filled in, or null. */
  readonly take: (i: number, channel: OpenChannel) => EncodedCursor | null;
}

export class PlainSubs {
  readonly #context: GatewayContext;
  readonly #names = new ChannelNames();
  /** For nameMany(): where names lie, and what they are found as. */
  #ranges = new Int32Array(0);
  #entries = new Int32Array(0);
  /** What answers begin with, up to the epoch, as most have the same id, and channels in which nothing was published the same number. */
  readonly #head = plainBytes(Buffer.alloc(HEAD_BYTES_MAX + SLACK));
  #headBytes = 0;
  #repliedId = '';
  #repliedSeq = -1;
  #seqAt = 0;
  readonly #region: DataView;
  /** For answers for which there is no room in the region. */
  readonly #spare = plainBytes(Buffer.alloc(REPLY_BYTES_MAX));
  readonly #cursor = new EncodedCursor(new DataView(new ArrayBuffer(ENCODED_BYTES)), 0);

  /** Of what joinSoon() has read, which nobody asks for: otherwise a compiler need not read it. */
  readAhead = 0;
  /** Of the turn, read when it is needed; 0 until then. */
  #now = 0;

  /** Whether the message begins as such a `sub` does. */
  static begins(view: DataView, at: number, length: number): boolean {
    return length >= LEAST_BYTES && BEFORE_ID.isAt(view, at);
  }

  constructor(context: GatewayContext) {
    this.#context = context;
    this.#region = plainBytes(context.port.memory).view;
  }

  /** Time goes on. */
  endTurn(): void {
    this.#now = 0;
  }

  /** Of a row whose session is open; false where the message is not such a `sub`, and nothing has been done. */
  take(row: Row, bytes: PlainBytes, at: number, length: number): boolean {
    const from = nameOf(bytes, at, length);
    const entry = from < 0 ? -1 : this.#find(bytes, from, at + length - AFTER_NAME_BYTES);
    if (entry < 0) return false;
    const channel = this.#names.channel(entry);
    if (!channel.inUse || !this.#mayJoin(row, channel)) return false;
    this.#names.copyCursor(entry, this.#cursor);
    this.#enter(row, channel, bytes.memory, at);
    this.#reply(row, this.#cursor);
    this.#context.port.subscribe(row, channel.id, channel.publishedSeq);
    this.#context.keeper.subscribed(row, channel, channel.publishedSeq);
    return true;
  }

  /**
   * Calls `take` with the channel that such a `sub` names, for each of the first `count` texts that is one: each is at its number
   * times `stride` and has up to `most` bytes of so many `lengths`. The cursor of who subscribes to the channel now is written to what
   * `take` returns. A channel that is not in use is opened where that may be: very many may be new at once.
   */
  nameMany(
    bytes: PlainBytes, stride: number, lengths: Uint8Array, count: number, most: number,
    taker: ChannelTaker,
  ): void {
    if (this.#entries.length < count) [this.#ranges, this.#entries] = [new Int32Array(2 * count), new Int32Array(count)];
    const [ranges, entries, names] = [this.#ranges, this.#entries, this.#names];
    for (let i = 0; i < count; i += 1) {
      const length = lengths[i] as number;
      ranges[2 * i] = length > most ? -1 : nameOf(bytes, i * stride, length);
      ranges[2 * i + 1] = (ranges[2 * i] as number) < 0 ? 0 : i * stride + length - AFTER_NAME_BYTES;
    }
    names.findMany(bytes.view, ranges, count, entries);
    const { changes } = names;
    for (let i = 0; i < count; i += 1) {
      const [from, to] = [ranges[2 * i] as number, ranges[2 * i + 1] as number];
      if (to === 0) continue;
      const found = names.changes === changes ? entries[i] as number : -1;
      let entry = found >= 0 && names.channel(found).inUse ? found : this.#find(bytes, from, to);
      if (entry < 0) entry = this.#open(bytes, from, to, taker);
      const cursor = entry < 0 ? null : taker.take(i, names.channel(entry));
      if (cursor !== null) names.copyCursor(entry, cursor);
    }
  }

  /**
   * joinNew() of these channels follows, of which the write of their sessions has taken time: what is read of them has left the cache. In a
   * loop of its own the processor waits for several at a time.
   */
  joinSoon(channels: readonly (OpenChannel | null)[], count: number): void {
    const { subscriptions } = this.#context;
    let read = 0;
    for (let i = 0; i < count; i += 1) {
      const channel = channels[i] as OpenChannel | null;
      if (channel !== null) read += channel.usedAt + subscriptions.readAhead(channel.id);
    }
    this.readAhead = read;
  }

  /**
   * The row, whose session has just been opened and is stored with `cursor`, joins that channel, which the `sub` at `at` names. The answer
   * is written at `to` of `into`, a whole frame in up to JOINED_BYTES_MAX bytes; to send it and to tell the engine is left to who calls
   * this. Returns the frame's bytes; 0 where the row may not join, and nothing has been done.
   */
  joinNew(row: Row, channel: OpenChannel, memory: Buffer, at: number, cursor: EncodedCursor, into: DataView, to: number): number {
    if (!channel.inUse || !this.#mayJoin(row, channel)) return 0;
    this.#enter(row, channel, memory, at);
    const bytes = this.#writeReply(cursor, into, to + FRAME_HEADER);
    into.setUint16(to, FIN_TEXT | (bytes << 8), true);
    if (cursor.seq !== channel.publishedSeq) this.#context.keeper.subscribed(row, channel, channel.publishedSeq);
    return FRAME_HEADER + bytes;
  }

  /** The row gets what comes from now on; the answer's beginning is there. */
  #enter(row: Row, channel: OpenChannel, memory: Buffer, at: number): void {
    const { subscriptions, replays, clock } = this.#context;
    const { publishedSeq } = channel;
    if (this.#now === 0) this.#now = clock.now();
    // Such a number is an object of its own each time, which the collector has to know of.
    if (this.#now - channel.usedAt >= USED_MS) channel.usedAt = this.#now;
    // A sync may be sending what is not subscribed.
    stopCatchingUp(replays, row, channel.id);
    subscriptions.setLiveFrom(subscriptions.add(row, channel.id), publishedSeq + 1);
    const id = at + BEFORE_ID.length;
    this.#writeHead(memory, id, digitsEnd(memory, id), publishedSeq);
  }

  #mayJoin(row: Row, channel: OpenChannel): boolean {
    const { sessions, subscriptions, config } = this.#context;
    return !sessions.isUnconfirmed(row) && sessions.canRead(row, channel.name) && subscriptions.find(row, channel.id) < 0 &&
      subscriptions.countOfRow(row) < config.limits.channelsPerSession;
  }

  /** The entry of the channel; -1 where no channel of this name is in use, or it is not plain ASCII. */
  #find({ memory, view }: PlainBytes, from: number, to: number): number {
    const known = this.#names.find(view, from, to);
    if (known >= 0 && this.#names.channel(known).inUse) return known;
    if (!isPlain(memory, from, to)) return -1;
    const { channels } = this.#context;
    const channel = channels.inUse(memory.latin1Slice(from, to));
    return channel === null ? -1 : this.#names.keep(channel, channels.size);
  }

  /** The entry of the name that find() was just asked for; -1 where the general way has to say what stands against it. */
  #open({ memory }: PlainBytes, from: number, to: number, { mayOpen }: ChannelTaker): number {
    if (!isPlain(memory, from, to)) return -1;
    const name = memory.latin1Slice(from, to);
    const { channels } = this.#context;
    if (readChannel(name) !== name || !mayOpen(name)) return -1;
    try {
      return this.#names.keep(channels.open(name), channels.size);
    } catch (error) {
      if (error instanceof StoreError) return -1;
      throw error;
    }
  }

  #writeHead(memory: Buffer, id: number, idEnd: number, publishedSeq: number): void {
    const head = this.#head.memory;
    if (!isText(memory, id, idEnd, this.#repliedId)) {
      this.#repliedId = memory.latin1Slice(id, idEnd);
      this.#repliedSeq = -1;
      this.#seqAt = head.latin1Write(BEFORE_OK_ID + this.#repliedId + BEFORE_SEQ, 0);
    }
    if (this.#repliedSeq === publishedSeq) return;
    this.#repliedSeq = publishedSeq;
    this.#headBytes = this.#seqAt + head.latin1Write(publishedSeq + BEFORE_EPOCH, this.#seqAt);
  }

  /** Sends the answer: written where it is sent from, if there is room. */
  #reply(row: Row, cursor: EncodedCursor): void {
    const { port } = this.#context;
    const address = port.claimText(row, REPLY_BYTES_MAX);
    if (address >= 0) return port.sendClaimed(row, address, this.#writeReply(cursor, this.#region, address));
    port.sendCopy(row, this.#spare.memory, true, this.#writeReply(cursor, this.#spare.view, 0));
  }

  /** Writes what #writeHead() wrote, with the epoch of the cursor, to up to REPLY_BYTES_MAX bytes; returns how many it has. */
  #writeReply({ view, at }: EncodedCursor, into: DataView, to: number): number {
    const head = this.#headBytes;
    const epochAt = at + 1 + view.getUint8(at);
    const epochBytes = view.getUint8(epochAt);
    copyWords(this.#head.view, 0, head, into, to);
    copyWords(view, epochAt + 1, epochBytes, into, to + head);
    into.setUint16(to + head + epochBytes, END, true);
    return head + epochBytes + END_BYTES;
  }
}

/** Where the name begins in such a `sub`, which it ends with; -1 where the message is none. */
function nameOf({ memory, view }: PlainBytes, at: number, length: number): number {
  if (length < LEAST_BYTES || memory[at + OP_AT] !== LETTER_S || !BEFORE_ID.isAt(view, at)) return -1;
  const idEnd = digitsEnd(memory, at + BEFORE_ID.length);
  const from = idEnd + BEFORE_NAME.length;
  const to = at + length - AFTER_NAME_BYTES;
  if (idEnd < 0 || !BEFORE_NAME.isAt(view, idEnd)) return -1;
  const fits = to - from >= NAME_BYTES_LEAST && to - from <= NAME_BYTES_MAX;
  return fits && memory[to] === QUOTE && memory[to + 1] === CLOSE ? from : -1;
}

function isPlain(memory: Buffer, from: number, to: number): boolean {
  for (let i = from; i < to; i += 1) {
    const char = memory[i] as number;
    if (char < SPACE || char >= DELETE || char === QUOTE || char === BACKSLASH) return false;
  }
  return true;
}

function isText(memory: Buffer, from: number, to: number, text: string): boolean {
  if (text.length !== to - from) return false;
  for (let i = 0; i < text.length; i += 1) if (memory[from + i] !== text.charCodeAt(i)) return false;
  return true;
}

/** Where a whole number ends that JSON writes as it stands there; -1 where there is none. */
function digitsEnd(memory: Buffer, from: number): number {
  let at = from;
  while ((memory[at] as number) >= ZERO && (memory[at] as number) <= NINE) at += 1;
  const digits = at - from;
  // JSON has no leading zeros.
  return digits === 0 || digits > ID_DIGITS || (digits > 1 && memory[from] === ZERO) ? -1 : at;
}
