/**
 * New sessions of clients that ask for nothing but one: no user, no device, nothing to resume, no positions. There are millions of them, so
 * those of a turn are begun, stored and welcomed together: there is no object, text, promise or timer for each.
 */

import { writeFrameHeader } from '../../engine/frame-header.js';
import type { Hold, Row } from '../../engine/port.js';
import { StoreError } from '../../errors.js';
import type { OpenChannel } from '../../sequence/channels.js';
import type { Identity } from '../../session/auth.js';
import { compilePatterns, type Matcher } from '../../session/patterns.js';
import { encodeSessionNote } from '../../session/session-note.js';
import { SESSION, type SessionStart } from '../../session/table.js';
import { formatSessionId } from '../../store/sessions/session-id.js';
import type { EncodedCursor } from '../../store/sessions/encoded-cursor.js';
import type { SessionRecord } from '../../store/sessions/session-store.js';
import type { GatewayContext } from '../context.js';
import { JOINED_BYTES_MAX, PlainSubs, type ChannelTaker } from '../message/plain-subs.js';
import { plainBytes, PlainText, type PlainBytes } from '../message/plain-text.js';
import { NewcomerBatch, SAID_BYTES } from './newcomer-batch.js';
import { giveBack } from './welcome.js';

export interface NewcomersParts {
  readonly context: GatewayContext;
  readonly identity: Identity;
  /** The store takes sessions one by one only. */
  readonly alone: (row: Row, hold: Hold, said: Buffer | null) => void;
  readonly later: BehindHello;
  readonly welcomed: (row: Row) => void;
  readonly failed: (row: Row, error: unknown) => void;
}

const MESSAGE = new PlainText('{"op":"hello"}');
/** Of a `welcome` as a frame (RFC 6455 §5.2): it has more than 125 bytes and fewer than 65,536. */
const HEADER_BYTES = 4;

/** Handles what clients say right behind their `hello`: texts without a body. */
export interface BehindHello {
  /** See PlainSubs.nameMany(). */
  readonly subsBehindHello: (bytes: PlainBytes, stride: number, lengths: Uint8Array, count: number, taker: ChannelTaker) => void;
  /** See PlainSubs.joinSoon(). */
  readonly joinSoon: (channels: readonly (OpenChannel | null)[], count: number) => void;
  /** See PlainSubs.joinNew(). */
  readonly joinNew: (
    row: Row, channel: OpenChannel, memory: Buffer, at: number, cursor: EncodedCursor, into: DataView, to: number,
  ) => number;
  /** The session is open. `cursor`: what it is stored with, where the text asks for a channel that it could not join. */
  readonly behindHello: (row: Row, bytes: PlainBytes, at: number, length: number, cursor: EncodedCursor | null) => void;
}

/** Batches that become durable together. */
interface Write {
  readonly stored: Promise<void>;
  readonly batches: NewcomerBatch[];
  isLate: boolean;
}

export class Newcomers {
  readonly #parts: NewcomersParts;
  readonly #start: { -readonly [K in keyof SessionStart]: SessionStart[K] };
  readonly #readable: Matcher;
  readonly #tail: Buffer;
  /** Of each `welcome`, and the header of its frame. */
  readonly #bytes: number;
  readonly #header = Buffer.alloc(HEADER_BYTES);
  readonly #region: PlainBytes;
  #batch = new NewcomerBatch();
  readonly #free: NewcomerBatch[] = [];
  #write: Write | null = null;

  constructor(parts: NewcomersParts) {
    this.#parts = parts;
    const { read, write } = parts.identity;
    this.#start = {
      id: new Uint32Array(4), user: null, read, write, expiresAt: 0, sessionGeneration: 1, leaseUntil: 0, unconfirmed: false,
    };
    this.#readable = compilePatterns(read);
    this.#tail = Buffer.from(`","resumed":false${parts.context.welcomeTexts.plainTail}`);
    this.#region = plainBytes(parts.context.port.memory);
    this.#bytes = parts.context.opener.writeWelcomes(new Uint32Array(0), 0, this.#tail, Buffer.alloc(0), 0, 0);
    writeFrameHeader(this.#header, 0, this.#bytes, true);
  }

