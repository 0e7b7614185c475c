/** How busy this node is, as one number from 0 to 1: what a node that drains towards it asks. */

import { performance, type EventLoopUtilization } from 'node:perf_hooks';
import type { GatewayStats } from '../admin/backend.js';

const PERIOD_MS = 1000;

export class LoadMeter {
  #last: EventLoopUtilization = performance.eventLoopUtilization();
  #busy = 0;
  #timer: NodeJS.Timeout | null = null;

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
    this.#busy = performance.eventLoopUtilization(now, this.#last).utilization;
    this.#last = now;
  }
}
