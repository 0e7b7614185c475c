/** From a message's bytes to its operation, with the protocol's rules about what may come when. */

import type { Hold, Row } from '../../engine/port.js';
import { CLOSE, REPLY } from '../../errors.js';
import type { OpenChannel } from '../../sequence/channels.js';
import { SESSION } from '../../session/table.js';
import type { EncodedCursor } from '../../store/sessions/encoded-cursor.js';
import type { Kept } from './checking.js';
import type { Body, GatewayContext, Operation } from '../context.js';
import { HeaderFault, parseHeader, readId, salvageId, type Header } from './header.js';
import { bye } from '../ops/bye.js';
import { history } from '../ops/history.js';
import { presence } from '../ops/presence.js';
import { pub } from '../ops/pub.js';
import { seen } from '../ops/seen.js';
import { sub } from '../ops/sub.js';
import { sync } from '../ops/sync.js';
import { unsub } from '../ops/unsub.js';
import { failureReply } from '../failure.js';
import { PlainSubs, type ChannelTaker } from './plain-subs.js';
import { plainBytes, type PlainBytes } from './plain-text.js';
import { refuse } from './refusal.js';
import { Waits } from './waits.js';

/** A Map, not an object: what a client names is never looked up along a prototype. */
const OPERATIONS: ReadonlyMap<string, Operation> = new Map([
  ['pub', pub],
  ['sub', sub],
  ['unsub', unsub],
  ['seen', seen],
  ['sync', sync],
  ['history', history],
  ['presence', presence],
  ['bye', bye],
]);

const LONG_OPS = ['{"op":"hello"', '{"op":"sync"'];
const LONG_OP_BYTES = 16;
const NO_OP = new HeaderFault('op must be a text');

export class Dispatcher {
  readonly #context: GatewayContext;
  readonly #hello: (row: Row, header: Header) => void;
  readonly #headerBytes: number;
  readonly #waits: Waits;
  /** Null where channels have to be fetched first. */
  readonly #plainSubs: PlainSubs | null;
  readonly #region: PlainBytes;
  readonly #body: Body = { address: -1, length: 0, bytes: null, text: true, hold: -1 };

