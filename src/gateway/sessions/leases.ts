/** Leases of the sessions that are connected, each renewed at half of its time. */

import type { Row } from '../../engine/port.js';
import { SessionOpener } from '../../session/opener.js';
import { SESSION } from '../../session/table.js';
import { formatSessionId } from '../../store/sessions/session-id.js';
import type { SessionRef, SessionTimes } from '../../store/sessions/session-store.js';
import type { GatewayContext } from '../context.js';

/** Renewed at a time; messages go between. */
const STEP = 128;
/**
 * Sessions that began together are due together: they are renewed over two thirds of the half of a lease, so that millions hold nobody up,
 * and the last of them has a sixth of its lease left.
 */
const FASTER = 3 / 2;
/** In a call, however few there are. */
const LEAST = 200;
/** Of time that passed between two calls, what counts. */
const LONGEST_MS = 1_000;

/** Rows, and what they had when they were asked for. */
interface Asked {
  readonly rows: Int32Array;
  /** Four words each. */
  readonly ids: Uint32Array;
  readonly generations: Uint32Array;
  /** 1: the store has prolonged it. */
  readonly kept: Uint8Array;
}

export class Leases {
  readonly #context: GatewayContext;
  /** The store says that somebody else has the session now. */
  readonly #lost: (ref: SessionRef) => void;
  #nextRow = 0;
  #renewing = false;
  #calledAt = 0;
  /** When the round of renewals that goes on began, and the last one that left no lease behind: all are good beyond the latter. */
  #roundBegan = Infinity;
  #allRenewedAt = -Infinity;

  constructor(context: GatewayContext, lost: (ref: SessionRef) => void) {
    this.#context = context;
    this.#lost = lost;
  }

  /** Milliseconds since the Unix epoch; −Infinity before the first round's end. */
  get allRenewedAt(): number {
    return this.#allRenewedAt;
  }

  /** Looks at up to `rows` rows, in turn over the calls, and renews the leases that it is time for, as many as the time since asks for. */
  renew(rows: number): void {
    if (!this.#renewing) void this.#renew(rows);
  }

  /** Never rejects: a lease that the store did not take is tried again in the next round. */
  async #renew(rows: number): Promise<void> {
    const { sessions, config, clock } = this.#context;
    const now = clock.now();
    if (this.#nextRow === 0) this.#roundBegan = now;
    const due: Row[] = [];
    const to = Math.min(this.#nextRow + rows, sessions.rows);
    const before = now + config.session.leaseMs / 2;
    const reached = sessions.leasesBefore(this.#nextRow, to, before, this.#allowed(), (row) => due.push(row));
    this.#nextRow = reached === sessions.rows ? 0 : reached;
    if (due.length > 0) {
      this.#renewing = true;
      await this.#renewAll(due);
      this.#renewing = false;
    }
    if (this.#nextRow === 0 && this.#roundBegan < Infinity) this.#allRenewedAt = this.#roundBegan;
  }

  #allowed(): number {
    const { sessions, config, clock } = this.#context;
    const now = clock.monotonic();
    const elapsed = Math.min(LONGEST_MS, now - this.#calledAt);
    this.#calledAt = now;
    return Math.max(LEAST, Math.ceil((FASTER * sessions.sessions * elapsed) / (config.session.leaseMs / 2)));
  }

  async #renewAll(due: readonly Row[]): Promise<void> {
    const steps: Promise<void>[] = [];
    for (let at = 0; at < due.length; at += STEP) {
      if (at > 0) await new Promise(setImmediate);
      steps.push(this.#renewSome(due.slice(at, at + STEP)).catch(() => void (this.#roundBegan = Infinity)));
    }
    await Promise.all(steps);
  }

  async #renewSome(rows: readonly Row[]): Promise<void> {
    const { sessions, config, clock } = this.#context;
    const asked = this.#ask(rows);
    const times = SessionOpener.connected(config.session, clock.now());
    await this.#store(asked, times);
    const { ids, generations, kept } = asked;
    asked.rows.forEach((row, i) => {
      if (kept[i] !== 1) this.#lost({ id: formatSessionId(ids, i * 4), generation: generations[i]! });
      else if (sessions.state(row) === SESSION.open && sessions.hasId(row, ids, i * 4)) sessions.setLease(row, times.leaseUntil);
    });
  }

  #ask(among: readonly Row[]): Asked {
    const { sessions } = this.#context;
    const rows = Int32Array.from(among.filter((row) => sessions.state(row) === SESSION.open));
    const ids = new Uint32Array(rows.length * 4);
    const generations = new Uint32Array(rows.length);
    rows.forEach((row, i) => {
      sessions.copyId(row, ids, i * 4);
      generations[i] = sessions.sessionGeneration(row);
    });
    return { rows, ids, generations, kept: new Uint8Array(rows.length) };
  }

  async #store({ rows, ids, generations, kept }: Asked, times: SessionTimes): Promise<void> {
    const { store } = this.#context;
    const together = store.renewMany?.(ids, generations, rows.length, times, kept) ?? null;
    if (together !== null) return together;
    const refs = Array.from(generations, (generation, i) => ({ id: formatSessionId(ids, i * 4), generation }));
    (await store.renew(refs, times)).forEach((is, i) => (kept[i] = is ? 1 : 0));
  }
}
