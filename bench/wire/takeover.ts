import { execFileSync, type ChildProcess } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { SERVER_CPU, startPinned, stopChild } from '../lib/child.js';
import { SLUICE_CLI } from '../lib/paths.js';
import { scratchFolder } from '../lib/scratch.js';
import { Link } from './link.js';
import type { WiregenResult } from './wiregen.js';

export interface TakeoverOptions {
  readonly connections: number;
  /** How long control planes die one behind the other. */
  readonly durationS: number;
  /** Publishes a second of all clients together. */
  readonly rate: number;
  readonly quiet: boolean;
}

const PER_CHANNEL = 20;
/** Behind the takeover before; what a pause has held up has been delivered by then. */
const BETWEEN_MS = 500;
const READY_MS = 120_000;
const CONFIG = { limits: { attachWaitMs: 120_000 } };

/** Control planes of one engine. */
class Planes {
  readonly #name: string;
  readonly #data = scratchFolder();
  readonly #children = new Set<ChildProcess>();

  constructor(name: string) {
    this.#name = name;
    writeFileSync(join(this.#data, 'bench.json'), JSON.stringify(CONFIG));
  }

  /** Resolves when it has written what matches. */
  async start(said: RegExp, ...more: string[]): Promise<ChildProcess> {
    const options = ['--data', this.#data, '--config', join(this.#data, 'bench.json'), '--admin', '127.0.0.1:0'];
    const limits = ['--allow-anonymous', '--publish-rate', '0'];
    const args = ['--max-old-space-size=8192', SLUICE_CLI, 'serve', '--attach', this.#name, ...options, ...limits, ...more];
    // Beside the engine: the clients have the other CPU.
    const child = startPinned([process.execPath, ...args], SERVER_CPU);
    this.#children.add(child);
    let output = '';
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`a control plane took too long:\n${output}`)), READY_MS);
      const onData = (data: Buffer): void => {
        if (output.length < 65_536) output += String(data);
        if (!said.test(output)) return;
        clearTimeout(timer);
        resolve();
      };
      for (const stream of [child.stdout, child.stderr]) stream?.on('data', onData);
      child.once('exit', () => reject(new Error(`a control plane ended:\n${output}`)));
    });
    return child;
  }

  async close(): Promise<void> {
    for (const child of this.#children) await stopChild(child);
  }
}

interface Counters {
  readonly takeovers: number;
  readonly takeover_pause_us: number;
}

function countersOf(name: string): Counters {
  const text = execFileSync(process.execPath, [SLUICE_CLI, 'stat', '--name', name, '--json'], { encoding: 'utf8' });
  return (JSON.parse(text) as { counters: Counters }).counters;
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Kills control planes until it is `over`; returns how long each time nobody was there, in milliseconds, as the engine counts it. */
async function kill(name: string, planes: Planes, first: ChildProcess, over: () => boolean): Promise<number[]> {
  const pauses: number[] = [];
  let current = first;
  while (!over()) {
    const standby = await planes.start(/standing by/, '--standby');
    await pause(BETWEEN_MS);
    if (over()) break;
    const before = countersOf(name);
    current.kill('SIGKILL');
    current = standby;
    let after = before;
    for (const end = Date.now() + READY_MS; after.takeovers === before.takeovers && Date.now() < end; after = countersOf(name)) {
      await pause(BETWEEN_MS);
    }
    pauses.push((after.takeover_pause_us - before.takeover_pause_us) / 1000);
  }
  return pauses;
}

/** A detached engine on a virtio-user link, whose clients publish and subscribe while control planes are killed and standbys take over. */
export async function runTakeover({ connections, durationS, rate, quiet }: TakeoverOptions): Promise<{ text: string; ok: boolean }> {
  const name = `bench-${process.pid}`;
  const publish = `publish size=64 rate=${rate} senders=${connections} takeovers=yes for=${durationS}s`;
  const link = await Link.open({
    role: 'engine', name, clients: connections, config: CONFIG, quiet, timeoutS: durationS + 300,
    settings: [`channels count=${Math.ceil(connections / PER_CHANNEL)}`], phases: ['open inflight=4096', publish, 'hold for=1s'],
  });
  const planes = new Planes(name);
  try {
    const first = await planes.start(/^ready /m);
    let over = false;
    const opened = new Promise<void>((resolve) => {
      link.wiregen.onPhase = ({ phase }) => {
        if (phase === 'open') resolve();
        if (phase === 'publish') over = true;
      };
    });
    const ended = link.wiregen.end().finally(() => (over = true));
    await Promise.race([opened, ended]);
    const pauses = await kill(name, planes, first, () => over);
    const result = await ended;
    return { text: report(result, pauses), ok: result.ok && pauses.length > 0 };
  } finally {
    await planes.close();
    await link.close();
  }
}

function report({ ok, failure, clients, lost, phases }: WiregenResult, pauses: readonly number[]): string {
  const sorted = [...pauses].sort((a, b) => a - b);
  const at = (share: number): string => (sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0).toFixed(0);
  const latency = phases.find(({ phase }) => phase === 'publish')?.latency;
  const longest = latency === undefined ? '' : `; the slowest acknowledgement took ${(latency.max_us / 1000).toFixed(0)} ms`;
  return [
    `${pauses.length} control planes killed under ${clients} connections, ${lost} lost`,
    `without a control plane: p50 ${at(0.5)}, p99 ${at(0.99)}, longest ${at(1)} ms${longest}`,
    ok ? 'every publish was acknowledged once, every delivery came once and in order' : `failed: ${failure ?? 'see above'}`,
  ].join('\n');
}
