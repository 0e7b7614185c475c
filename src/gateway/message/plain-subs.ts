/**
 * `sub` as clients write it who want what comes from now on, `{"op":"sub","id":1,"channel":"news"}`: read from its bytes and answered in
 * bytes, where the channel is in use and nothing stands against it. There are as many as connections, so there is no object and no text
 * for any of them. Whatever is otherwise is parsed, and is ops/sub.ts's: what this accepts means the same there.
 */

import type { Row } from '../../engine/port.js';
import type { OpenChannel } from '../../sequence/channels.js';
import { stopCatchingUp } from '../../sync/delivery.js';
import type { GatewayContext } from '../context.js';
import { ChannelNames, NAME_BYTES_MAX } from './channel-names.js';
import { CHANNEL_BYTES_MAX } from './fields.js';
import { PlainText, type PlainBytes } from './plain-text.js';

const BEFORE_ID = new PlainText('{"op":"sub","id":');
const BEFORE_NAME = new PlainText(',"channel":"');
const AFTER_NAME_BYTES = 2;
/** With an id and a name of one character each. */
const LEAST_BYTES = BEFORE_ID.length + 1 + BEFORE_NAME.length + 1 + AFTER_NAME_BYTES;
const BEFORE_OK_ID = '{"op":"ok","id":';
const BEFORE_SEQ = ',"server_seq":';
const BEFORE_EPOCH = ',"epoch":';
/** No position. */
const NOT_STORED = -1;
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
/** Epochs beyond it are answered as texts. */
const MAX_EPOCH = 64;

export class PlainSubs {
  readonly #context: GatewayContext;
  readonly #names = new ChannelNames();
  readonly #reply = Buffer.alloc(BEFORE_OK_ID.length + BEFORE_SEQ.length + BEFORE_EPOCH.length + 2 * MAX_DIGITS + MAX_EPOCH + 8);
  /** What it begins with stays, as most have the same id, and channels in which nothing was published the same number. */
  #repliedId = '';
  #repliedSeq = -1;
  #seqAt = 0;
  #epochAt = 0;
  /** By their lengths: making one costs more than what is done with it. */
  readonly #replies = Array.from({ length: this.#reply.length + 1 }, (_, length) => this.#reply.subarray(0, length));

  /** Of the turn, read when it is needed; 0 until then. */
  #now = 0;

  /** Whether the message begins as such a `sub` does. */
  static begins(view: DataView, at: number, length: number): boolean {
    return length >= LEAST_BYTES && BEFORE_ID.isAt(view, at);
  }

  constructor(context: GatewayContext) {
    this.#context = context;
  }

  /** Time goes on. */
  endTurn(): void {
    this.#now = 0;
  }

  /** Of a row whose session is open; false where the message is not such a `sub`, and nothing has been done. */
  take(row: Row, bytes: PlainBytes, at: number, length: number): boolean {
    const channel = this.named(bytes, at, length);
    return channel !== null && this.join(row, channel, bytes.memory, at, NOT_STORED);
  }

  /** The channel that such a `sub` names; null where the message is none, or the channel is not in use. */
  named(bytes: PlainBytes, at: number, length: number): OpenChannel | null {
    const { memory, view } = bytes;
    if (length < LEAST_BYTES || memory[at + OP_AT] !== LETTER_S || !BEFORE_ID.isAt(view, at)) return null;
    const idEnd = digitsEnd(memory, at + BEFORE_ID.length);
    const from = idEnd + BEFORE_NAME.length;
    const to = at + length - AFTER_NAME_BYTES;
    if (idEnd < 0 || from >= to || !BEFORE_NAME.isAt(view, idEnd)) return null;
    if (to - from > CHANNEL_BYTES_MAX || memory[to] !== QUOTE || memory[to + 1] !== CLOSE) return null;
    return this.#find(bytes, from, to);
  }

  /**
   * The row, whose session is open, joins the channel that the `sub` at `at` names. `storedSeq`: the session is stored with it already, up
   * to there; NOT_STORED where it is not. False where it may not, and nothing has been done.
   */
  join(row: Row, channel: OpenChannel, memory: Buffer, at: number, storedSeq: number): boolean {
    if (!channel.inUse || !this.#mayJoin(row, channel)) return false;
    const id = at + BEFORE_ID.length;
    const replyEnd = this.#writeReply(memory, id, digitsEnd(memory, id), channel);
    if (replyEnd < 0) return false;
    const { subscriptions, replays, port, keeper, clock } = this.#context;
    const { publishedSeq } = channel;
    if (this.#now === 0) this.#now = clock.now();
    channel.usedAt = this.#now;
    // A sync may be sending what is not subscribed.
    stopCatchingUp(replays, row, channel.id);
    const node = subscriptions.add(row, channel.id);
    port.sendCopy(row, this.#replies[replyEnd] as Uint8Array, true);
    subscriptions.setLiveFrom(node, publishedSeq + 1);
    port.subscribe(row, channel.id, publishedSeq);
    if (storedSeq !== publishedSeq) keeper.subscribed(row, channel, publishedSeq);
    return true;
  }

  #mayJoin(row: Row, channel: OpenChannel): boolean {
    const { sessions, subscriptions, config } = this.#context;
    return !sessions.isUnconfirmed(row) && sessions.canRead(row, channel.name) && subscriptions.find(row, channel.id) < 0 &&
      subscriptions.countOfRow(row) < config.limits.channelsPerSession;
  }

  /** Null where no channel of this name is in use, or the name is not plain ASCII. */
  #find({ memory, view }: PlainBytes, from: number, to: number): OpenChannel | null {
    const isShort = to - from <= NAME_BYTES_MAX;
    const known = isShort ? this.#names.find(view, from, to) : null;
    if (known !== null && known.inUse) return known;
    if (!isPlain(memory, from, to)) return null;
    const { channels } = this.#context;
    const channel = channels.inUse(memory.latin1Slice(from, to));
    if (isShort && channel !== null) this.#names.keep(channel, channels.size);
    return channel;
  }

  /** Returns where it ends; -1 where its epoch is not plain. */
  #writeReply(memory: Buffer, id: number, idEnd: number, { publishedSeq, epochJson }: OpenChannel): number {
    if (epochJson.length > MAX_EPOCH) return -1;
    if (!isText(memory, id, idEnd, this.#repliedId)) {
      this.#repliedId = memory.latin1Slice(id, idEnd);
      this.#repliedSeq = -1;
      this.#seqAt = putText(this.#reply, 0, BEFORE_OK_ID + this.#repliedId + BEFORE_SEQ);
    }
    if (this.#repliedSeq !== publishedSeq) {
      this.#repliedSeq = publishedSeq;
      this.#epochAt = putText(this.#reply, this.#seqAt, publishedSeq + BEFORE_EPOCH);
    }
    const at = putText(this.#reply, this.#epochAt, epochJson);
    if (at < 0) return -1;
    this.#reply[at] = CLOSE;
    return at + 1;
  }
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
  return digits === 0 || digits > MAX_DIGITS || (digits > 1 && memory[from] === ZERO) ? -1 : at;
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
