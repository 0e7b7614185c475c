import { WorkerNumber } from '../../src/cluster/worker-number.js';
import type { WorkerLeases } from '../../src/store/worker-leases.js';

/** Worker numbers that outlive gateways, not the process. */
export class MemoryLeases implements WorkerLeases {
  readonly held = new Map<number, { owner: string; until: number }>();

  async take(owner: string, from: number, until: number): Promise<number | null> {
    const own = [...this.held].find(([, lease]) => lease.owner === owner);
    const numbers = own === undefined ? Array.from({ length: 1024 }, (_, i) => i) : [own[0]];
    const free = numbers.find((worker) => own !== undefined || (this.held.get(worker)?.until ?? 0) <= from);
    if (free !== undefined) this.held.set(free, { owner, until });
    return free ?? null;
  }

  async renew(worker: number, owner: string, until: number): Promise<boolean> {
    return this.#set(worker, owner, { owner, until });
  }

  async release(worker: number, owner: string, until: number): Promise<void> {
    this.#set(worker, owner, { owner: '', until });
  }

  #set(worker: number, owner: string, next: { owner: string; until: number }): boolean {
    if (this.held.get(worker)?.owner !== owner) return false;
    this.held.set(worker, next);
    return true;
  }
}

/** A number for a gateway on its own log. */
export function workerNumber(leases: WorkerLeases, owner: string, now: () => number, floor = 0): WorkerNumber {
  return new WorkerNumber({ leases, owner, leaseMs: 60_000, floor, now });
}
