/**
 * Carries a drain out on the gateway's connections. Each row has a time at which its client was told to go; one that is still there
 * a while after it has not heard, and is closed, so that those who do not obey are spread as evenly as those who do.
 */

import type { DrainStatus } from '../../admin/backend.js';
import { CLOSE } from '../../errors.js';
import { DRAIN, Drain, type DrainEffect } from '../../drain/drain.js';
import type { Row } from '../../engine/port.js';
import { SESSION } from '../../session/table.js';
import type { GatewayContext } from '../context.js';

export interface DrainRequest {
  readonly deadlineMs: number;
  /** Where clients are to go; null leaves them their URL. */
  readonly target: string | null;
  readonly reason: string;
}

export interface DrainingHooks {
  /** Milliseconds until the next tick, and what to do then. */
  readonly after: (ms: number, run: () => void) => void;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  /** Of the fullest receiver, 0 to 1; null when nothing is known. */
  readonly load: () => number | null;
  /** Where the client of this row goes unless the request names a target; null leaves it its URL. */
  readonly target: (row: Row) => string | null;
  readonly begun: () => void;
}

const TICK_MS = 50;
/** While there are clients to be told or closed: so many at a time that what they are sent is on its way before the next are. */
const SHORT_TICK_MS = 10;
/** Clients told, or closed, in a second, and more where there are more: about 40% of it. */
const PER_SECOND = 100_000;
/** The same while the engine is congested: packets that nobody acknowledges are missing for the acknowledgements. */
const PER_SECOND_CONGESTED = 1000;
/** A tick that is late makes up for so much at most. */
const LATE_MAX_MS = 100;
/** Part of the time in which all are to go: by then everybody was told, however many they are. */
const TELLING = 0.4;
/** Closed at so many times the pace at which all go: as many as do not obey are closed in time, a stall is not made up for at once. */
const CATCHING_UP = 3;
/** Rows are looked at for those that did not obey once in this time. */
const SCAN_MS = 500;
/** Clients go in the order of their rows, but for this share of all, within which chance decides: neighbours do not go together. */
const MIXED = 0.05;
const NOT_TOLD = 0xffffffff;

export class Draining {
  readonly #context: GatewayContext;
  readonly #hooks: DrainingHooks;
  readonly #machine = new Drain();
  /** Milliseconds from the start at which each row is to go. Made when a drain begins. */
  #due = new Uint32Array(0);
  #request: DrainRequest | null = null;
  #startedAt = 0;
  #windowMs = 0;
  #tickedAt = 0;
  /** Milliseconds since the last tick. */
  #passed = 0;
  #nextTold = 0;
  #told = 0;
  #nextReleased = 0;
  #nextScanned = 0;
  /** Where closing those that are left at the deadline goes on; beyond the last row before it has begun. */
  #nextClosed = Infinity;
  #released = 0;
  #forced = 0;
  #stopped = false;
  #waiting: (() => void)[] = [];

  constructor(context: GatewayContext, hooks: DrainingHooks) {
    this.#context = context;
    this.#hooks = hooks;
  }

