import { flood } from './flood.js';
import { bytesPerConnection, check, inclusiveBytesPerConnection, type Check, type MemoryPoint, type Pair } from './results.js';
import { total } from './memory.js';
import type { PhaseResult } from './wiregen.js';

/** What a scenario plays and what is expected of it. */
export interface WireScenario {
  readonly role: 'echo' | 'serve';
  readonly connections: number;
  readonly settings: readonly string[];
  readonly phases: readonly string[];
  readonly config?: object;
  /** In seconds, all phases together, generously. */
  readonly timeoutS: number;
  /** Asked for ahead, where a run takes so much that the machine's own speed in finding it would be measured. */
  readonly memoryMib?: number;
  checks(phases: readonly PhaseResult[], points: readonly MemoryPoint[]): Check[];
  /** Where the same load is played in turns without something and beside it. */
  pairs?(phases: readonly PhaseResult[]): Pair[];
}

export interface WireNumbers {
  readonly connections: number;
  readonly size: number;
  readonly depth: number;
  readonly rate: number | null;
  readonly durationS: number;
  readonly warmupS: number;
  readonly holdS: number;
  /** Of the channel of broadcasts; null: a tenth of all, a million at most. */
  readonly subscribers: number | null;
  /** Of what is played in turns. */
  readonly rounds: number;
}

const named = (phases: readonly PhaseResult[], name: string): PhaseResult[] => phases.filter((phase) => phase.phase === name);
const NO_CHECKS = (): Check[] => [];

function timed({ durationS, warmupS }: WireNumbers): string {
  return `for=${durationS}s warmup=${warmupS}s`;
}

function echo(n: WireNumbers): WireScenario {
  const load = n.rate === null ? `depth=${n.depth}` : `rate=${n.rate}`;
  const phases = ['open inflight=4096', `echo size=${n.size} ${load} ${timed(n)}`, 'close'];
  return { role: 'echo', connections: n.connections, settings: [], phases, timeoutS: n.durationS + n.warmupS + 120, checks: NO_CHECKS };
}

function connect(n: WireNumbers): WireScenario {
  const phases = ['open inflight=4096', 'close'];
  return { role: 'serve', connections: n.connections, settings: ['channels count=64'], phases, timeoutS: 300, checks: NO_CHECKS };
}

function churn(n: WireNumbers): WireScenario {
  const load = n.rate === null ? `inflight=${Math.max(1, Math.min(256, n.connections / 4))}` : `rate=${n.rate}`;
  const phases = [`churn ${load} ${timed(n)}`];
  return { role: 'echo', connections: n.connections, settings: [], phases, timeoutS: n.durationS + n.warmupS + 120, checks: NO_CHECKS };
}

function idle(n: WireNumbers): WireScenario {
  const phases = ['open inflight=4096', `hold for=${n.holdS}s`, 'close'];
  const checks = (_: unknown, points: readonly MemoryPoint[]): Check[] => [
    check('bytes of server memory per connection', bytesPerConnection(points, total), 'at-most', 384),
  ];
  return { role: 'serve', connections: n.connections, settings: ['channels count=64'], phases, timeoutS: n.holdS + 300, checks };
}

function fanout(n: WireNumbers): WireScenario {
  const publish = (burst: number): string =>
    `publish size=${Math.max(64, n.size)} rate=${(n.rate ?? 20) * burst} burst=${burst} senders=1 ${timed(n)}`;
  const phases = ['open inflight=4096', publish(1), publish(16), 'close'];
  const checks = (all: readonly PhaseResult[]): Check[] => {
    const [one, sixteen] = named(all, 'publish');
    return [
      check('deliveries per server CPU-second, one message at a time', one?.per_cpu_second ?? 0, 'at-least', 3_000_000),
      check('deliveries per server CPU-second, sixteen coalesced', sixteen?.per_cpu_second ?? 0, 'at-least', 12_000_000),
    ];
  };
  return { role: 'serve', connections: n.connections, settings: [], phases, timeoutS: 2 * (n.durationS + n.warmupS) + 300, checks };
}

/** How many subscribers a channel of the spread load has, and how many deliveries a second all of them get together. */
const SUBSCRIBERS = 100;
const DELIVERIES = 167_000;
/**
 * Subscribers a second that broadcasts of one message reach, and of sixteen: half and two thirds of what the generator's own CPU takes. The
 * less it is, the more of the server's CPU is heartbeats.
 */
const BROADCAST = 800_000;
const BROADCAST_OF_16 = 250_000;
/** Heartbeats a second of all connections together: every 25 s up to a million of them, less often beyond. */
const HEARTBEATS = 40_000;
const HEARTBEAT_MS = 25_000;
/** Connections a second that a drain lets go, where the usual minute is not enough. */
const LEAVING = 25_000;
const DRAIN_S = 60;
/** Of the clients; the others wait until they are closed. */
const OBEY = '90%';

/** What a connection takes while it opens, in bytes: of the server, the generator and the session log's pages in the kernel. */
const OPENING_BYTES = 600;
/** What a second of the spread load takes, in MiB: journal and tables, mostly, in the kernel's pages. */
const LOAD_MIB = 10;
/** Of broadcasts and the storm, behind the spread load. */
const MORE_LOAD_S = 90;

