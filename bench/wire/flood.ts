import { median } from '../lib/statistics.js';
import { total } from './memory.js';
import { check, type Check, type MemoryPoint, type Pair } from './results.js';
import type { WireNumbers, WireScenario } from './scenarios.js';
import type { PhaseResult } from './wiregen.js';

/** SYNs a second from random addresses, a little above the bar, and the bar. Openings a second beside them, by how many clients. */
const FLOOD = 1_050_000;
const FLOOD_BAR = 1_000_000;
const OPENINGS = 500;
const NEWCOMERS = 200;
const GROWTH_MAX = 4 << 20;

const named = (phases: readonly PhaseResult[], name: string): PhaseResult[] => phases.filter((phase) => phase.phase === name);
const p99 = (phase: PhaseResult): number => phase.latency?.p99_us ?? Number.NaN;
const syns = (phases: readonly PhaseResult[]): number => phases.reduce((sum, phase) => sum + Number(phase['flood_syn']), 0);
const seconds = (phases: readonly PhaseResult[]): number => phases.reduce((sum, phase) => sum + phase.seconds, 0);

/** The first echoes are beside a flood that is not judged: it fills the tables. */
function echoesOf(phases: readonly PhaseResult[]): { quiet: PhaseResult[]; flooded: PhaseResult[] } {
  const echoes = named(phases, 'echo').slice(1);
  return { quiet: echoes.filter((_, index) => index % 2 === 0), flooded: echoes.filter((_, index) => index % 2 === 1) };
}

function pairsOf(phases: readonly PhaseResult[]): Pair[] {
  const { quiet, flooded } = echoesOf(phases);
  return flooded.map((phase, index) => {
    const [without, beside] = [p99(quiet[index] ?? phase), p99(phase)];
    return { without_us: without, beside_us: beside, ratio: beside / without, per_second: syns([phase]) / phase.seconds };
  });
}

/**
 * SYNs from random addresses beside clients that echo and others that open: none is lost, and none notices much. Echoes without the flood
 * and beside it take turns, each for a short time: what a machine has for us changes within seconds, and of two phases that lie next to
 * each other it has most often the same.
 */
export function flood(n: WireNumbers): WireScenario {
  const beside = `also flood kind=syn rate=${n.rate ?? FLOOD}`;
  const timing = `for=${n.durationS}s warmup=${n.warmupS}s`;
  const echoes = `echo size=${n.size} rate=20000 ${timing}`;
  const pair = [echoes, beside, echoes];
  const pairs = Array.from({ length: n.rounds }, () => pair).flat();
  const newcomers = [beside, `churn rate=${OPENINGS} for=${2 * n.durationS}s warmup=${n.warmupS}s`];
  const phases = [`open inflight=256 count=${n.connections}`, beside, echoes, ...pairs, ...newcomers, 'close'];
  const checks = (all: readonly PhaseResult[], points: readonly MemoryPoint[]): Check[] => {
    const { flooded } = echoesOf(all);
    const [churn] = named(all, 'churn');
    // The first flood fills what is set aside for half-open connections (1 MiB, and 4 MiB of the flow table); others add nothing to it.
    const before = points.find((point) => point.after === 'echo');
    const after = points.find((point) => point.after === 'churn');
    const growth = before === undefined || after === undefined ? Number.NaN : total(after.memory) - total(before.memory);
    return [
      check('SYNs a second', syns(flooded) / seconds(flooded), 'at-least', FLOOD_BAR),
      check('p99 of the echoes, to that without the flood, median', median(pairsOf(all).map(({ ratio }) => ratio)), 'at-most', 2),
      check('bytes that the server grew by under all floods but the first', growth, 'at-most', GROWTH_MAX),
      check('clients that opened beside the flood, a second', churn?.per_second ?? 0, 'at-least', OPENINGS * 0.95),
    ];
  };
  const timeoutS = (2 * n.rounds + 3) * (n.durationS + n.warmupS) * 2 + 120;
  return { role: 'echo', connections: n.connections + NEWCOMERS, settings: [], phases, timeoutS, checks, pairs: pairsOf };
}
