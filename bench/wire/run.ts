import { describeCommit, describeMachine } from '../lib/machine.js';
import { delaysBetween, waitsOf, type DelayReading } from './delays.js';
import { Link, type LinkOptions } from './link.js';
import { memoryByOwner } from './memory.js';
import { PhasePaces } from './phase-pace.js';
import { MemoryReserve } from './reserve.js';
import { check, type Check, type MemoryPoint, type WireRun } from './results.js';
import type { WireScenario } from './scenarios.js';
import { pausesOver, readMetrics } from './pauses.js';
import type { PhaseResult } from './wiregen.js';

export interface RunOptions {
  readonly name: string;
  readonly command: string;
  readonly smoke: boolean;
  readonly quiet: boolean;
}

/** While connections open, memory is read about so often. */
const POINTS = 50;

/** Plays a scenario on a virtio-user link against `--driver dpdk`, with the server's memory read as each phase ends. */
export async function runWire(scenario: WireScenario, options: RunOptions): Promise<WireRun> {
  const { smoke, quiet } = options;
  const machine = describeMachine();
  const { role, connections, settings, phases: lines, config = {}, timeoutS, memoryMib } = scenario;
  const reserve = memoryMib === undefined ? null : await MemoryReserve.take(memoryMib);
  const link = await openLink({ role, clients: connections, settings, phases: lines, config, timeoutS, quiet }, reserve);
  const paces = new PhasePaces(timeoutS + 60);
  const points: MemoryPoint[] = [{ after: 'start', connections: 0, memory: memoryByOwner(link.server.pid) }];
  const phases: PhaseResult[] = [];
  let pauses: WireRun['pauses'] = null;
  let parts: WireRun['parts'] = {};
  let [most, lookedAt] = [0, 0];
  let before: DelayReading = { waits: null, pauses: null, commits: null };
  try {
    reserve?.begin();
    let reading: Promise<void> = Promise.resolve();
    const look = (after: string, ready: number): void => {
      if (link.server.alive) points.push({ after, connections: ready, memory: memoryByOwner(link.server.pid) });
    };
    link.wiregen.onProgress = (phase, ready) => {
      paces.progress(phase, ready);
      // While they open, so that memory can be drawn against their number.
      if (phase !== 'open' || ready < lookedAt + connections / POINTS) return;
      lookedAt = ready;
      look(phase, ready);
    };
    link.wiregen.onPhase = (result) => {
      const index = phases.push({ ...result, ...paces.ended(result.phase) }) - 1;
      const waits = waitsOf(link.server.pid);
      look(result.phase, result.ready);
      const isDrainNext = lines[phases.length]?.startsWith('drain') === true;
      // Asked before the drain begins, which ends the server; the drain begins with what makes the server drain.
      reading = reading.then(async () => {
        const metrics = await readMetrics(link.server.adminUrl);
        pauses = metrics?.pauses ?? pauses;
        const after: DelayReading = { waits, pauses: metrics?.pauses ?? null, commits: metrics?.commits ?? null };
        phases[index] = { ...(phases[index] ?? result), delays: delaysBetween(before, after) };
        before = after;
        if (metrics !== null && result.ready > most) {
          most = result.ready;
          parts = metrics.parts;
        }
        if (isDrainNext) process.kill(link.server.pid, 'SIGTERM');
      });
    };
    const result = await link.wiregen.end();
    await reading;
    return {
      ...headOf(scenario, options),
      machine,
      reserved: reserve?.reserved ?? null,
      ok: result.ok,
      failure: result.failure ?? null,
      phases,
      points,
      ...judge(scenario, smoke, phases, points, pauses),
      pauses,
      parts,
      wire: result.wire,
    };
  } finally {
    await paces.stop();
    await reserve?.stop();
    await link.close();
  }
}

type Head = Pick<WireRun, 'format' | 'kind' | 'scenario' | 'command' | 'date' | 'commit' | 'smoke' | 'connections' | 'config' | 'lines'>;

/** What was played, and when. */
function headOf({ connections, config = {}, settings, phases }: WireScenario, { name, command, smoke }: RunOptions): Head {
  const [date, commit] = [new Date().toISOString(), describeCommit()];
  const lines = [...settings, ...phases];
  return { format: 1, kind: 'wire', scenario: name, command, date, commit, smoke, connections, config, lines };
}

async function openLink(options: LinkOptions, reserve: MemoryReserve | null): Promise<Link> {
  try {
    return await Link.open(options);
  } catch (error) {
    await reserve?.stop();
    throw error;
  }
}

type Judged = Pick<WireRun, 'checks' | 'pairs'>;

function judge(scenario: WireScenario, smoke: boolean, phases: PhaseResult[], points: MemoryPoint[], pauses: WireRun['pauses']): Judged {
  const checks = smoke ? [] : [...scenario.checks(phases, points), ...pauseChecks(pauses)];
  return scenario.pairs === undefined ? { checks } : { checks, pairs: scenario.pairs(phases) };
}

/** The control plane's garbage collection holds nobody up for longer than 20 ms. */
function pauseChecks(pauses: WireRun['pauses']): Check[] {
  return pauses === null ? [] : [check('garbage collections of more than 20 ms', pausesOver(pauses, 0.02), 'at-most', 0)];
}