/** From so many on what every server takes, with packet buffers, is judged as well: it is shared by all. */
const MANY = 5_000_000;

function memoryChecks(points: readonly MemoryPoint[]): Check[] {
  const growth = check('bytes of server memory per connection', bytesPerConnection(points, total), 'at-most', 384);
  const most = Math.max(...points.map(({ connections }) => connections));
  if (most < MANY) return [growth];
  return [growth, check('the same, all inclusive', inclusiveBytesPerConnection(points, total), 'at-most', 384)];
}

/**
 * Ten million, or as many as are asked for: each with its session and one subscription, asked for right behind `hello`; a tenth of them, a
 * million at most, in one channel, or as many as `--subscribers` says, as long as one channel is left for the spread load. Held, then
 * 512 B messages spread over all, a broadcast to the one channel, a storm, a drain.
 */
function c10m(n: WireNumbers): WireScenario {
  const tenth = Math.ceil(n.connections / 10);
  const crowd = Math.min(n.subscribers ?? Math.min(1_000_000, tenth), Math.max(tenth, n.connections - SUBSCRIBERS));
  const channels = 1 + Math.ceil((n.connections - crowd) / SUBSCRIBERS);
  const deliveries = n.rate ?? Math.min(DELIVERIES, n.connections);
  const members = (n.connections - crowd) / (channels - 1);
  const senders = Math.min(1000, Math.ceil(n.connections / 20));
  const drainS = Math.max(DRAIN_S, Math.ceil(n.connections / LEAVING));
  // What is offered must be less than what can be done, or the queue is what is measured.
  const broadcast = (size: number, subscribers: number): string => {
    const bursts = Math.min(8, subscribers / crowd);
    const timing = `for=${Math.max(Math.min(5, n.durationS), 3 / bursts)}s warmup=${Math.min(1, n.warmupS)}s`;
    return `publish size=64 rate=${size * bursts} burst=${size} senders=1 crowd=yes ${timing}`;
  };
  const phases = [
    'open inflight=4096',
    `hold for=${n.holdS}s`,
    `publish size=512 rate=${(deliveries / members).toFixed(3)} senders=${senders} ${timed(n)}`,
    broadcast(1, BROADCAST),
    broadcast(16, BROADCAST_OF_16),
    'storm share=10%',
    'hold for=1s',
    // The gateway paces it, up to its own deadline.
    `drain for=${drainS + 30}s obey=${OBEY}`,
  ];
  const heartbeatMs = Math.max(HEARTBEAT_MS, (n.connections / HEARTBEATS) * 1000);
  const config = { limits: { heartbeatMs }, drain: { deadlineMs: drainS * 1000 } };
  const checks = (all: readonly PhaseResult[], points: readonly MemoryPoint[]): Check[] => {
    const [spread, one, sixteen] = named(all, 'publish');
    return [
      check('connections held', named(all, 'hold')[0]?.ready ?? 0, 'at-least', n.connections),
      check('openings a second', named(all, 'open')[0]?.opened_per_second ?? 0, 'at-least', 150_000),
      ...memoryChecks(points),
      check('p99 of the spread load, ms', (spread?.latency?.p99_us ?? Number.NaN) / 1000, 'at-most', 2),
      check('broadcast deliveries per server CPU-second', one?.per_cpu_second ?? 0, 'at-least', 3_000_000),
      check('the same, sixteen coalesced', sixteen?.per_cpu_second ?? 0, 'at-least', 12_000_000),
    ];
  };
  const timeoutS = n.durationS + n.holdS + drainS + 180 + n.connections / 20_000;
  const settings = [`channels count=${channels} crowd=${crowd} early=yes`];
  const load = ((n.durationS + MORE_LOAD_S) * LOAD_MIB * deliveries) / DELIVERIES;
  const memoryMib = Math.ceil((n.connections * OPENING_BYTES) / 2 ** 20 + load);
  return { role: 'serve', connections: n.connections, settings, phases, config, timeoutS, memoryMib, checks };
}

/** Sessions with a subscription each, let go at the gateway's own pace. */
function drain(n: WireNumbers): WireScenario {
  const deadlineS = Math.max(DRAIN_S, Math.ceil(n.connections / LEAVING));
  const phases = ['open inflight=4096', 'hold for=1s', `drain for=${deadlineS + 30}s`];
  const config = { drain: { deadlineMs: deadlineS * 1000 } };
  const settings = ['channels count=64'];
  return { role: 'serve', connections: n.connections, settings, phases, config, timeoutS: deadlineS + 300, checks: NO_CHECKS };
}

type Make = (numbers: WireNumbers) => WireScenario;
const SCENARIOS: Readonly<Record<string, Make>> = { echo, connect, churn, idle, fanout, drain, c10m, flood };

export function wireScenario(name: string, numbers: WireNumbers): WireScenario | null {
  return SCENARIOS[name]?.(numbers) ?? null;
}
