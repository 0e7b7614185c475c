/**
 * `sub` as clients write it who want what comes from now on, `{"op":"sub","id":1,"channel":"news"}`: read from its bytes and answered in
 * bytes, where the channel is in use and nothing stands against it. There are as many as connections, so there is no object and no text
 * for any of them. Whatever is otherwise is parsed, and is ops/sub.ts's: what this accepts means the same there.
 */

import type { Address, Row } from '../../engine/port.js';
import type { OpenChannel } from '../../sequence/channels.js';
import { stopCatchingUp } from '../../sync/delivery.js';
import type { GatewayContext } from '../context.js';
import { CHANNEL_BYTES_MAX } from './fields.js';

const BEFORE_ID = Buffer.from('{"op":"sub","id":');
const BEFORE_NAME = Buffer.from(',"channel":"');
const AFTER_NAME_BYTES = 2;
const BEFORE_OK_ID = Buffer.from('{"op":"ok","id":');
const BEFORE_SEQ = Buffer.from(',"server_seq":');
const BEFORE_EPOCH = Buffer.from(',"epoch":');
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

/** So many digits are always exact. */
const MAX_DIGITS = 15;
/** Places of channels that are found by their names' bytes: two and more for each in use, between these powers of two. */
const PLACES_LEAST = 4096;
const PLACES_MOST = 1 << 20;
const PLACES_PER_CHANNEL = 2;
/** Epochs beyond it are answered as texts. */
const MAX_EPOCH = 64;
/** Knuth's multiplier: names that differ in their last digit are far from one another. */
const SPREAD = 0x9e3779b1;

export class PlainSubs {
  readonly #context: GatewayContext;
  #channels: (OpenChannel | null)[] = places(PLACES_LEAST);
  /** Of their names. */
  #hashes = new Int32Array(PLACES_LEAST);
  #shift = shiftFor(PLACES_LEAST);
  readonly #reply = Buffer.alloc(BEFORE_OK_ID.length + BEFORE_SEQ.length + BEFORE_EPOCH.length + 2 * MAX_DIGITS + MAX_EPOCH + 8);

  /** Of the turn, read when it is needed; 0 until then. */
  #now = 0;

