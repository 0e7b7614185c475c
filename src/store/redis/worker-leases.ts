import type { WorkerLeases } from '../worker-leases.js';
import type { RedisClient } from './client.js';

const WORKER_MAX = 1023;

/** Snowflake workers in one hash of Redis. */
export class RedisWorkerLeases implements WorkerLeases {
  readonly #redis: RedisClient;
  readonly #key: string;

  constructor(redis: RedisClient) {
    this.#redis = redis;
    this.#key = `${redis.prefix}workers`;
  }

  async take(owner: string, from: number, until: number): Promise<number | null> {
    const args = [owner, Math.floor(from), Math.floor(until), WORKER_MAX];
    const worker = (await this.#redis.script('sluiceWorkerTake', [this.#key], args)) as number;
    return worker < 0 ? null : worker;
  }

  async renew(worker: number, owner: string, until: number): Promise<boolean> {
    return (await this.#redis.script('sluiceWorkerHold', [this.#key], [worker, owner, Math.floor(until), owner])) === 1;
  }

  async release(worker: number, owner: string, until: number): Promise<void> {
    await this.#redis.script('sluiceWorkerHold', [this.#key], [worker, owner, Math.floor(until), '']);
  }
}
