import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';

import { CLIENT_CPU, startPinned, stopChild, waitExit } from './child.js';
import type { LatencyData } from './histogram.js';
import { LOAD } from './paths.js';

/** CPU time of both sides within the measured window, in seconds. */
export interface CpuUse {
  readonly client_s: number;
  readonly client_busy: number;
  readonly server_s?: number;
  readonly server_user_s?: number;
  readonly server_system_s?: number;
  readonly server_busy?: number;
}

/** The last line of sluice-load --json. Which members there are depends on the scenario. */
export interface LoadResult {
  readonly event: 'result';
  readonly scenario: string;
  readonly ok: boolean;
  readonly failure?: string;
  readonly connections: number;
  readonly window_s?: number;
  readonly count?: number;
  /** Publishes that were refused for a while and sent again. */
  readonly refused?: number;
  readonly per_second?: number;
  readonly per_cpu_second?: number;
  readonly cpu?: CpuUse;
  readonly latency?: LatencyData;
  readonly opening?: LatencyData;
  readonly open_s?: number;
}

export interface LoadEvent {
  readonly event: string;
  readonly [member: string]: unknown;
}

class LoadError extends Error {}

/**
 * Runs the load generator to its end. `onEvent` sees each line before the result; the generator has deadlines of its own, and
 * `timeoutS` ends it should it not keep them.
 */
export async function runLoad(args: readonly string[], timeoutS: number, onEvent?: (event: LoadEvent) => void): Promise<LoadResult> {
  if (!existsSync(LOAD)) throw new LoadError(`there is no ${LOAD}: run \`npm run build\``);
  const child = startPinned([LOAD, ...args, '--json', '--quiet', '--cpu', String(CLIENT_CPU)], CLIENT_CPU);
  if (child.stdout === null || child.stderr === null) throw new LoadError('no pipes to the load generator');
  let errors = '';
  child.stderr.on('data', (data: Buffer) => {
    if (errors.length < 8192) errors += data.toString();
  });
  let result: LoadResult | undefined;
  const lines = createInterface({ input: child.stdout });
  lines.on('line', (line) => {
    const event = JSON.parse(line) as LoadEvent;
    if (event.event === 'result') result = event as unknown as LoadResult;
    else onEvent?.(event);
  });
  const closed = new Promise<void>((resolve) => lines.once('close', resolve));
  const ended = await waitExit(child, timeoutS * 1000);
  if (!ended) {
    await stopChild(child);
    throw new LoadError(`sluice-load ${args.join(' ')}: not ended after ${timeoutS} s\n${errors}`);
  }
  await closed;
  if (result === undefined) throw new LoadError(`sluice-load ${args.join(' ')}: no result\n${errors}`);
  if (!result.ok) throw new LoadError(`sluice-load ${args[0] ?? ''}: ${result.failure ?? 'failed'}`);
  return result;
}
