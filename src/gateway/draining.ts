/**
 * Carries a drain out on the gateway's connections. Each row has a time at which its client was told to go; one that is still there
 * a while after it has not heard, and is closed, so that those who do not obey are spread as evenly as those who do.
 */

import type { DrainStatus } from '../admin/backend.js';
import { CLOSE } from '../errors.js';
import { DRAIN, Drain, type DrainEffect } from '../drain/drain.js';
import type { Row } from '../engine/port.js';
import { SESSION } from '../session/table.js';
import type { GatewayContext } from './context.js';

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
/** Clients told, or closed, in one tick: about 20 ms of it. */
const SOME = 5000;
/** Part of the time in which all are to go: by then everybody was told, however many they are. */
const TELLING = 0.2;
/** Rows are looked at for those that did not obey once in so many ticks. */
const SCAN_TICKS = 10;
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
  #nextTold = 0;
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
      this.#startedAt = this.#now;
      this.#due = new Uint32Array(sessions.rows).fill(NOT_TOLD);
      const { rate: initial, rateMax: max, loadMax } = config.drain;
      const { deadlineMs } = request;
      const { closeTimeoutMs } = config.session;
      const options = { initial, max, full: loadMax / 100, deadlineMs, closeTimeoutMs };
      this.#do(this.#machine.begin(options, sessions.connections, this.#now));
      this.#hooks.after(TICK_MS, () => this.#tick());
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
    this.#tellSome();
    this.#closeOverdue();
    this.#closeSome();
    this.#do(this.#machine.tick(this.#context.sessions.connections, this.#hooks.load(), this.#now));
    if (this.#machine.state !== DRAIN.drained) this.#hooks.after(TICK_MS, () => this.#tick());
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
    const most = Math.max(SOME, Math.ceil((this.#machine.initial * TICK_MS) / (this.#windowMs * TELLING)));
    for (let told = 0; this.#nextTold < end && told < most; this.#nextTold += 1) {
      const row = this.#nextTold;
      if (sessions.state(row) === SESSION.free || this.#due[row] !== NOT_TOLD) continue;
      this.#tell(row, this.#windowMs - this.#elapsed);
      told += 1;
    }
  }

  /** Tells the next `count` of those whose time is later. */
  #release(count: number, withinMs: number): void {
    const { sessions } = this.#context;
    const soon = this.#elapsed + withinMs;
    for (let left = count; this.#nextReleased < sessions.rows && left > 0; this.#nextReleased += 1) {
      const row = this.#nextReleased;
      const state = sessions.state(row);
      if (state === SESSION.free || state === SESSION.closing || (this.#due[row] as number) <= soon) continue;
      this.#tell(row, withinMs);
      this.#released += 1;
      left -= 1;
    }
  }

  #tell(row: Row, withinMs: number): void {
    const { sessions, replies } = this.#context;
    const inMs = Math.floor(this.#hooks.random() * Math.max(0, withinMs));
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
    const to = Math.min(sessions.rows, this.#nextScanned + Math.ceil(sessions.rows / SCAN_TICKS));
    for (let row = this.#nextScanned; row < to; row += 1) {
      if (sessions.state(row) !== SESSION.free && (this.#due[row] as number) <= overdue) this.#close(row);
    }
    this.#nextScanned = to === sessions.rows ? 0 : to;
  }

  #closeSome(): void {
    const { sessions } = this.#context;
    for (let closed = 0; this.#nextClosed < sessions.rows && closed < SOME; this.#nextClosed += 1) {
      const state = sessions.state(this.#nextClosed);
      if (state === SESSION.free || state === SESSION.closing) continue;
      this.#close(this.#nextClosed);
      closed += 1;
    }
  }

  #close(row: Row): void {
    const { sessions, end } = this.#context;
    if (sessions.state(row) === SESSION.closing) return;
    this.#forced += 1;
    end(row, CLOSE.serviceRestart, 'the gateway is draining');
  }
}
