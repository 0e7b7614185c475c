import { parseArgs } from 'node:util';

import { BASE } from './lib/arms.js';
import { describeCommit, describeMachine } from './lib/machine.js';
import { RESULTS } from './lib/paths.js';
import { perfLacking } from './lib/perf.js';
import { redisLacking } from './lib/redis.js';
import { runToJson, writeFile, type CaseInfo, type Run } from './lib/results.js';
import { runCases, type BenchCase, type Outcome } from './lib/runner.js';
import { FULL, SMOKE, type Settings } from './lib/settings.js';
import { missedBars, tabulate } from './lib/verdict.js';
import { htmlReport } from './report/html.js';
import { wireHtml, wireText } from './report/wire.js';
import { textReport } from './report/table.js';
import { connectCase, fanoutCase } from './scenarios/cases.js';
import { churnCase } from './scenarios/churn.js';
import { compareCases, echoCases } from './scenarios/compare.js';
import { runDrain } from './scenarios/drain.js';
import { idleCase } from './scenarios/idle.js';
import { PUBLISH_WARMUP_S, runPublish } from './scenarios/publish.js';
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

const USAGE = `usage: sluice bench SCENARIO [options]

  echo        --connections 64 --depth 1 --size 64 [--rate R]
  fanout      --connections 5000 --batch 1 --size 64 [--rate R]
  idle        --from 2000 --connections 12000
  connect     --connections 64
  churn       --connections 1000     so many stay open, beside them 64 at a time open and close
  publish     --connections 64 --depth 64 --channels 16 --subscribers 16 [--rate R]
  publish-redis   the same options; over a Redis that is started for it, with both ways to sync, and what it is asked a publish
  resume      --messages 1000000     a client that lacks so many of a channel; what the others notice
  drain       --connections 500      a gateway is drained and started anew under clients that publish; every message is looked at
  c10m        --connections 1000000 [--hold S] [--rate DELIVERIES] [--duration S] [--subscribers N]
              all of it on one virtio-user link
  flood       --connections 1000 [--rate SYNS]     SYNs from random addresses beside clients that echo, on such a link
  takeover    --connections 200000 [--duration S] [--rate PUBLISHES]   on such a link, all publishing and subscribing, while control
              planes are killed one behind the other and standbys take over
  echo, fanout, idle, connect, churn, drain with --driver dpdk are played on such a link by sluice-wiregen
  goodput     --rounds 3 --duration 4 [--path "1% loss"]   our TCP and Linux's with Linux, over a path that loses and delays
  pingpong    --rounds 3 --duration 2      one connection and one message: our own stack and the kernel's on the same veth
  native-echo --connections 1000 --depth 1 --size 64   the data plane alone on virtio-user, and testpmd's packet rate there
  compare     the cases above that have a bar, against uWebSockets.js, ws and Socket.IO

  --rounds N     measurements of each server, 5 by default
  --duration S   measured part of each, 3 by default
  --warmup S     before it, 1.5 by default; publish 6: V8 compiles that path for seconds
  --arms A,B     only these of uws, ws, socket-io, sluice-epoll, sluice-uring, sluice-dpdk
  --json FILE    all rounds, raw
  --html FILE    a page with charts
  --save         JSON and HTML into bench/results/, named by date
  --smoke        tiny sizes, seconds in all; nothing is judged
  --strict       exit status 1 where a bar is missed
  --quiet        no progress
`;

const OPTIONS = {
  connections: { type: 'string' },
  depth: { type: 'string' },
  size: { type: 'string' },
  batch: { type: 'string' },
  from: { type: 'string' },
  rate: { type: 'string' },
  channels: { type: 'string' },
  subscribers: { type: 'string' },
  messages: { type: 'string' },
  rounds: { type: 'string' },
  duration: { type: 'string' },
  warmup: { type: 'string' },
  arms: { type: 'string' },
  json: { type: 'string' },
  html: { type: 'string' },
  save: { type: 'boolean' },
  smoke: { type: 'boolean' },
  strict: { type: 'boolean' },
  quiet: { type: 'boolean' },
  driver: { type: 'string' },
  hold: { type: 'string' },
  path: { type: 'string' },
  help: { type: 'boolean', short: 'h' },
} as const;

