import type { CpuUse } from './load.js';

/** The client had no CPU left while the server had: the figure is the client's. */
export const CLIENT_BOUND = 'client-bound';
/** Neither side could use its CPU whole in a closed loop: something else ran there. */
export const CONTENDED = 'contended';

const BUSY = 0.95;

/** What a reader must know about a closed-loop measurement before he believes it. */
export function flagsOf(cpu: CpuUse | undefined, closedLoop: boolean): string[] {
  if (cpu?.server_busy === undefined) return [];
  if (cpu.client_busy > BUSY && cpu.server_busy < BUSY) return [CLIENT_BOUND];
  if (closedLoop && cpu.client_busy < 0.9 && cpu.server_busy < 0.9) return [CONTENDED];
  return [];
}
