/** This node's worker number for Snowflakes: leased, renewed, and not used a moment longer than it is certainly this node's. */

import { StoreError } from '../errors.js';
import { Snowflake } from '../sequence/snowflake.js';
import type { WorkerLeases } from '../store/session-store.js';

export interface WorkerNumberOptions {
  readonly leases: WorkerLeases;
  /** Of this process, unlike any other's. */
  readonly owner: string;
  readonly leaseMs: number;
  /** Milliseconds since the Unix epoch. */
  readonly now: () => number;
}

export class WorkerNumber {
  readonly #options: WorkerNumberOptions;
  #worker = -1;
  #snowflake: Snowflake | null = null;
  #until = 0;
  #timer: NodeJS.Timeout | null = null;
  #renewing = false;

  constructor(options: WorkerNumberOptions) {
    this.#options = options;
  }

  /** Rejects with StoreError where none can be had. */
  async start(): Promise<void> {
    await this.#take();
    this.#timer = setInterval(() => void this.#renew(), this.#options.leaseMs / 4).unref();
  }

  /** Makes ids under the number; null while there is none. */
  get snowflake(): Snowflake | null {
    return this.#options.now() < this.#until ? this.#snowflake : null;
  }

  /** Gives the number back, after the last id. */
  async stop(): Promise<void> {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#until = 0;
    await this.#options.leases.release(this.#worker, this.#options.owner).catch(() => undefined);
  }

  async #take(): Promise<void> {
    const { leases, owner, leaseMs, now } = this.#options;
    const until = now() + leaseMs;
    const worker = await leases.take(owner, now(), until);
    if (worker === null) throw new StoreError('all 1,024 worker numbers are taken', true, { remedy: 'Run fewer nodes on this store.' });
    // Another number's ids differ whatever their time; the same number goes on above what it gave out.
    if (worker !== this.#worker) this.#snowflake = new Snowflake(worker, this.#snowflake?.timestamp ?? 0);
    this.#worker = worker;
    this.#until = until;
  }

  /** Never rejects: what fails is tried again. */
  async #renew(): Promise<void> {
    const { leases, owner, leaseMs, now } = this.#options;
    if (this.#renewing) return;
    this.#renewing = true;
    const until = now() + leaseMs;
    try {
      if (await leases.renew(this.#worker, owner, until)) this.#until = until;
      else await this.#take();
    } catch {
      // The lease runs out by itself unless a later try succeeds.
    }
    this.#renewing = false;
  }
}
