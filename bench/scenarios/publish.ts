import { startArm, type Arm } from '../lib/arms.js';
import { flagsOf } from '../lib/flags.js';
import { runLoad, type LoadResult } from '../lib/load.js';
import type { Bar, Round, Unit } from '../lib/results.js';
import { runCases, type BenchCase, type Outcome } from '../lib/runner.js';
import { PUBLISH_WARMUP_S, type Settings } from '../lib/settings.js';

const SMALL_LOAD = ['--connections', '4', '--depth', '4', '--channels', '2', '--subscribers', '2', '--size', '64'];
const COST_LOAD = ['--connections', '64', '--depth', '64', '--channels', '16', '--subscribers', '16', '--size', '64'];

interface PublishCase {
  readonly id: string;
  readonly title: string;
  readonly unit: Unit;
  readonly bar: Bar | null;
  readonly load: readonly string[];
  readonly rate: number | null;
  value(load: LoadResult): number;
}

function publishCase(spec: PublishCase, settings: Settings): BenchCase {
  const { id, title, unit, bar } = spec;
  return { id, title, unit, bar, role: 'serve', measure: (arm, round) => measure(spec, settings, arm, round) };
}

async function measure(spec: PublishCase, settings: Settings, arm: Arm, round: number): Promise<Round> {
  const server = await startArm(arm, 'serve');
  try {
    const args = ['pub', '--url', `${server.url}/v1`, '--subprotocol', 'sluice.v1', '--server-pid', server.pids, ...spec.load];
    args.push('--duration', String(settings.durationS), '--warmup', String(settings.warmupS));
    if (spec.rate !== null) args.push('--rate', String(spec.rate));
    const load = await runLoad(args, settings.durationS + settings.warmupS + 90);
    if (!server.alive) throw new Error(`${arm.name} ended during ${spec.id}`);
    // Waiting for the disk leaves both sides idle: only a client without CPU is worth a flag here.
    const flags = flagsOf(load.cpu, false);
    if ((load.refused ?? 0) > 0) flags.push(`${load.refused} refused and sent again`);
    return { case: spec.id, arm: arm.name, round, value: spec.value(load), flags, load };
  } finally {
    await server.stop();
  }
}

/** What a publish costs the server at a rate that it bears, both processes of a detached one together. */
export function publishCostCase(settings: Settings): BenchCase {
  const rate = settings.smoke ? 200 : 20_000;
  const load = settings.smoke ? SMALL_LOAD : COST_LOAD;
  return publishCase(
    {
      id: `publish-cost-at-${rate}`,
      title: `publish at ${rate.toLocaleString('en-US')}/s, acknowledged and delivered once`,
      unit: 'publishes per server CPU-second',
      bar: null,
      load,
      rate,
      value: (result) => result.per_cpu_second ?? Number.NaN,
    },
    settings.smoke ? settings : { ...settings, warmupS: PUBLISH_WARMUP_S },
  );
}

/**
 * Durable publishes through the whole gateway: as many as it takes, then the latency of the acknowledgement at a rate, counted from
 * the moment at which each was due. Subscribers check order and completeness meanwhile.
 */
export async function runPublish(
  number: (name: 'connections' | 'depth' | 'channels' | 'subscribers' | 'size' | 'rate', fallback: number) => number,
  settings: Settings,
): Promise<{ cases: BenchCase[]; outcome: Outcome }> {
  const small = settings.smoke;
  const load: string[] = [];
  const pass = (name: 'connections' | 'depth' | 'channels' | 'subscribers' | 'size', fallback: number): void => {
    load.push(`--${name}`, String(number(name, fallback)));
  };
  pass('connections', small ? 4 : 64);
  pass('depth', small ? 4 : 64);
  pass('channels', small ? 2 : 16);
  pass('subscribers', small ? 2 : 16);
  pass('size', 64);
  const rate = number('rate', small ? 200 : 50_000);
  const cases = [
    publishCase(
      {
        id: 'publish-max',
        title: 'publish, as fast as acknowledged',
        unit: 'publishes per second',
        bar: { bar: 100_000, goal: null, of: 'at-least' },
        load,
        rate: null,
        value: (result) => result.per_second ?? 0,
      },
      settings,
    ),
    publishCase(
      {
        id: `publish-at-${rate}`,
        title: `acknowledgement at ${rate.toLocaleString('en-US')}/s`,
        unit: 'ms, p99',
        bar: { bar: 20, goal: null, of: 'at-most' },
        load,
        rate,
        value: (result) => (result.latency?.p99_us ?? Number.NaN) / 1000,
      },
      settings,
    ),
  ];
  return { cases, outcome: await runCases(cases, { ...settings, twin: false }) };
}