  /** Those of the clients that the configuration lets in without a token; null where each is a case of its own. */
  static of(parts: Omit<NewcomersParts, 'identity'>): Newcomers | null {
    const { auth, cluster, store } = parts.context;
    const identity = auth.anonymous;
    const isPlain = identity !== null && identity.user === null && identity.expiresAt === 0;
    return isPlain && cluster === null && store.createMany !== undefined ? new Newcomers({ ...parts, identity }) : null;
  }

  /** Whether the message is the `hello` of such a client as clients write it; one that is written otherwise is parsed. */
  isHello(address: number, length: number): boolean {
    return length === MESSAGE.length && MESSAGE.isAt(this.#region.view, address);
  }

  /** The row waits for its session; `hold` is of the event that brought its `hello`. */
  add(row: Row, hold: Hold): void {
    if (this.#batch.isFull) this.endTurn();
    this.#batch.add(row, this.#parts.context.sessions.generation(row), hold);
  }

  /**
   * Takes a `sub` that comes right behind the `hello`, mostly in its segment: it is handled with the `welcome`, and answered in the same
   * segment as that; where the channel is in use the session is stored with it. False where it is not that, and nothing has been done.
   * Who is gone before the `welcome` needs no answer to it, so it is not held.
   */
  takeAlong(row: Row, address: number, length: number): boolean {
    const batch = this.#batch;
    if (!batch.takes(row, this.#parts.context.sessions.generation(row), length)) return false;
    if (!PlainSubs.begins(this.#region.view, address, length)) return false;
    batch.say(this.#region.view, address, length);
    return true;
  }

  /** Begins the sessions of those that were added. */
  endTurn(): void {
    const batch = this.#batch;
    if (batch.count === 0) return;
    this.#forgetGone(batch);
    const { opener } = this.#parts.context;
    this.#findChannels(batch);
    const begun = batch.count === 0 ? null : opener.beginMany(batch.ids, batch.count, batch.cursors);
    if (begun === null) {
      for (let i = 0; i < batch.count; i += 1) this.#parts.alone(batch.rows[i] as Row, batch.holds[i] as Hold, batch.saidBy(i));
      batch.count = 0;
      return;
    }
    batch.record = begun.record;
    this.#batch = this.#free.pop() ?? new NewcomerBatch();
    if (this.#write?.stored === begun.stored) this.#write.batches.push(batch);
    else this.#await({ stored: begun.stored, batches: [batch], isLate: false });
  }

  /** Of all that asked for one, together: channels lie in memory of their own, each of which is in no cache. */
  #findChannels(batch: NewcomerBatch): void {
    const mayOpen = (name: string): boolean => this.#readable.matches(name);
    this.#parts.later.subsBehindHello(batch.said, SAID_BYTES, batch.saidBytes, batch.count, {
      mayOpen,
      take: (i, channel) => (mayOpen(channel.name) ? batch.ask(i, channel) : null),
    });
  }

  #await(write: Write): void {
    this.#write = write;
    const timer = setTimeout(() => {
      write.isLate = true;
      this.#fail(write, new StoreError('the session store does not answer', true));
    }, this.#parts.context.config.session.storeTimeoutMs);
    const end = (): void => {
      clearTimeout(timer);
      if (this.#write === write) this.#write = null;
    };
    write.stored.then(
      () => {
        end();
        for (const batch of write.batches) this.#stored(batch, write.isLate);
      },
      (error: unknown) => {
        end();
        if (!write.isLate) this.#fail(write, error);
      },
    );
  }

  /** Connections that ended within the turn need no session. */
  #forgetGone(batch: NewcomerBatch): void {
    let kept = 0;
    for (let i = 0; i < batch.count; i += 1) {
      if (!this.#waits(batch, i)) {
        this.#parts.context.port.letGo(batch.holds[i] as Hold);
        continue;
      }
      batch.move(i, kept);
      kept += 1;
    }
    batch.count = kept;
  }

  #waits({ rows, generations }: NewcomerBatch, i: number): boolean {
    const { sessions } = this.#parts.context;
    const row = rows[i] as Row;
    return sessions.generation(row) === generations[i] && sessions.state(row) === SESSION.checking;
  }

  /** `isLate`: after their clients were told that it failed. */
  #stored(batch: NewcomerBatch, isLate: boolean): void {
    const { context, welcomed, later } = this.#parts;
    this.#giveBackGone(batch, isLate);
    const { ids, rows, holds, count, cursors } = batch;
    this.#start.leaseUntil = (batch.record as SessionRecord).leaseUntil;
    context.sessions.openMany(rows, ids, count, this.#start);
    if (context.port.detached) for (let i = 0; i < count; i += 1) this.#note(rows[i] as Row, ids, i);
    if (count > 0) this.#welcome(batch);
    // What they said meanwhile is handled when all of them are there.
    for (let i = 0; i < count; i += 1) {
      const said = batch.saidBytes[i] as number;
      if (said !== 0) later.behindHello(rows[i] as Row, batch.said, batch.saidAt(i), said, cursors[i] ?? null);
      welcomed(rows[i] as Row);
      context.port.letGo(holds[i] as Hold);
    }
    batch.count = 0;
    this.#free.push(batch);
  }

  /** Each is told with one command, of its `welcome` and, where it is stored with a channel, of that as well. */
  #welcome(batch: NewcomerBatch): void {
    const { context: { port, opener }, later } = this.#parts;
    const { ids, rows, count } = batch;
    const welcome = HEADER_BYTES + this.#bytes;
    const place = welcome + JOINED_BYTES_MAX;
    const claimed = port.claimWelcomes(count, place);
    const into = claimed < 0 ? plainBytes(Buffer.allocUnsafe(count * place)) : this.#region;
    const header = this.#header.readInt32LE();
    let at = Math.max(0, claimed);
    opener.writeWelcomes(ids, count, this.#tail, into.memory, at + HEADER_BYTES, place);
    later.joinSoon(batch.channels, count);
    for (let i = 0; i < count; i += 1, at += place) {
      into.view.setInt32(at, header, true);
      const joined = this.#join(batch, i, into.view, at + welcome);
      const channel = joined === 0 ? null : batch.channels[i] as OpenChannel;
      if (channel === null) port.welcome(rows[i] as Row, into.memory, at, welcome, 1, -1, 0);
      else port.welcome(rows[i] as Row, into.memory, at, welcome + joined, 2, channel.id, channel.publishedSeq);
    }
  }

  /** Bytes of the answer to the `i`th, which is written at `to`; 0 where it is not stored with a channel, or cannot join it any more. */
  #join(batch: NewcomerBatch, i: number, into: DataView, to: number): number {
    const channel = batch.channels[i] as OpenChannel | null;
    if (channel === null) return 0;
    const cursor = batch.cursors[i] as EncodedCursor;
    const joined = this.#parts.later.joinNew(batch.rows[i] as Row, channel, batch.said.memory, batch.saidAt(i), cursor, into, to);
    if (joined !== 0) batch.answered(i);
    return joined;
  }

  #note(row: Row, ids: Uint32Array, i: number): void {
    for (let word = 0; word < 4; word += 1) this.#start.id[word] = ids[i * 4 + word] as number;
    this.#parts.context.port.note(row, encodeSessionNote(this.#start));
  }

  /** Sessions whose connections went, or were told that there is none, are nobody's. */
  #giveBackGone(batch: NewcomerBatch, isLate: boolean): void {
    const { holds, ids } = batch;
    let kept = 0;
    for (let i = 0; i < batch.count; i += 1) {
      if (isLate || !this.#waits(batch, i)) {
        this.#giveBack(ids, i, batch.record as SessionRecord);
        if (!isLate) this.#parts.context.port.letGo(holds[i] as Hold);
        continue;
      }
      batch.move(i, kept);
      kept += 1;
    }
    batch.count = kept;
  }

  #giveBack(ids: Uint32Array, i: number, record: SessionRecord): void {
    const words = ids.slice(i * 4, i * 4 + 4);
    giveBack(this.#parts.context, { do: 'open', record: { ...record, id: formatSessionId(words) }, words, resumed: false });
  }

  #fail({ batches }: Write, error: unknown): void {
    for (const batch of batches) {
      for (let i = 0; i < batch.count; i += 1) {
        if (this.#waits(batch, i)) this.#parts.failed(batch.rows[i] as Row, error);
        this.#parts.context.port.letGo(batch.holds[i] as Hold);
      }
    }
  }
}