type Values = { readonly [name in keyof typeof OPTIONS]?: string | boolean };

class ArgumentError extends Error {}

function numberOf(values: Values, name: keyof Values, fallback: number): number {
  const text = values[name];
  if (text === undefined) return fallback;
  const value = Number(text);
  if (!Number.isFinite(value) || value <= 0) throw new ArgumentError(`--${name}: expected a positive number, got '${text}'`);
  return value;
}

function settingsOf(scenario: string, values: Values): Settings {
  const base = values.smoke === true ? SMOKE : FULL;
  return {
    ...base,
    rounds: numberOf(values, 'rounds', base.rounds),
    durationS: numberOf(values, 'duration', base.durationS),
    warmupS: numberOf(values, 'warmup', scenario.startsWith('publish') && values.smoke !== true ? PUBLISH_WARMUP_S : base.warmupS),
    arms: typeof values.arms === 'string' ? values.arms.split(',') : null,
    quiet: values.quiet === true,
  };
}

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

function saveTexts({ date, scenario }: Pick<Run, 'date' | 'scenario'>, json: string, html: string, values: Values): void {
  if (typeof values.json === 'string') writeFile(values.json, json);
  if (typeof values.html === 'string') writeFile(values.html, html);
  if (values.save !== true) return;
  const stem = `${RESULTS}${date.slice(0, 16).replace(/[:T]/g, '-')}-${scenario}`;
  writeFile(`${stem}.json`, json);
  writeFile(`${stem}.html`, html);
  process.stderr.write(`saved ${stem}.json\n`);
}

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
    durationS: numberOf(values, 'duration', small ? 1 : scenario === 'c10m' ? 60 : 3),
    warmupS: settings.warmupS,
    holdS: numberOf(values, 'hold', small ? 0.5 : 10),
    subscribers: values.subscribers === undefined ? null : numberOf(values, 'subscribers', 1),
  });
  if (wire === null) throw new ArgumentError(`${scenario} is not played with --driver dpdk`);
  return wire;
}

async function playWire(wire: WireScenario, name: string, argv: readonly string[], values: Values, settings: Settings): Promise<number> {
  const lacking = linkLacking(wire.connections);
  if (lacking !== null) {
    if (!settings.smoke) throw new Error(lacking);
    process.stdout.write(`SKIPPED: bench ${name}: ${lacking}\n`);
    return 0;
  }
  const result = await runWire(wire, { name, command: `sluice bench ${argv.join(' ')}`, smoke: settings.smoke, quiet: settings.quiet });
  process.stdout.write(`${wireText(result)}\n`);
  saveTexts(result, wireJson(result), wireHtml(result, keptRuns(RESULTS, name)), values);
  if (!result.ok) return 1;
  return values.strict === true && result.checks.some((one) => !one.met) ? 1 : 0;
}

async function playNativeEcho(values: Values, { durationS, warmupS }: Settings): Promise<number> {
  const lacking = nativeEchoLacking();
  if (lacking !== null) throw new Error(lacking);
  const [connections, depth] = [numberOf(values, 'connections', 1000), numberOf(values, 'depth', 1)];
  const line = await runNativeEcho({ connections, depth, size: numberOf(values, 'size', 64), seconds: durationS, warmupS });
  process.stdout.write(`${line}\n`);
  return 0;
}

/** What is not made of cases. Null where the scenario is. */
async function playOther(scenario: string, values: Values, settings: Settings): Promise<number | null> {
  if (scenario === 'native-echo') return playNativeEcho(values, settings);
  return scenario === 'takeover' ? playTakeover(values, settings) : playPair(scenario, values, settings);
}

async function playTakeover(values: Values, { smoke, quiet }: Settings): Promise<number> {
  const connections = numberOf(values, 'connections', smoke ? 200 : 200_000);
  const lacking = linkLacking(connections);
  if (lacking !== null) throw new Error(lacking);
  const durationS = numberOf(values, 'duration', smoke ? 5 : 120);
  const { text, ok } = await runTakeover({ connections, durationS, rate: numberOf(values, 'rate', smoke ? 100 : 1000), quiet });
  process.stdout.write(`${text}\n`);
  return ok ? 0 : 1;
}

