/**
 * Drain as a state machine: serving → draining → closing → drained. Pure: it reads no clock and touches no connection, it says what
 * is to be done.
 *
 * At once every client is told when to go, spread evenly over most of the time there is: this is the slowest pace that meets the
 * deadline, and it holds even if nothing more is heard from here. On top of it, as the receivers have room, clients are told to go sooner.
 */

import { Pace, type PaceOptions } from './pace.js';

export const DRAIN = { serving: 'serving', draining: 'draining', closing: 'closing', drained: 'drained' } as const;
export type DrainState = (typeof DRAIN)[keyof typeof DRAIN];

export interface DrainOptions extends PaceOptions {
  readonly deadlineMs: number;
  /** How long the close handshakes of those that are closed at the deadline are waited for. */
  readonly closeTimeoutMs: number;
}

export type DrainEffect =
  /** Refuse new connections and say so to load balancers; tell each client to go at a time of its own within `windowMs`. */
  | { readonly do: 'begin'; readonly windowMs: number }
  /** Tell `count` clients that were to go later, or as many as there are, to go within `withinMs`. */
  | { readonly do: 'release'; readonly count: number; readonly withinMs: number }
  | { readonly do: 'closeAll' }
  | { readonly do: 'finish' };

/** Part of the deadline over which clients are spread: the rest is for those that do not hear. */
const WINDOW = 0.8;
/** Those that go sooner are spread over as long as letting them go takes, at most this. */
const SPREAD_MAX_MS = 1000;
const SPREAD_MIN_MS = 100;
/** So many seconds' worth of clients go at once: few clients need not wait for a pace that is meant for many. */
const HEAD_START_S = 0.25;
/**
 * A tick that is late makes up for so much at most. More, spread over the time that follows, would come on top of what is let go then: a
 * node that stood still for a second would send its clients at twice the pace in the next.
 */
const LATE_MAX_S = 0.25;

export class Drain {
  #state: DrainState = DRAIN.serving;
  #options: DrainOptions | null = null;
  #pace: Pace | null = null;
  #startedAt = 0;
  #tickedAt = 0;
  #initial = 0;
  /** Clients whose time has not come, as far as the plan goes. */
  #future = 0;
  /** Parts of a client that earlier ticks left over. */
  #credit = 0;

  get state(): DrainState {
    return this.#state;
  }

  /** Connections when the drain began. */
  get initial(): number {
    return this.#initial;
  }

  /** Clients a second that are let go now. */
  get rate(): number {
    if (this.#state !== DRAIN.draining) return 0;
    const left = this.#startedAt + this.#windowMs - this.#tickedAt;
    return Math.max(this.#pace?.rate ?? 0, left <= 0 ? 0 : (this.#future / left) * 1000);
  }

  /** Milliseconds until the rest is closed. */
  left(now: number): number {
    return this.#options === null ? 0 : Math.max(0, this.#startedAt + this.#options.deadlineMs - now);
  }

  /** Only the first call does something. */
  begin(options: DrainOptions, connections: number, now: number): DrainEffect[] {
    if (this.#state !== DRAIN.serving) return [];
    this.#state = DRAIN.draining;
    this.#options = options;
    this.#pace = new Pace(options, now);
    this.#startedAt = this.#tickedAt = now;
    this.#initial = this.#future = connections;
    this.#credit = options.initial * HEAD_START_S;
    const begin: DrainEffect = { do: 'begin', windowMs: this.#windowMs };
    return [begin, ...(connections === 0 ? this.#finish() : this.#release(connections, null, now))];
  }

  /** `load`: of the fullest receiver, 0 to 1; null when nothing is known. */
  tick(connections: number, load: number | null, now: number): DrainEffect[] {
    if (this.#options === null || this.#state === DRAIN.drained) return [];
    if (connections === 0) return this.#finish();
    const { deadlineMs, closeTimeoutMs } = this.#options;
    const elapsed = now - this.#startedAt;
    if (this.#state === DRAIN.closing) return elapsed >= deadlineMs + closeTimeoutMs ? this.#finish() : [];
    if (elapsed >= deadlineMs) {
      this.#state = DRAIN.closing;
      return [{ do: 'closeAll' }];
    }
    return this.#release(connections, load, now);
  }

  #release(connections: number, load: number | null, now: number): DrainEffect[] {
    const pace = this.#pace as Pace;
    pace.update(load, now);
    const seconds = (now - this.#tickedAt) / 1000;
    const planned = this.#planned(now);
    this.#tickedAt = now;
    this.#future = Math.min(this.#future - planned, connections);
    this.#credit = Math.max(0, this.#credit + pace.rate * Math.min(seconds, LATE_MAX_S) - planned);
    // Not bounded by the plan, which is about averages: a few may be left whose time it thinks has come.
    const count = Math.min(Math.floor(this.#credit), connections);
    // Nothing saved up: what could not be let go now, because nobody was left, is no reason to hurry later.
    this.#credit = Math.min(this.#credit - count, 1);
    if (count === 0) return [];
    this.#future = Math.max(0, this.#future - count);
    const withinMs = Math.min(SPREAD_MAX_MS, Math.max(SPREAD_MIN_MS, Math.round((count / pace.rate) * 1000)));
    return [{ do: 'release', count, withinMs }];
  }

  /** Those whose time came since the last tick: they are spread evenly, and stay so whoever is told to go sooner. */
  #planned(now: number): number {
    const left = this.#startedAt + this.#windowMs - this.#tickedAt;
    return left <= 0 ? this.#future : this.#future * Math.min(1, (now - this.#tickedAt) / left);
  }

  get #windowMs(): number {
    return (this.#options?.deadlineMs ?? 0) * WINDOW;
  }

  #finish(): DrainEffect[] {
    this.#state = DRAIN.drained;
    return [{ do: 'finish' }];
  }
}
