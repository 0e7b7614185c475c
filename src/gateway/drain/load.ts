/** How busy this node is, as one number from 0 to 1: what a node that drains towards it asks. */

import { readFileSync } from 'node:fs';
import { performance, type EventLoopUtilization } from 'node:perf_hooks';
import type { GatewayStats } from '../../admin/backend.js';

const PERIOD_MS = 1000;

export class LoadMeter {
  readonly #scheduled: () => number | null;
  #last: EventLoopUtilization = performance.eventLoopUtilization();
  #lastScheduled: number | null;
  #lastAt = performance.now();
  #busy = 0;
  #timer: NodeJS.Timeout | null = null;

  /** `scheduled`: milliseconds in which this thread ran or waited for a CPU; null where that is not known. */
  constructor(scheduled: () => number | null = scheduledMs) {
    this.#scheduled = scheduled;
    this.#lastScheduled = scheduled();
  }

  start(): void {
    this.#timer = setInterval(() => this.#sample(), PERIOD_MS).unref();
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }

  /** Whatever of its resources is nearest to its end. */
  read(stats: Pick<GatewayStats, 'connections' | 'event_ring' | 'command_ring'>, rows: number): number {
    const { connections, event_ring: events, command_ring: commands } = stats;
    return Math.min(1, Math.max(this.#busy, events.used / events.capacity, commands.used / commands.capacity, connections / rows));
  }

  #sample(): void {
    const now = performance.eventLoopUtilization();
    const at = performance.now();
    const scheduled = this.#scheduled();
    const { utilization } = performance.eventLoopUtilization(now, this.#last);
    // Where other processes have the CPUs, an event loop looks idle while what woke it waits for its turn.
    const wanted = scheduled === null || this.#lastScheduled === null ? 0 : (scheduled - this.#lastScheduled) / (at - this.#lastAt);
    this.#busy = Math.max(utilization, wanted);
    this.#last = now;
    this.#lastAt = at;
    this.#lastScheduled = scheduled;
  }
}

/** Of the main thread (proc(5), schedstat: time on a CPU and time waited for one, ns). */
function scheduledMs(): number | null {
  try {
    const [ran, waited] = readFileSync('/proc/self/schedstat', 'latin1').split(' ').map(Number);
    const sum = Number(ran) + Number(waited);
    return Number.isFinite(sum) ? sum / 1e6 : null;
  } catch {
    return null;
  }
}
