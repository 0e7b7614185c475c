/**
 * Joins rows to their sessions in the store: tells the store what connections change, keeps the leases of those that are there, and
 * ends connections whose session went elsewhere.
 */

import type { Row } from '../../engine/port.js';
import { CLOSE } from '../../errors.js';
import type { OpenChannel } from '../../sequence/channels.js';
import { SessionOpener } from '../../session/opener.js';
import { parseSessionId } from '../../store/sessions/session-id.js';
import type { ChannelCursor, SessionRecord, SessionRef } from '../../store/sessions/session-store.js';
import { catchingUp } from '../../sync/delivery.js';
import type { GatewayContext } from '../context.js';
import { FirstCursors, subscribedCursor } from '../opening/first-cursors.js';
import { leaveMark } from '../takeover/marks.js';
import { Leases } from './leases.js';
import { Releases } from './releases.js';

/** Sessions that one sweep of the store looks at. */
const SWEPT = 200;

export class SessionKeeper {
  readonly #context: GatewayContext;
  readonly #firsts: FirstCursors;
  readonly #releases: Releases;
  readonly #leases: Leases;
  #sweeping = false;

  constructor(context: GatewayContext) {
    this.#context = context;
    this.#firsts = new FirstCursors(context);
    this.#releases = new Releases(context);
    this.#leases = new Leases(context, (ref) => this.lost(ref));
  }

  ref(row: Row): SessionRef {
    const { sessions } = this.#context;
    return { id: sessions.sessionId(row), generation: sessions.sessionGeneration(row) };
  }

  /** The client showed that it has the latest token. */
  confirm(row: Row): void {
    this.#context.sessions.confirm(row);
    this.#context.writer.change(this.ref(row), { confirmed: true }, false);
  }

  /** The row subscribed and gets what comes after `after`. */
  subscribed(row: Row, channel: OpenChannel, after: number): void {
    const cursor = subscribedCursor(channel, after);
    if (this.#isFirst(row) && this.#firsts.add(row, channel.id, cursor)) return;
    this.#context.writer.change(this.ref(row), { upsert: [cursor] }, true);
  }

  /** Whether the store is told of nothing else of this session before, and the subscription is the only one. */
  #isFirst(row: Row): boolean {
    return this.#context.subscriptions.countOfRow(row) === 1 && this.#isStored(row);
  }

  /** Whether the writer has nothing of the session that the store is still to be given. */
  #isStored(row: Row): boolean {
    const { writer, sessions } = this.#context;
    return writer.pending === 0 || !writer.has(sessions.sessionId(row));
  }

  /** Called while the row is still subscribed. */
  unsubscribed(row: Row, channel: OpenChannel): void {
    const cursor = this.#cursor(row, channel.id);
    if (cursor !== null) this.#context.writer.change(this.ref(row), { upsert: [{ ...cursor, subscribed: false }] }, true);
  }

  /** The device has the channel up to `seq`, or everything up to this message, or both. */
  seen(row: Row, channel: OpenChannel | null, seq: number, messageId: string | null): void {
    const { subscriptions, writer } = this.#context;
    const node = channel === null ? -1 : subscriptions.find(row, channel.id);
    if (node >= 0 && channel !== null && !subscriptions.isTold(node)) {
      subscriptions.setTold(node);
      leaveMark(this.#context, row, channel.id);
    }
    const upsert = channel === null ? [] : [{ channel: channel.name, seq, epoch: channel.epoch, told: true }];
    writer.change(this.ref(row), { upsert, ...(messageId === null ? {} : { lastSeenMessageId: messageId }) }, false);
  }

  /** The row's connection is over, but its session goes on. Called while the row still has its subscriptions. */
  release(row: Row): void {
    const { writer, config, clock } = this.#context;
    const upsert = this.cursors(row);
    if (upsert.length <= 1 && this.#isStored(row) && this.#releases.add(row, upsert[0] ?? null)) return;
    writer.release(this.ref(row), SessionOpener.released(config.session, clock.now()), { upsert });
  }

  /** Ended connections whose sessions are not stored yet, beside those of the writer. */
  get releasing(): number {
    return this.#releases.pending;
  }

  /** Writes what there is; resolves when the store has it, or failed. */
  async close(): Promise<void> {
    await this.#releases.settled();
    await this.#context.writer.close();
  }

  /** `bye`. */
  end(row: Row): void {
    const { writer, config, clock } = this.#context;
    writer.end(this.ref(row), clock.now() + config.session.cursorsTtlMs);
  }

  /** How far the row's channels were sent, but for those whose device tells by itself how far it has them. */
  cursors(row: Row): ChannelCursor[] {
    return this.positions(row).filter(({ told }) => !told);
  }

  /** All channels of the row; where the device tells by itself how far it has one, with position 0. */
  positions(row: Row): ChannelCursor[] {
    const cursors: ChannelCursor[] = [];
    this.#context.subscriptions.channelsOf(row, (channelId) => {
      const cursor = this.#cursor(row, channelId);
      if (cursor !== null) cursors.push(cursor);
    });
    return cursors;
  }

  /** The store says that somebody else has the session now. */
  lost({ id, generation }: SessionRef): void {
    const { sessions, end } = this.#context;
    const words = parseSessionId(id);
    const row = words === null ? -1 : sessions.findSession(words);
    if (row < 0 || sessions.sessionGeneration(row) !== generation) return;
    end(row, CLOSE.sessionTakenOver, 'the session goes on over another connection');
  }

  /** Looks at up to `rows` rows, in turn over the calls, and renews the leases that it is time for. */
  renew(rows: number): void {
    this.#leases.renew(rows);
  }

  /**
   * Has the store forget what it may; after a step of the clock by months (a machine that starts without one, and then hears the time) that
   * is everybody who is connected, unless their leases are renewed first.
   */
  sweep(): void {
    if (!this.#sweeping && this.#leases.allRenewedAt > -Infinity) void this.#sweep();
  }

  /** The session as it is stored, with what was told since; null when it is there no more. Rejects with StoreError. */
  async record(row: Row): Promise<SessionRecord | null> {
    const { writer, store } = this.#context;
    const { id, generation } = this.ref(row);
    writer.push(id);
    const record = await store.get(id);
    return record?.generation === generation ? record : null;
  }

  /** Where the row's delivery stands: behind live delivery, or in the middle of catching up. */
  #cursor(row: Row, channelId: number): ChannelCursor | null {
    const { subscriptions, channels, replays } = this.#context;
    const channel = channels.byId(channelId);
    const node = subscriptions.find(row, channelId);
    if (channel === undefined || node < 0) return null;
    const told = subscriptions.isTold(node);
    const next = catchingUp(replays, row, channelId)?.nextSeq ?? channel.publishedSeq + 1;
    // A told position is in the store already, and positions never move back.
    return { channel: channel.name, seq: told ? 0 : next - 1, epoch: channel.epoch, subscribed: true, told };
  }

  async #sweep(): Promise<void> {
    this.#sweeping = true;
    await this.#context.store.sweep(this.#leases.allRenewedAt, SWEPT).catch(() => undefined);
    this.#sweeping = false;
  }
}