  constructor(context: GatewayContext) {
    this.#context = context;
    BEFORE_OK_ID.copy(this.#reply);
  }

  /** Time goes on. */
  endTurn(): void {
    this.#now = 0;
  }

  /** Of a row whose session is open; false where the message is not such a `sub`, and nothing has been done. */
  take(row: Row, address: Address, length: number): boolean {
    const { memory } = this.#context.port;
    if (memory[address + OP_AT] !== LETTER_S || !isAt(memory, address, BEFORE_ID)) return false;
    const id = address + BEFORE_ID.length;
    const idEnd = digitsEnd(memory, id);
    if (idEnd < 0 || !isAt(memory, idEnd, BEFORE_NAME)) return false;
    const from = idEnd + BEFORE_NAME.length;
    const to = address + length - AFTER_NAME_BYTES;
    if (from >= to || to - from > CHANNEL_BYTES_MAX || memory[to] !== QUOTE || memory[to + 1] !== CLOSE) return false;
    const channel = this.#find(memory, from, to);
    if (channel === null || !this.#mayJoin(row, channel)) return false;
    const end = this.#writeReply(memory, id, idEnd, channel);
    if (end < 0) return false;
    this.#join(row, channel, end);
    return true;
  }

  #join(row: Row, channel: OpenChannel, replyEnd: number): void {
    const { subscriptions, replays, port, keeper, clock } = this.#context;
    const { id, publishedSeq } = channel;
    if (this.#now === 0) this.#now = clock.now();
    channel.usedAt = this.#now;
    // A sync may be sending what is not subscribed.
    stopCatchingUp(replays, row, id);
    const node = subscriptions.add(row, id);
    port.sendCopy(row, this.#reply, true, replyEnd);
    subscriptions.setLiveFrom(node, publishedSeq + 1);
    port.subscribe(row, id, publishedSeq);
    keeper.subscribed(row, channel, publishedSeq);
  }

  #mayJoin(row: Row, channel: OpenChannel): boolean {
    const { sessions, subscriptions, config } = this.#context;
    return !sessions.isUnconfirmed(row) && sessions.canRead(row, channel.name) && subscriptions.find(row, channel.id) < 0 &&
      subscriptions.countOfRow(row) < config.limits.channelsPerSession;
  }

  /** Null where no channel of this name is in use, or the name is not plain ASCII. */
  #find(memory: Buffer, from: number, to: number): OpenChannel | null {
    let hash = to - from;
    for (let i = from; i < to; i += 1) {
      const char = memory[i] as number;
      if (char < SPACE || char >= DELETE || char === QUOTE || char === BACKSLASH) return null;
      hash = (Math.imul(hash, 31) + char) | 0;
    }
    // Another channel's memory is not looked at.
    const first = Math.imul(hash, SPREAD) >>> this.#shift;
    const place = this.#hashes[first] === hash ? first : first ^ 1;
    const known = this.#hashes[place] === hash ? (this.#channels[place] as OpenChannel | null) : null;
    if (known !== null && known.inUse && isText(memory, from, to, known.name)) return known;
    const channel = this.#context.channels.inUse(memory.latin1Slice(from, to));
    if (channel !== null) this.#keep(hash, channel);
    return channel;
  }

  /** Two channels may have the same place: the one that was there has the next to it from here on. */
  #keep(hash: number, channel: OpenChannel): void {
    const wanted = this.#context.channels.size * PLACES_PER_CHANNEL;
    if (wanted > this.#channels.length && this.#channels.length < PLACES_MOST) {
      // Those that were there come again by themselves.
      const size = Math.min(PLACES_MOST, 2 ** Math.ceil(Math.log2(wanted * 2)));
      this.#channels = places(size);
      this.#hashes = new Int32Array(size);
      this.#shift = shiftFor(size);
    }
    const place = Math.imul(hash, SPREAD) >>> this.#shift;
    this.#channels[place ^ 1] = this.#channels[place] as OpenChannel | null;
    this.#hashes[place ^ 1] = this.#hashes[place] as number;
    this.#channels[place] = channel;
    this.#hashes[place] = hash;
  }

  /** Returns where it ends; -1 where its epoch is not plain. */
  #writeReply(memory: Buffer, id: number, idEnd: number, { publishedSeq, epochJson }: OpenChannel): number {
    const reply = this.#reply;
    if (epochJson.length > MAX_EPOCH) return -1;
    let at = BEFORE_OK_ID.length;
    for (let i = id; i < idEnd; i += 1) reply[at++] = memory[i] as number;
    at = putText(reply, putBytes(reply, at, BEFORE_SEQ), String(publishedSeq));
    at = putText(reply, putBytes(reply, at, BEFORE_EPOCH), epochJson);
    if (at < 0) return -1;
    reply[at] = CLOSE;
    return at + 1;
  }
}

function places(count: number): (OpenChannel | null)[] {
  return new Array<OpenChannel | null>(count).fill(null);
}

/** So many of a hash's 32 bits are too many for as many places. */
function shiftFor(count: number): number {
  return 32 - Math.log2(count);
}

function isAt(memory: Buffer, at: number, text: Buffer): boolean {
  for (let i = 0; i < text.length; i += 1) if (memory[at + i] !== text[i]) return false;
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
  return digits === 0 || digits > MAX_DIGITS || (digits > 1 && memory[from] === ZERO) ? -1 : at;
}

function putBytes(into: Buffer, at: number, bytes: Buffer): number {
  for (let i = 0; i < bytes.length; i += 1) into[at + i] = bytes[i] as number;
  return at + bytes.length;
}

/** Returns where it ends; -1 where it is not ASCII. */
function putText(into: Buffer, at: number, text: string): number {
  for (let i = 0; i < text.length; i += 1) {
    const char = text.charCodeAt(i);
    if (char >= DELETE) return -1;
    into[at + i] = char;
  }
  return at + text.length;
}
