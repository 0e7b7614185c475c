/**
 * This process's worker number for Snowflakes: leased and renewed. Its ids' times lie within the lease, which is what keeps them apart from
 * those of others (store/worker-leases.ts): where the clock steps back they go on from where they were, and where it steps back by hours
 * the number is renewed beyond the last of them.
 */

import { StoreError } from '../errors.js';
import { Snowflake } from '../sequence/snowflake.js';
import type { WorkerLeases } from '../store/worker-leases.js';

export interface WorkerNumberOptions {
  readonly leases: WorkerLeases;
  /** Of this process, unlike any other's. */
  readonly owner: string;
  readonly leaseMs: number;
  /** Ids have later times than this one (MessageLog.maxTimestamp), or 0. */
  readonly floor: number;
  /** Milliseconds since the Unix epoch. */
  readonly now: () => number;
}

const LOOK_MS = 1000;
/** A lease is renewed when less than this share of it is left. */
const FRESH = 0.75;

export class WorkerNumber {
  readonly #options: WorkerNumberOptions;
  #worker = -1;
  #snowflake: Snowflake | null = null;
  #until = 0;
  /** Whoever took a number before had it up to here at most, whether or not the store's answer came. */
  #floor: number;
  #starting: Promise<void> | null = null;
  #timer: NodeJS.Timeout | null = null;
  #renewing: Promise<void> | null = null;

  constructor(options: WorkerNumberOptions) {
    this.#options = options;
    this.#floor = options.floor;
  }

  /** Rejects with StoreError where none can be had, and goes on trying. Later calls return the first one's promise. */
  start(): Promise<void> {
    return (this.#starting ??= this.#start());
  }

  /** Makes ids under the number; null while there is none. */
  get snowflake(): Snowflake | null {
    const snowflake = this.#snowflake;
    // The next id may borrow from the next millisecond.
    return snowflake !== null && this.#options.now() < this.#until && snowflake.timestamp + 1 < this.#until ? snowflake : null;
  }

  /** Gives the number back, after the last id. Never rejects. */
  async stop(): Promise<void> {
    if (this.#timer !== null) clearInterval(this.#timer);
    await this.#starting?.catch(() => undefined);
    await this.#renewing;
    const snowflake = this.#snowflake;
    this.#until = 0;
    this.#snowflake = null;
    if (snowflake === null) return;
    await this.#options.leases.release(this.#worker, this.#options.owner, snowflake.timestamp + 1).catch(() => undefined);
  }

  async #start(): Promise<void> {
    this.#timer = setInterval(() => this.#look(), LOOK_MS).unref();
    await this.#take();
  }

  async #take(): Promise<void> {
    const { leases, owner, leaseMs, now } = this.#options;
    this.#until = 0;
    this.#floor = Math.max(this.#floor, this.#snowflake?.timestamp ?? 0, Math.floor(now()) - 1);
    const until = this.#floor + leaseMs;
    const worker = await leases.take(owner, this.#floor + 1, until);
    if (worker === null) throw new StoreError('all 1,024 worker numbers are taken', true, { remedy: 'Run fewer nodes on this store.' });
    this.#snowflake = new Snowflake(worker, this.#floor);
    this.#worker = worker;
    this.#until = until;
  }

  #look(): void {
    const { leaseMs, now } = this.#options;
    const isFresh = this.snowflake !== null && this.#until - now() > leaseMs * FRESH;
    if (isFresh || this.#renewing !== null) return;
    this.#renewing = this.#renew().finally(() => (this.#renewing = null));
  }

  /** Never rejects: what fails is tried again, and the lease runs out by itself unless that succeeds. */
  async #renew(): Promise<void> {
    const { leases, owner, leaseMs, now } = this.#options;
    const last = this.#snowflake?.timestamp ?? this.#floor;
    // Never less than it was: whoever had the number before may have had it until then.
    const until = Math.max(this.#until, Math.floor(now()) + leaseMs, last + leaseMs);
    try {
      if (this.#until > 0 && (await leases.renew(this.#worker, owner, until))) this.#until = until;
      else await this.#take();
    } catch {
      // Of no use to anybody: readiness says that there is no number when there is none.
    }
  }
}
