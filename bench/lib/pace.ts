import { createInterface } from 'node:readline';

import { CLIENT_CPU, SERVER_CPU, startPinned, stopChild } from './child.js';
import { LOAD } from './paths.js';

/** One look at a CPU: when (milliseconds since 1970), and how long a fixed piece of work took, in microseconds. */
export interface Look {
  readonly atMs: number;
  readonly us: number;
}

/**
 * How fast the CPUs were, as a share of the fastest that either was in the run: a machine's processors are often hyperthreads of cores
 * that others use, and give 0.6 of themselves for seconds.
 */
export interface Pace {
  readonly server: number;
  readonly client: number;
}

/** From this share on a CPU counts as being one's own: clocks alone move by several hundredths. */
export const FULL_PACE = 0.9;

function median(looks: readonly Look[]): number {
  const sorted = looks.map(({ us }) => us).sort((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? Number.NaN;
}

/** The shares between two moments. Null where a CPU was not looked at in between. */
export function paceBetween(server: readonly Look[], client: readonly Look[], fromMs: number, toMs: number): Pace | null {
  const fastest = [...server, ...client].reduce((least, { us }) => Math.min(least, us), Infinity);
  const of = (looks: readonly Look[]): number => fastest / median(looks.filter(({ atMs }) => atMs >= fromMs && atMs <= toMs));
  const pace = { server: of(server), client: of(client) };
  return Number.isFinite(pace.server) && Number.isFinite(pace.client) ? pace : null;
}

/** Looks at both CPUs ten times a second (`sluice-load pace`), for less than a thousandth of their time. */
export class PaceWatch {
  readonly server: readonly Look[];
  readonly client: readonly Look[];
  readonly #children: ReturnType<typeof startPinned>[] = [];

  constructor(deadlineS: number) {
    this.server = this.#watch(SERVER_CPU, deadlineS);
    this.client = CLIENT_CPU === SERVER_CPU ? this.server : this.#watch(CLIENT_CPU, deadlineS);
  }

  /** Where it cannot be run there are no looks. */
  #watch(cpu: number, deadlineS: number): Look[] {
    const looks: Look[] = [];
    const child = startPinned([LOAD, 'pace', String(deadlineS)], cpu);
    this.#children.push(child);
    if (child.stdout === null) throw new Error('no pipe to sluice-load');
    createInterface({ input: child.stdout }).on('line', (line) => {
      looks.push({ atMs: Date.now(), us: (JSON.parse(line) as { readonly us: number }).us });
    });
    return looks;
  }

  async stop(): Promise<void> {
    await Promise.all(this.#children.map(stopChild));
  }
}
