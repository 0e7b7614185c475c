/**
 * The gateway: what happens to a connection from its opening to its end. Engine events come in here, operations do the work,
 * and what must survive a connection is elsewhere.
 */

import type { AdminBackend } from '../admin/backend.js';
import type { EngineEvents, EngineNotice, Row } from '../engine/port.js';
import type { Snapshot } from '../engine/snapshot.js';
import { CLOSE, type CloseCode, StoreError } from '../errors.js';
import type { FirstResult } from '../store/types.js';
import type { PublishRequest } from '../sequence/types.js';
import { SESSION } from '../session/table.js';
import { catchingUp } from '../sync/delivery.js';
import { AdminView, type DrainControl, type HostInfo } from './admin/admin-view.js';
import { Admission } from './opening/admission.js';
import { adopt, adoptOthers } from './takeover/adopt.js';
import type { Kept } from './message/checking.js';
import { Dispatcher } from './message/dispatch.js';
import { Draining, type DrainRequest } from './drain/draining.js';
import { failureReply } from './failure.js';
import { reconcile } from './takeover/reconcile.js';
import { clientKey } from './opening/welcome.js';
import { makeParts, type GatewayDeps, type GatewayParts } from './parts.js';
import { catchUpOf } from './message/positions.js';
import { closeReason } from './message/replies.js';
import { Housekeeping } from './housekeeping.js';
import { LoadMeter } from './drain/load.js';
import { Receivers } from './drain/receivers.js';
import { ReplayPump } from './delivery/replay-pump.js';
import { TimeLeft } from './time-left.js';

export interface GatewayOptions extends GatewayDeps {
  /** What the admin API tells about the engine. */
  readonly host: HostInfo;
  readonly onNotice?: (kind: EngineNotice, core: number, value: number) => void;
  /** Once when commits begin to fail, with the reason, and once with null when they succeed again. */
  readonly onStore?: (error: StoreError | null) => void;
  /** When it has stopped and a store that did not answer lacks something: what, and what comes of it. */
  readonly onUnwritten?: (what: string) => void;
}

export class Gateway implements EngineEvents {
  readonly admin: AdminBackend;
  readonly #parts: GatewayParts;
  readonly #dispatcher: Dispatcher;
  readonly #admission: Admission;
  readonly #housekeeping: Housekeeping;
  readonly #draining: Draining;
  readonly #receivers: Receivers;
  readonly #load = new LoadMeter();
  readonly #replayPump: ReplayPump;
  readonly #admin: AdminView;
  readonly #onNotice: NonNullable<GatewayOptions['onNotice']>;
  readonly #onStore: NonNullable<GatewayOptions['onStore']>;
  readonly #onUnwritten: NonNullable<GatewayOptions['onUnwritten']>;
  #storeFails = false;
  #adopted = false;
  #released = false;
  #committed = false;
  /** Resolves stop(). */
  #onEmpty: (() => void) | null = null;

  /** Throws ConfigError for keys that cannot be used, StoreError where the log fails. */
  static async create(options: GatewayOptions): Promise<Gateway> {
    let gateway: Gateway | null = null;
    const parts = await makeParts(options, {
      onResult: (request, error, result, duplicate) => gateway?.onResult(request, error, result, duplicate),
      onCommit: (count, seconds, oldestWait) => gateway?.onCommit(count, seconds, oldestWait),
      end: (row, code, reason) => gateway?.end(row, code, reason),
      onReplay: () => gateway?.onReplay(),
      onSessionStore: (error) => gateway?.onSessionStore(error),
    });
    gateway = new Gateway(parts, options);
    return gateway;
  }

