/** Periodic work: sessions whose token ended, leases, consumers that do not move, messages and channels that leave memory. */

import { CLOSE } from '../errors.js';
import type { GatewayParts } from './parts.js';

const TICK_MS = 20;
/**
 * Rows and channels looked at in a tick at most: ten million rows take five seconds, in steps of which everything else waits for one. Of
 * rows whole ranges of the session table.
 */
const ROWS_A_TICK = 10 * 4096;
const CHANNELS_A_TICK = 400;
/** A round over the rows, or from one look at all that catches up and at the hot log's chunks to the next, takes so many ticks at least. */
const ROUND_TICKS = 5;

export class Housekeeping {
  readonly #parts: GatewayParts;
  #timer: NodeJS.Timeout | null = null;
  #nextRow = 0;
  #ticks = 0;

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
    const { replays, hotLog, channels, subscriptions, sessions, clock, config, keeper } = this.#parts;
    const rows = Math.min(ROWS_A_TICK, Math.ceil(sessions.rows / ROUND_TICKS));
    this.#expireSessions(rows);
    keeper.renew(rows);
    channels.sweep(CHANNELS_A_TICK, (channel) => subscriptions.countOfChannel(channel.id) > 0);
    this.#ticks = (this.#ticks + 1) % ROUND_TICKS;
    if (this.#ticks !== 0) return;
    keeper.sweep();
    for (const row of replays.stalled(config.limits.slowConsumerTimeoutMs)) {
      this.#parts.end(row, CLOSE.slowConsumer, 'messages are not being read: resume and catch up');
    }
    hotLog.expire(clock.now());
  }

  #expireSessions(rows: number): void {
    const { sessions, clock } = this.#parts;
    if (sessions.expiring === 0) return;
    const to = Math.min(this.#nextRow + rows, sessions.rows);
    sessions.sweep(this.#nextRow, to, clock.now() / 1000, (row) => this.#parts.end(row, CLOSE.sessionExpired, 'the token has expired'));
    this.#nextRow = to === sessions.rows ? 0 : to;
  }
}