/** What takes two network namespaces. Null where the scenario is another one. */
async function playPair(scenario: string, values: Values, settings: Settings): Promise<number | null> {
  if (scenario !== 'goodput' && scenario !== 'pingpong') return null;
  const lacking = pairLacking();
  if (lacking !== null) {
    if (!settings.smoke) throw new Error(lacking);
    process.stdout.write(`SKIPPED: bench ${scenario}: ${lacking}\n`);
    return 0;
  }
  const { smoke, quiet, warmupS } = settings;
  const rounds = numberOf(values, 'rounds', smoke ? 1 : 3);
  const seconds = numberOf(values, 'duration', smoke ? 0.5 : scenario === 'goodput' ? 4 : 2);
  const filter = typeof values.path === 'string' ? values.path : smoke ? '1% loss sends' : '';
  const goodput = (): Promise<string> => runGoodput({ rounds, seconds, warmupS, quiet }, filter);
  process.stdout.write(`${await (scenario === 'goodput' ? goodput() : runPingPong({ rounds, seconds, warmupS }))}\n`);
  return 0;
}

async function run(argv: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({ args: [...argv], options: OPTIONS, allowPositionals: true });
  const scenario = positionals[0];
  if (values.help === true || scenario === undefined) {
    (values.help === true ? process.stdout : process.stderr).write(USAGE);
    return values.help === true ? 0 : 2;
  }
  const settings = settingsOf(scenario, values);
  const other = await playOther(scenario, values, settings);
  if (other !== null) return other;
  const wire = wireOf(scenario, values, settings);
  if (wire !== null) return playWire(wire, scenario, argv, values, settings);
  const machine = describeMachine();
  const number = (name: keyof Values, fallback: number): number => numberOf(values, name, fallback);
  const cases = casesOf(scenario, values, settings);
  let result: Run;
  if (cases !== null) {
    result = { ...runOf(scenario, argv, settings, cases, await runCases(cases, settings)), machine };
  } else if (scenario === 'publish') {
    const { cases: published, outcome } = await runPublish(number, settings);
    result = { ...runOf(scenario, argv, settings, published, outcome), machine };
  } else if (scenario === 'publish-redis') {
    const lacking = redisLacking();
    if (lacking !== null && settings.smoke) {
      process.stdout.write(`SKIPPED: bench ${scenario}: ${lacking}\n`);
      return 0;
    }
    if (lacking !== null) throw new Error(lacking);
    const { cases: published, outcome } = await runPublishRedis(number, settings);
    result = { ...runOf(scenario, argv, settings, published, outcome), machine };
  } else if (scenario === 'resume') {
    const { cases: resumed, outcome } = await runResume(number('messages', settings.smoke ? 5000 : 1_000_000), settings);
    result = { ...runOf(scenario, argv, settings, resumed, outcome), machine };
  } else if (scenario === 'drain') {
    const { cases: drained, outcome } = await runDrain(number('connections', settings.smoke ? 20 : 500), settings);
    result = { ...runOf(scenario, argv, settings, drained, outcome), machine };
  } else {
    throw new ArgumentError(`no scenario '${scenario}'`);
  }
  const tables = tabulate(result);
  process.stdout.write(`${textReport(result, tables)}\n`);
  saveTexts(result, runToJson(result), htmlReport(result), values);
  const missed = settings.smoke ? [] : missedBars(tables);
  if (missed.length > 0) process.stdout.write(`bars missed: ${missed.join('; ')}\n`);
  return values.strict === true && missed.length > 0 ? 1 : 0;
}

/** `sluice bench …`. Resolves with the exit status: 2 for bad arguments, 1 where a measurement failed its checks. */
export async function runBench(argv: readonly string[]): Promise<number> {
  // The servers and the load generator are sessions of their own and would outlive an interrupted harness.
  const stop = (): never => process.exit(130);
  process.once('SIGINT', stop);
  process.once('SIGTERM', stop);
  try {
    return await run(argv);
  } catch (error) {
    const usage = error instanceof ArgumentError || (error instanceof TypeError && 'code' in error);
    const why = error instanceof Error ? error.message : String(error);
    process.stderr.write(`sluice bench: ${why}${usage ? ' (sluice bench --help)' : ''}\n`);
    return usage ? 2 : 1;
  } finally {
    process.off('SIGINT', stop);
    process.off('SIGTERM', stop);
  }
}
