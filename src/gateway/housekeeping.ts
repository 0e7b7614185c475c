/** Periodic work: sessions whose token ended, leases, consumers that do not move, messages and channels that leave memory. */

import { CLOSE } from '../errors.js';
import type { GatewayParts } from './parts.js';

const TICK_MS = 100;
/** Rows looked at in a tick: ten million take five seconds, in steps of about a millisecond, for which everything else waits. */
const ROWS_A_TICK = 200_000;
const CHANNELS_A_TICK = 2_000;

export class Housekeeping {
  readonly #parts: GatewayParts;
  #timer: NodeJS.Timeout | null = null;
  #nextRow = 0;

  constructor(parts: GatewayParts) {
    this.#parts = parts;
  }

  start(): void {
    this.#timer = setInterval(() => this.tick(), TICK_MS).unref();
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }

  tick(): void {
    const { replays, hotLog, channels, subscriptions, clock, config, keeper } = this.#parts;
    this.#expireSessions();
    keeper.tick(ROWS_A_TICK);
    for (const row of replays.stalled(config.limits.slowConsumerTimeoutMs)) {
      this.#parts.end(row, CLOSE.slowConsumer, 'messages are not being read: resume and catch up');
    }
    hotLog.expire(clock.now());
    channels.sweep(CHANNELS_A_TICK, (channel) => subscriptions.countOfChannel(channel.id) > 0);
  }

  #expireSessions(): void {
    const { sessions, clock } = this.#parts;
    if (sessions.expiring === 0) return;
    const to = Math.min(this.#nextRow + ROWS_A_TICK, sessions.rows);
    sessions.sweep(this.#nextRow, to, clock.now() / 1000, (row) => this.#parts.end(row, CLOSE.sessionExpired, 'the token has expired'));
    this.#nextRow = to === sessions.rows ? 0 : to;
  }
}
