/** Which scenario is played by what, and what becomes of its result. */
import { BASE, checkArms } from './lib/arms.js';
import { describeCommit, describeMachine } from './lib/machine.js';
import { ArgumentError, numberOf, settingsOf, type Values } from './lib/options.js';
import { RESULTS } from './lib/paths.js';
import { perfLacking } from './lib/perf.js';
import { redisLacking } from './lib/redis.js';
import { checkFiles, noteFiles, saveFiles } from './lib/output-files.js';
import { runToJson, type CaseInfo, type Run } from './lib/results.js';
import { runCases, type BenchCase, type Outcome } from './lib/runner.js';
import type { Settings } from './lib/settings.js';
import { missedBars, tabulate } from './lib/verdict.js';
import { htmlReport } from './report/html.js';
import { wireHtml, wireText } from './report/wire.js';
import { textReport } from './report/table.js';
import { connectCase, fanoutCase } from './scenarios/cases.js';
import { churnCase } from './scenarios/churn.js';
import { compareCases, echoCases } from './scenarios/compare.js';
import { runDrain } from './scenarios/drain.js';
import { idleCase } from './scenarios/idle.js';
import { runPublish } from './scenarios/publish.js';
import { runPublishRedis } from './scenarios/publish-redis.js';
import { runResume } from './scenarios/resume.js';
import { runTakeover } from './wire/takeover.js';
import { runGoodput } from './wire/goodput.js';
import { nativeEchoLacking, runNativeEcho } from './wire/native-echo.js';
import { pairLacking } from './wire/pair.js';
import { runPingPong } from './wire/pingpong.js';
import { linkLacking } from './wire/link.js';
import { keptRuns, runToJson as wireJson } from './wire/results.js';
import { runWire } from './wire/run.js';
import { wireScenario, type WireScenario } from './wire/scenarios.js';

function casesOf(scenario: string, values: Values, settings: Settings): BenchCase[] | null {
  const small = settings.smoke;
  const connections = (full: number, smoke: number): number => numberOf(values, 'connections', small ? smoke : full);
  const size = numberOf(values, 'size', 64);
  const rate = values.rate === undefined ? {} : { rate: numberOf(values, 'rate', 1) };
  switch (scenario) {
    case 'echo':
      return echoCases({ connections: connections(64, 8), depth: numberOf(values, 'depth', 1), size, ...rate }, settings);
    case 'fanout':
      return [fanoutCase({ subscribers: connections(5000, 40), batch: numberOf(values, 'batch', 1), size, ...rate }, settings)];
    case 'connect':
      return [connectCase(connections(64, 8), settings)];
    case 'churn':
      return [churnCase({ held: connections(1000, 20), inFlight: small ? 4 : 64 }, settings)];
    case 'idle':
      return [idleCase({ from: numberOf(values, 'from', small ? 40 : 2000), to: connections(12_000, 120), holdS: small ? 0.2 : 2.5 })];
    case 'compare':
      return compareCases(settings);
    default:
      return null;
  }
}

/** What was played; a case that nobody can play here is named by a note. */
function played(cases: readonly BenchCase[], { rounds }: Outcome): CaseInfo[] {
  return cases
    .filter(({ id }) => rounds.some((round) => round.case === id))
    .map(({ id, title, unit, bar }) => ({ id, title, unit, bar }));
}

function runOf(scenario: string, argv: readonly string[], settings: Settings, cases: readonly BenchCase[], outcome: Outcome): Run {
  const perf = perfLacking();
  return {
    format: 1,
    scenario,
    command: `sluice bench ${argv.join(' ')}`,
    date: new Date().toISOString(),
    commit: describeCommit(),
    smoke: settings.smoke,
    machine: describeMachine(),
    notes: [...outcome.notes, ...(perf === null ? [] : [`no cycles and cache misses: ${perf}`])],
    base: BASE,
    aa: outcome.aa,
    arms: outcome.arms.map(({ name, label, sluice, about }) => ({ name, label, sluice, about })),
    cases: played(cases, outcome),
    rounds: outcome.rounds,
  };
}

/** What the machine lacks is an error; in a smoke run it is said, and the scenario left out. */
function isSkipped(scenario: string, lacking: string | null, { smoke }: Settings): boolean {
  if (lacking === null) return false;
  if (!smoke) throw new Error(lacking);
  process.stdout.write(`SKIPPED: bench ${scenario}: ${lacking}\n`);
  return true;
}

/** Of a phase, where it is not three seconds. Those of a flood are short and many. */
const DURATION_S: Readonly<Record<string, number>> = { c10m: 60, flood: 0.5 };
const FLOOD_WARMUP_S = 0.15;
const FLOOD_ROUNDS = 20;

/** What is played on a wire, or null where the scenario is one over sockets. */
function wireOf(scenario: string, values: Values, settings: Settings): WireScenario | null {
  if (values.driver !== undefined && values.driver !== 'dpdk') throw new ArgumentError('--driver: only dpdk; --arms picks the others');
  if (scenario !== 'c10m' && scenario !== 'flood' && values.driver === undefined) return null;
  const small = settings.smoke;
  const [full, smoke] = scenario === 'c10m' ? [1_000_000, 1000] : [1000, 100];
  const wire = wireScenario(scenario, {
    connections: numberOf(values, 'connections', small ? smoke : full),
    size: numberOf(values, 'size', 64),
    depth: numberOf(values, 'depth', 1),
    rate: values.rate === undefined ? null : numberOf(values, 'rate', 1),
    durationS: numberOf(values, 'duration', small ? Math.min(1, DURATION_S[scenario] ?? 1) : (DURATION_S[scenario] ?? 3)),
    warmupS: scenario === 'flood' && !small ? numberOf(values, 'warmup', FLOOD_WARMUP_S) : settings.warmupS,
    rounds: numberOf(values, 'rounds', small ? 1 : FLOOD_ROUNDS),
    holdS: numberOf(values, 'hold', small ? 0.5 : 10),
    subscribers: values.subscribers === undefined ? null : numberOf(values, 'subscribers', 1),
  });
  if (wire === null) throw new ArgumentError(`${scenario} is not played with --driver dpdk`);
  return wire;
}

