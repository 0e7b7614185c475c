import { existsSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';

import { CLIENT_CPU, startPinned, stopChild, waitExit } from '../lib/child.js';
import type { LatencyData } from '../lib/histogram.js';
import type { CpuUse } from '../lib/load.js';
import { ROOT } from '../lib/paths.js';
import { scratchFolder } from '../lib/scratch.js';
import type { Delays } from './delays.js';
import type { PhasePace } from './phase-pace.js';

export const WIREGEN = process.env['SLUICE_WIREGEN'] ?? `${ROOT}build/Release/sluice-wiregen`;

/** One phase of a scenario, as sluice-wiregen reports it. Which members there are depends on the phase. */
export interface PhaseResult extends Partial<PhasePace> {
  readonly phase: string;
  readonly seconds: number;
  readonly ready: number;
  readonly count?: number;
  readonly per_second?: number;
  readonly per_cpu_second?: number;
  readonly opened_per_second?: number;
  readonly cpu?: CpuUse;
  readonly server_cpu_s?: number;
  readonly client_cpu_s?: number;
  readonly latency?: LatencyData;
  /** What the server's side of the phase waited for; null where the server does not say. */
  readonly delays?: Delays | null;
  readonly [member: string]: unknown;
}

export interface WiregenResult {
  readonly ok: boolean;
  readonly failure?: string;
  readonly clients: number;
  readonly lost: number;
  readonly wire: Readonly<Record<string, number>>;
  readonly phases: readonly PhaseResult[];
}

export interface WiregenOptions {
  readonly scenario: readonly string[];
  /** Arguments of DPDK's EAL. */
  readonly eal: string;
  readonly packets: number;
  /** Whose CPU time counts. */
  readonly serverPid: number;
  readonly timeoutS: number;
  readonly quiet: boolean;
}

/** A line of its output. */
interface WiregenEvent {
  readonly event: string;
  readonly phase?: string;
  readonly ready?: number;
  readonly result?: PhaseResult;
}

/** sluice-wiregen as it runs. */
export class Wiregen {
  readonly #child: ReturnType<typeof startPinned>;
  readonly #closed: Promise<void>;
  readonly #timeoutS: number;
  #errors = '';
  #result: WiregenResult | undefined;
  /** Called as each phase ends. */
  onPhase: (result: PhaseResult) => void = () => {};
  /** Called once a second. */
  onProgress: (phase: string, ready: number) => void = () => {};

  constructor({ scenario, eal, packets, serverPid, timeoutS, quiet }: WiregenOptions) {
    if (!existsSync(WIREGEN)) throw new Error(`there is no ${WIREGEN}: run \`npm run build\``);
    const file = `${scratchFolder()}/scenario`;
    writeFileSync(file, `${scenario.join('\n')}\n`);
    const device = ['--eal', eal, '--packets', String(packets), '--cpu', String(CLIENT_CPU)];
    const args = [file, ...device, '--server-pid', String(serverPid), '--json', '--deadline', String(timeoutS)];
    this.#timeoutS = timeoutS;
    this.#child = startPinned([WIREGEN, ...args], CLIENT_CPU);
    const { stdout, stderr } = this.#child;
    if (stdout === null || stderr === null) throw new Error('no pipes to sluice-wiregen');
    createInterface({ input: stderr }).on('line', (line) => {
      // Progress begins with the phase; the rest is DPDK's, or what went wrong.
      if (/^[a-z]+: /.test(line)) {
        if (!quiet) process.stderr.write(`${line}\n`);
      } else if (this.#errors.length < 8192) this.#errors += `${line}\n`;
    });
    const lines = createInterface({ input: stdout });
    // DPDK's drivers write to standard output as well.
    lines.on('line', (line) => {
      if (line.startsWith('{')) this.#take(JSON.parse(line) as WiregenEvent);
    });
    this.#closed = new Promise((resolve) => lines.once('close', resolve));
  }

  #take(event: WiregenEvent): void {
    if (event.event === 'progress') this.onProgress(event.phase ?? '', event.ready ?? 0);
    else if (event.event === 'result') this.#result = event as unknown as WiregenResult;
    else if (event.result !== undefined) this.onPhase(event.result);
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** The result, also of a run that failed its checks; rejects where there is none. */
  async end(): Promise<WiregenResult> {
    if (!(await waitExit(this.#child, (this.#timeoutS + 30) * 1000))) await stopChild(this.#child);
    await this.#closed;
    if (this.#result === undefined) throw new Error(`sluice-wiregen gave no result:\n${this.#errors}`);
    return this.#result;
  }

  async stop(): Promise<void> {
    await stopChild(this.#child);
  }
}