  get status(): DrainStatus {
    const { initial, state, rate } = this.#machine;
    return {
      state, initial, rate,
      released: this.#released,
      forced: this.#forced,
      connections: this.#context.sessions.connections,
      deadline_ms: Math.round(this.#machine.left(this.#now)),
      target: this.#request?.target ?? null,
      receiver_load: this.#hooks.load(),
    };
  }

  /** Resolves when every connection is gone or the deadline has passed. A drain under way goes on as it was begun. */
  async drain(request: DrainRequest): Promise<void> {
    const { sessions, config } = this.#context;
    if (this.#machine.state === DRAIN.serving) {
      this.#request = request;
      this.#startedAt = this.#tickedAt = this.#now;
      this.#due = new Uint32Array(sessions.rows).fill(NOT_TOLD);
      const { rate: initial, rateMax: max, loadMax } = config.drain;
      const { deadlineMs } = request;
      // Those that are left at the deadline are closed at a pace.
      const closeTimeoutMs = config.session.closeTimeoutMs + (sessions.connections / PER_SECOND) * 1000;
      const options = { initial, max, full: loadMax / 100, deadlineMs, closeTimeoutMs };
      this.#do(this.#machine.begin(options, sessions.connections, this.#now));
      this.#hooks.after(SHORT_TICK_MS, () => this.#tick());
    }
    if (this.#machine.state !== DRAIN.drained) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  /** The gateway stops: there is nobody left to let go. */
  stop(): void {
    this.#stopped = true;
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  /** A connection that was under way when the drain began. */
  onOpen(row: Row): void {
    this.#due[row] = NOT_TOLD;
    this.#context.end(row, CLOSE.serviceRestart, 'the gateway is draining');
  }

  get #now(): number {
    return this.#context.clock.monotonic();
  }

  get #elapsed(): number {
    return Math.round(this.#now - this.#startedAt);
  }

  #tick(): void {
    if (this.#stopped) return;
    this.#passed = Math.min(LATE_MAX_MS, this.#now - this.#tickedAt);
    this.#tickedAt = this.#now;
    this.#tellSome();
    this.#closeOverdue();
    this.#closeSome();
    this.#do(this.#machine.tick(this.#context.sessions.connections, this.#hooks.load(), this.#now));
    if (this.#machine.state !== DRAIN.drained) this.#hooks.after(this.#isBusy ? SHORT_TICK_MS : TICK_MS, () => this.#tick());
  }

  get #isBusy(): boolean {
    const end = this.#context.sessions.rows;
    return this.#nextTold < end || this.#nextClosed < end || this.#machine.initial > PER_SECOND;
  }

  /** How many of `perSecond` are due since the last tick, as far as there is room for what they are sent. */
  #most(perSecond: number): number {
    const isCongested = this.#context.port.counter('congested') > 0;
    return Math.ceil(((isCongested ? PER_SECOND_CONGESTED : perSecond) * Math.max(this.#passed, 1)) / 1000);
  }

  /** Clients a second that go where all go evenly. */
  get #evenly(): number {
    return this.#windowMs === 0 ? Infinity : (this.#machine.initial / this.#windowMs) * 1000;
  }

  #do(effects: readonly DrainEffect[]): void {
    for (const effect of effects) {
      if (effect.do === 'begin') {
        this.#windowMs = effect.windowMs;
        this.#hooks.begun();
      } else if (effect.do === 'release') this.#release(effect.count, effect.withinMs);
      else if (effect.do === 'closeAll') this.#nextClosed = 0;
      else for (const resolve of this.#waiting.splice(0)) resolve();
    }
    this.#tellSome();
  }

  /** Every client is told once when to go at the latest. */
  #tellSome(): void {
    const { sessions } = this.#context;
    const end = sessions.rows;
    if (this.#nextTold >= end) return;
    const most = this.#told + this.#most(Math.max(PER_SECOND, this.#evenly / TELLING));
    for (; this.#nextTold < end && this.#told < most; this.#nextTold += 1) {
      const row = this.#nextTold;
      if (sessions.state(row) === SESSION.free || this.#due[row] !== NOT_TOLD) continue;
      this.#tell(row, this.#place(this.#told) * this.#windowMs - this.#elapsed);
      this.#told += 1;
    }
  }

  /** When the client that is the n-th to be told goes: 0 at once, 1 at the end of the window. */
  #place(n: number): number {
    const { initial } = this.#machine;
    const mixed = Math.max(1, initial * MIXED);
    return Math.min(1, (n + this.#hooks.random() * mixed) / (initial - 1 + mixed));
  }

  /** Tells the next `count` of those whose time is later. */
  #release(count: number, withinMs: number): void {
    const { sessions } = this.#context;
    const soon = this.#elapsed + withinMs;
    for (let left = count; this.#nextReleased < sessions.rows && left > 0; this.#nextReleased += 1) {
      const row = this.#nextReleased;
      const state = sessions.state(row);
      if (state === SESSION.free || state === SESSION.closing || (this.#due[row] as number) <= soon) continue;
      this.#tell(row, this.#hooks.random() * withinMs);
      this.#released += 1;
      left -= 1;
    }
  }

  #tell(row: Row, ms: number): void {
    const { sessions, replies } = this.#context;
    const inMs = Math.floor(Math.max(0, ms));
    this.#due[row] = this.#elapsed + inMs;
    // Who has not said hello is not listening yet: it is closed when its time comes.
    if (sessions.state(row) !== SESSION.open || this.#request === null) return;
    const { reason } = this.#request;
    const target = this.#request.target ?? this.#hooks.target(row);
    const deadline = Math.round(this.#machine.left(this.#now));
    const fields = `"deadline_ms":${deadline},"reconnect_in_ms":${inMs},"target":${JSON.stringify(target)}`;
    replies.raw(row, `{"op":"drain","reason":${JSON.stringify(reason)},${fields}}`);
  }

  #closeOverdue(): void {
    const { sessions, config } = this.#context;
    const overdue = this.#elapsed - config.drain.graceMs;
    const to = Math.min(sessions.rows, this.#nextScanned + Math.ceil((sessions.rows * Math.max(this.#passed, 1)) / SCAN_MS));
    let left = this.#most(Math.max(PER_SECOND_CONGESTED, this.#evenly * CATCHING_UP));
    for (; this.#nextScanned < to && left > 0; this.#nextScanned += 1) {
      const row = this.#nextScanned;
      const state = sessions.state(row);
      if (state === SESSION.free || state === SESSION.closing || (this.#due[row] as number) > overdue) continue;
      this.#close(row);
      left -= 1;
    }
    if (this.#nextScanned === sessions.rows) this.#nextScanned = 0;
  }

  #closeSome(): void {
    const { sessions } = this.#context;
    if (this.#nextClosed >= sessions.rows) return;
    for (let left = this.#most(PER_SECOND); this.#nextClosed < sessions.rows && left > 0; this.#nextClosed += 1) {
      const state = sessions.state(this.#nextClosed);
      if (state === SESSION.free || state === SESSION.closing) continue;
      this.#close(this.#nextClosed);
      left -= 1;
    }
  }

  #close(row: Row): void {
    this.#forced += 1;
    this.#context.end(row, CLOSE.serviceRestart, 'the gateway is draining');
  }
}