async function playWire(wire: WireScenario, name: string, argv: readonly string[], values: Values, settings: Settings): Promise<number> {
  if (isSkipped(name, linkLacking(wire.connections), settings)) return 0;
  const result = await runWire(wire, { name, command: `sluice bench ${argv.join(' ')}`, smoke: settings.smoke, quiet: settings.quiet });
  process.stdout.write(`${wireText(result)}\n`);
  saveFiles(result, wireJson(result), wireHtml(result, keptRuns(RESULTS, name)), values);
  if (!result.ok) return 1;
  return values.strict === true && result.checks.some((one) => !one.met) ? 1 : 0;
}

async function playNativeEcho(values: Values, settings: Settings): Promise<number> {
  if (isSkipped('native-echo', nativeEchoLacking(), settings)) return 0;
  const { durationS, warmupS } = settings;
  const [connections, depth] = [numberOf(values, 'connections', 1000), numberOf(values, 'depth', 1)];
  const line = await runNativeEcho({ connections, depth, size: numberOf(values, 'size', 64), seconds: durationS, warmupS });
  process.stdout.write(`${line}\n`);
  return 0;
}

/** What is not made of cases, and not kept. */
const PRINTED: ReadonlySet<string> = new Set(['native-echo', 'takeover', 'goodput', 'pingpong']);

/** Null where the scenario is another one. */
async function playOther(scenario: string, values: Values, settings: Settings): Promise<number | null> {
  if (!PRINTED.has(scenario)) return null;
  noteFiles(scenario, values);
  if (scenario === 'native-echo') return playNativeEcho(values, settings);
  return scenario === 'takeover' ? playTakeover(values, settings) : playPair(scenario, values, settings);
}

async function playTakeover(values: Values, settings: Settings): Promise<number> {
  const { smoke, quiet } = settings;
  const connections = numberOf(values, 'connections', smoke ? 200 : 200_000);
  if (isSkipped('takeover', linkLacking(connections), settings)) return 0;
  const durationS = numberOf(values, 'duration', smoke ? 5 : 120);
  const { text, ok } = await runTakeover({ connections, durationS, rate: numberOf(values, 'rate', smoke ? 100 : 1000), quiet });
  process.stdout.write(`${text}\n`);
  return ok ? 0 : 1;
}

/** What takes two network namespaces. */
async function playPair(scenario: string, values: Values, settings: Settings): Promise<number> {
  if (isSkipped(scenario, pairLacking(), settings)) return 0;
  const { smoke, quiet, warmupS } = settings;
  const rounds = numberOf(values, 'rounds', smoke ? 1 : scenario === 'goodput' ? 10 : 3);
  const seconds = numberOf(values, 'duration', smoke ? 0.5 : 2);
  const filter = typeof values.path === 'string' ? values.path : smoke ? '1% loss sends' : '';
  const goodput = (): Promise<string> => runGoodput({ rounds, seconds, warmupS, quiet }, filter);
  process.stdout.write(`${await (scenario === 'goodput' ? goodput() : runPingPong({ rounds, seconds, warmupS }))}\n`);
  return 0;
}

interface Measured {
  readonly cases: readonly BenchCase[];
  readonly outcome: Outcome;
}

/** What is measured in rounds of several servers. */
async function measure(scenario: string, values: Values, settings: Settings): Promise<Measured> {
  const number = (name: keyof Values, fallback: number): number => numberOf(values, name, fallback);
  switch (scenario) {
    case 'publish':
      return runPublish(number, settings);
    case 'publish-redis':
      return runPublishRedis(number, settings);
    case 'resume':
      return runResume(number('messages', settings.smoke ? 5000 : 1_000_000), settings);
    case 'drain':
      return runDrain(number('connections', settings.smoke ? 20 : 500), settings);
    default: {
      const cases = casesOf(scenario, values, settings);
      if (cases === null) throw new ArgumentError(`no scenario '${scenario}'`);
      return { cases, outcome: await runCases(cases, settings) };
    }
  }
}

/** Measures, prints and saves. Resolves with the exit status. */
export async function play(scenario: string, argv: readonly string[], values: Values): Promise<number> {
  const settings = settingsOf(scenario, values);
  checkArms(settings.arms ?? []);
  checkFiles(values);
  const other = await playOther(scenario, values, settings);
  if (other !== null) return other;
  const wire = wireOf(scenario, values, settings);
  if (wire !== null) return playWire(wire, scenario, argv, values, settings);
  if (scenario === 'publish-redis' && isSkipped(scenario, redisLacking(), settings)) return 0;
  const machine = describeMachine();
  const { cases, outcome } = await measure(scenario, values, settings);
  const result = { ...runOf(scenario, argv, settings, cases, outcome), machine };
  const tables = tabulate(result);
  process.stdout.write(`${textReport(result, tables)}\n`);
  saveFiles(result, runToJson(result), htmlReport(result), values);
  const missed = settings.smoke ? [] : missedBars(tables);
  if (missed.length > 0) process.stdout.write(`bars missed: ${missed.join('; ')}\n`);
  return values.strict === true && missed.length > 0 ? 1 : 0;
}