  constructor(context: GatewayContext, hello: (row: Row, header: Header) => void) {
    this.#context = context;
    this.#hello = hello;
    this.#plainSubs = context.ahead === null ? new PlainSubs(context) : null;
    this.#region = plainBytes(context.port.memory);
    this.#headerBytes = context.config.limits.headerBytes;
    this.#waits = new Waits({
      port: context.port,
      bytesMax: context.config.limits.pendingBytes,
      needs: (row, { message, headerLength, text }) => this.#needs(row, parseHeader(message, 0, headerLength, text)),
      handle: (row, kept) => this.#runKept(row, kept),
      failed: (row, { message, headerLength, text }, error) => this.#failed(row, parseHeader(message, 0, headerLength, text), error),
      end: context.end,
    });
  }

  /** The row is gone. */
  cancel(row: Row): void {
    this.#waits.cancel(row);
  }

  endTurn(): void {
    this.#plainSubs?.endTurn();
  }

  /** A message in the region. */
  onMessage(row: Row, address: number, length: number, headerLength: number, text: boolean): void {
    const { port: { memory }, sessions } = this.#context;
    if (this.#waits.holds(row)) {
      this.#waits.keep(row, memory.subarray(address, address + length), headerLength, text, -1);
      return;
    }
    const mayBePlain = this.#plainSubs !== null && sessions.state(row) === SESSION.open && headerLength <= this.#headerBytes;
    if (mayBePlain && this.#plainSubs?.take(row, this.#region, address, headerLength) === true) return;
    const header = this.#header(row, memory, address, headerLength, text);
    if (header === null) return;
    const needs = this.#needs(row, header);
    if (needs !== null) {
      this.#waits.begin(row, needs, memory.subarray(address, address + length), headerLength, text, -1);
      return;
    }
    const body = this.#body;
    body.address = address + headerLength + 1;
    body.length = Math.max(0, length - headerLength - 1);
    body.bytes = null;
    body.text = text;
    body.hold = -1;
    this.#run(row, header, body);
  }

  /** A message that was kept while its sender's token was checked. Returns the hold of its event if that is answered; else -1. */
  onKept(row: Row, kept: Kept): Hold {
    const { message, headerLength, text, hold } = kept;
    if (this.#waits.holds(row)) {
      this.#waits.keep(row, message, headerLength, text, hold);
      return -1;
    }
    const needs = this.#needs(row, this.#context.ahead === null ? null : parseHeader(message, 0, headerLength, text));
    if (needs === null) return this.#runKept(row, kept);
    this.#waits.begin(row, needs, message, headerLength, text, hold);
    return -1;
  }

  /** See PlainSubs.nameMany(): for texts without a body that came right behind a `hello`. */
  subsBehindHello(bytes: PlainBytes, stride: number, lengths: Uint8Array, count: number, taker: ChannelTaker): void {
    this.#plainSubs?.nameMany(bytes, stride, lengths, count, this.#headerBytes, taker);
  }

  /** See PlainSubs.joinSoon(). */
  joinSoon(channels: readonly (OpenChannel | null)[], count: number): void {
    this.#plainSubs?.joinSoon(channels, count);
  }

  /** See PlainSubs.joinNew(). */
  joinNew(row: Row, channel: OpenChannel, memory: Buffer, at: number, cursor: EncodedCursor, into: DataView, to: number): number {
    return this.#plainSubs?.joinNew(row, channel, memory, at, cursor, into, to) ?? 0;
  }

  /**
   * A text without a body that came right behind the `hello`, of a session that has just been opened. `cursor`: what the session was stored
   * with, where the text asks for a channel that it could not join.
   */
  onBehindHello(row: Row, bytes: PlainBytes, at: number, length: number, cursor: EncodedCursor | null): void {
    if (cursor !== null) {
      const { writer, keeper } = this.#context;
      const { channel, seq, epoch } = cursor;
      writer.change(keeper.ref(row), { upsert: [{ channel, seq, epoch, subscribed: false, told: false }] }, true);
    } else if (length <= this.#headerBytes && this.#plainSubs?.take(row, bytes, at, length) === true) return;
    const message = Buffer.from(bytes.memory.subarray(at, at + length));
    this.#context.port.letGo(this.onKept(row, { message, headerLength: length, text: true, hold: -1 }));
  }

  #runKept(row: Row, { message, headerLength, text, hold }: Kept): Hold {
    const header = this.#header(row, message, 0, headerLength, text);
    if (header === null) return hold;
    const body = this.#body;
    body.address = -1;
    body.bytes = message.subarray(headerLength + 1);
    body.length = body.bytes.length;
    body.text = text;
    body.hold = hold;
    this.#run(row, header, body);
    return body.hold;
  }

  /** Null when there is nothing to run: the header was refused. */
  #header(row: Row, bytes: Buffer, start: number, headerLength: number, text: boolean): Header | null {
    if (headerLength > this.#headerBytes && !this.#holdsCursors(bytes, start, headerLength)) {
      this.#refuseLong(row, bytes.toString('utf8', start, start + this.#headerBytes));
      return null;
    }
    const header = parseHeader(bytes, start, start + headerLength, text);
    if (header === null) this.#context.end(row, CLOSE.protocolError, 'the header line is no JSON object');
    return header;
  }

  /** Positions of many channels need more than a line of other operations: those two may be longer, when `op` comes first. */
  #holdsCursors(bytes: Buffer, start: number, headerLength: number): boolean {
    if (headerLength > this.#context.config.limits.cursorBytes) return false;
    const beginning = bytes.toString('latin1', start, start + LONG_OP_BYTES);
    return LONG_OPS.some((op) => beginning.startsWith(op));
  }

  #refuseLong(row: Row, beginning: string): void {
    const fault = new HeaderFault(`the header line is longer than ${this.#headerBytes} bytes`);
    refuse(this.#context, row, salvageId(beginning), fault);
  }

  #run(row: Row, header: Header, body: Body): void {
    const { sessions, keeper } = this.#context;
    // Kept behind a message that waited, and then came `bye`.
    if (sessions.state(row) === SESSION.leaving) return;
    const { op } = header;
    if (typeof op !== 'string') return refuse(this.#context, row, readId(header), NO_OP);
    // Answered natively; a client's own spacing of them may still bring one here.
    if (op === 'hb') return;
    if (op === 'hello') return this.#hello(row, header);
    if (sessions.state(row) !== SESSION.open) return this.#context.end(row, CLOSE.notAuthorised, 'hello comes first');
    if (sessions.isUnconfirmed(row)) keeper.confirm(row);
    const operation = OPERATIONS.get(op);
    if (operation === undefined) return this.#unknown(row, header, op);
    try {
      operation(this.#context, row, header, body);
    } catch (error) {
      this.#failed(row, header, error);
    }
  }

  /** What has to be fetched before the message can be handled; null for nothing. */
  #needs(row: Row, header: Header | null): Promise<void> | null {
    const { ahead, sessions } = this.#context;
    return ahead === null || header === null || sessions.state(row) !== SESSION.open ? null : ahead.operation(row, header);
  }

  #failed(row: Row, header: Header | null, error: unknown): void {
    const { kind, message, retryAfterMs } = failureReply(error);
    if (header !== null) this.#context.replies.error(row, readId(header), kind, message, retryAfterMs);
  }

  #unknown(row: Row, header: Header, op: string): void {
    this.#context.replies.error(row, readId(header), REPLY.unknownOp, `there is no op ${op.slice(0, 40)}`);
  }
}