  private constructor(parts: GatewayParts, options: GatewayOptions) {
    this.#parts = parts;
    this.#admission = new Admission(parts, {
      kept: (row, kept) => this.#onKept(row, kept),
      subsBehindHello: (bytes, stride, lengths, count, taker) => this.#dispatcher.subsBehindHello(bytes, stride, lengths, count, taker),
      joinSoon: (channels, count) => this.#dispatcher.joinSoon(channels, count),
      joinNew: (row, channel, memory, at, cursor, into, to) => this.#dispatcher.joinNew(row, channel, memory, at, cursor, into, to),
      behindHello: (row, ...said) => {
        if (parts.sessions.state(row) === SESSION.open) this.#dispatcher.onBehindHello(row, ...said);
      },
    });
    this.#dispatcher = new Dispatcher(parts, (row, header) => this.#admission.hello(row, header));
    this.#housekeeping = new Housekeeping(parts);
    this.#replayPump = new ReplayPump({
      replays: parts.replays,
      // A shared log is written elsewhere.
      committing: () => parts.cluster === null && parts.publisher.inFlight > 0,
      monotonic: () => parts.clock.monotonic(),
    });
    this.#receivers = new Receivers(parts.config.drain.receivers, () => parts.clock.monotonic());
    this.#draining = new Draining(parts, {
      after: (ms, run) => void setTimeout(run, ms),
      random: Math.random,
      load: () => this.#receivers.load ?? parts.cluster?.othersLoad ?? null,
      target: (row) => parts.cluster?.successor(clientKey(parts.sessions, row)) ?? null,
      begun: () => this.#refuse(),
    });
    this.#admin = new AdminView(parts, options.host, this.#drainControl());
    this.admin = this.#admin;
    this.#onNotice = options.onNotice ?? (() => undefined);
    this.#onStore = options.onStore ?? (() => undefined);
    this.#onUnwritten = options.onUnwritten ?? (() => undefined);
  }

  /** Begins the periodic work; the engine's events may come from here on. */
  start(): void {
    this.#housekeeping.start();
    this.#load.start();
  }

  /** Where there are other nodes: tells them of this one, whose clients come to `url`. Rejects with StoreError. */
  async join(url: string | null): Promise<void> {
    await this.#parts.cluster?.start(url, () => {
      const { connections, load } = this.#admin.stats();
      return { state: this.#admin.health, connections, load };
    });
  }

  // --- events of the engine

  onOpen(row: Row): void {
    this.#parts.sessions.connect(row);
    this.#parts.rate.clear(row);
    // Refused natively while draining; this one was on its way.
    if (this.#admin.health === 'draining') this.#draining.onOpen(row);
  }

  onMessage(row: Row, address: number, length: number, headerLength: number, text: boolean): void {
    const { sessions, clock } = this.#parts;
    const state = sessions.state(row);
    if (state === SESSION.checking) {
      this.#admission.keep(row, address, length, headerLength, text);
      return;
    }
    if (state === SESSION.connected && this.#admission.plainHello(row, address, length)) return;
    if (state === SESSION.closing || state === SESSION.leaving || state === SESSION.free) return;
    if (sessions.expiring > 0 && sessions.hasExpired(row, clock.now() / 1000))
      return this.end(row, CLOSE.sessionExpired, 'the token has expired');
    this.#dispatcher.onMessage(row, address, length, headerLength, text);
  }

  onClose(row: Row): void {
    const { sessions, port } = this.#parts;
    this.#clear(row, true);
    sessions.disconnect(row);
    port.release(row);
    if (sessions.connections === 0) this.#onEmpty?.();
  }

  onWritable(row: Row): void {
    this.#parts.replays.onWritable(row);
  }

  onLagging(row: Row, channelId: number, nextSeq: number): void {
    const { subscriptions, channels, replays } = this.#parts;
    const subscription = subscriptions.find(row, channelId);
    const channel = channels.byId(channelId);
    if (subscription < 0 || channel === undefined) return;
    // Of a subscription that was replaced meanwhile: the latest subscribe command delivers from liveFrom on, so what fell behind
    // below it is over. The difference of low words, because that is what the column holds.
    if (((nextSeq >>> 0) - subscriptions.liveFrom(subscription) | 0) < 0) return;
    if (catchingUp(replays, row, channelId) !== undefined) return;
    replays.add(row, catchUpOf(this.#parts, channel, nextSeq), true);
    this.#admin.countLagging();
  }

  onNotice(kind: EngineNotice, core: number, value: number): void {
    this.#onNotice(kind, core, value);
  }

  onTurnEnd(core: number, position: number): void {
    this.#admission.endTurn();
    this.#dispatcher.endTurn();
    this.#replayPump.run();
    this.#parts.publisher.endTurn(core, position);
  }

  // --- replays

  onReplay(): void {
    this.#replayPump.soon();
  }

  // --- the session store

  onSessionStore(error: unknown): void {
    this.#admin.countSessionStore(error);
  }

  // --- results of the publisher

  onResult(request: PublishRequest, error: Error | null, result: FirstResult | null, duplicate: boolean): void {
    this.#admin.countResult(error, duplicate);
    if (error instanceof StoreError && !this.#storeFails) {
      this.#storeFails = true;
      this.#onStore(error);
    }
    if (request.row < 0) {
      request.done?.(error, result, duplicate);
      return;
    }
    if (this.#parts.sessions.listens(request.row, request.generation)) this.#answer(request, error, result, duplicate);
    this.#parts.port.letGo(request.hold);
  }

  #answer({ row, opId }: PublishRequest, error: Error | null, result: FirstResult | null, duplicate: boolean): void {
    const { replies } = this.#parts;
    if (result !== null) return replies.published(row, opId, result, duplicate);
    const { kind, message, retryAfterMs } = failureReply(error);
    replies.error(row, opId, kind, message, retryAfterMs);
  }

  onCommit(count: number, seconds: number, oldestWait: number): void {
    this.#committed = true;
    this.#admin.countCommit(count, seconds, oldestWait);
    if (this.#parts.replays.ready) this.#replayPump.soon();
    if (!this.#storeFails) return;
    this.#storeFails = false;
    this.#onStore(null);
  }

  // --- the end

  /** Ends the row's session and closes its connection; later messages of the row are not looked at. */
  end(row: Row, code: CloseCode, reason: string): void {
    const { sessions, port } = this.#parts;
    const state = sessions.state(row);
    if (state === SESSION.free || state === SESSION.closing) return;
    // Who has the session now has its state as well.
    this.#clear(row, code !== CLOSE.sessionTakenOver);
    port.close(row, code, closeReason(reason));
  }

  /**
   * Lets the clients go at a pace that the receivers bear, closing with 1012 who does not go. Resolves when all are gone or the deadline
   * has passed. What is published meanwhile is served. A drain that was begun before goes on as it was.
   */
  async drain(request: Partial<DrainRequest> = {}): Promise<void> {
    const { deadlineMs, target } = this.#parts.config.drain;
    this.#receivers.start();
    await this.#draining.drain({ deadlineMs, target, reason: 'the node is stopping', ...request });
    this.#receivers.stop();
  }

  /**
   * Refuses new connections, finishes the commits under way and closes every connection with 1012. Resolves when all are gone or
   * session.closeTimeoutMs has passed. `time`: for what is written.
   */
  async stop(time = this.#storeTime): Promise<void> {
    const { config, publisher, sessions, keeper, cluster } = this.#parts;
    const { closeTimeoutMs } = config.session;
    this.#released = true;
    this.#refuse();
    await time.of(publisher.close());
    sessions.forEachConnection((row) => this.end(row, CLOSE.serviceRestart, 'the gateway is stopping'));
    const closing = new TimeLeft(closeTimeoutMs, closeTimeoutMs);
    if (sessions.connections > 0) await closing.of(new Promise<void>((resolve) => (this.#onEmpty = resolve)));
    this.#rest();
    // The others need to know that this node is gone even where sessions cannot be written.
    const [left] = await Promise.all([cluster === null ? true : time.of(cluster.stop()), time.of(keeper.close())]);
    this.#tellUnwritten(left ?? false);
  }

  #rest(): void {
    this.#draining.stop();
    this.#housekeeping.stop();
    this.#load.stop();
  }

  get #storeTime(): TimeLeft {
    const { config, cluster } = this.#parts;
    return TimeLeft.forStores(config.session.closeTimeoutMs, cluster !== null);
  }

  #tellUnwritten(left: boolean): void {
    const { publisher, writer, keeper, config } = this.#parts;
    const what = unwritten(publisher.inFlight, writer.pending + writer.dropped + keeper.releasing, left ? 0 : config.cluster.leaseMs);
    if (what !== '') this.#onUnwritten(what);
  }

  /**
   * Takes over what another control plane left with a detached engine, before the first event. `pauseMs`: nobody was attached for so
   * long. Throws AttachError, StoreError.
   */
  adopt(snapshot: Snapshot, pauseMs: number): void {
    const { rate, clock, sessions, store } = this.#parts;
    rate.forgive(pauseMs, clock.monotonic());
    adopt(this.#parts, snapshot);
    store.keepConnected?.((id, generation) => {
      const row = sessions.findSession(id);
      return row >= 0 && sessions.sessionGeneration(row) === generation;
    });
    this.#adopted = true;
  }

  /** Publishes are under way, and none was answered yet. */
  get publishesFirst(): boolean {
    return !this.#committed && this.#parts.publisher.inFlight > 0;
  }

  /** What can be put in order after a takeover when clients are being served. */
  async settle(): Promise<void> {
    if (!this.#adopted) return;
    await adoptOthers(this.#parts, () => this.#released);
    await reconcile(this.#parts, () => this.#released);
  }

  /** Ends this control plane, not the connections: what is under way is finished for a successor. Events must not come any more. */
  async release(time = this.#storeTime): Promise<void> {
    const { publisher, keeper, cluster } = this.#parts;
    this.#released = true;
    this.#rest();
    await Promise.all([publisher.close(), keeper.close()].map((end) => time.of(end)));
    const left = cluster === null ? true : await time.of(cluster.release());
    this.#tellUnwritten(left ?? false);
  }

  #refuse(): void {
    this.#admin.refuse();
    this.#parts.port.setHealth('draining', this.#parts.config.session.retryAfterS);
    this.#parts.cluster?.announce();
  }

  #drainControl(): DrainControl {
    const draining = this.#draining;
    return {
      get status() {
        return draining.status;
      },
      start: (request) => void this.drain(request),
      load: (stats) => this.#load.read(stats, this.#parts.port.rows),
    };
  }

  /** Everything that the row has is given back; its connection may still be there. */
  #clear(row: Row, release: boolean): void {
    const { sessions, subscriptions, replays, port, keeper, holds } = this.#parts;
    this.#admission.cancel(row);
    this.#dispatcher.cancel(row);
    if (release && sessions.state(row) === SESSION.open) keeper.release(row);
    replays.cancelRow(row);
    holds.clear(row);
    // The engine's subscriber sets hold rows, not connections: what is left in them would be the next connection's.
    subscriptions.channelsOf(row, (channel) => port.unsubscribe(row, channel));
    subscriptions.removeRow(row);
    sessions.end(row);
  }

  /** What came while the `hello` before it was being answered. */
  #onKept(row: Row, kept: Kept): void {
    const { sessions, port } = this.#parts;
    port.letGo(sessions.state(row) === SESSION.open ? this.#dispatcher.onKept(row, kept) : kept.hold);
  }
}

/** Empty where nothing is. */
function unwritten(publishes: number, sessions: number, leaseMs: number): string {
  const parts = [
    publishes === 0 ? '' : `publishes without an answer: ${publishes}, which their clients repeat`,
    sessions === 0 ? '' : `sessions that go on from what was stored of them before: ${sessions}`,
    leaseMs === 0 ? '' : `the other nodes take this one for alive for up to ${leaseMs / 1000} s`,
  ];
  return parts.filter((part) => part !== '').join('; ');
}
