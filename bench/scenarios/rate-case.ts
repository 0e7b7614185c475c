import { startArm, type Arm, type Role } from '../lib/arms.js';
import { flagsOf } from '../lib/flags.js';
import { runLoad } from '../lib/load.js';
import { countDuring } from '../lib/perf.js';
import type { Bar, Round, Unit } from '../lib/results.js';
import type { BenchCase } from '../lib/runner.js';
import type { Settings } from '../lib/settings.js';

export interface RateCase {
  readonly id: string;
  readonly title: string;
  readonly role: Role;
  readonly unit: Unit;
  readonly bar: Bar | null;
  /** Path of the load generator's connections. */
  readonly path: string;
  /** Arguments of sluice-load: its scenario and size. */
  readonly load: readonly string[];
  readonly closedLoop: boolean;
}

/** A case whose figure is things per server CPU-second within a window. */
export function rateCase(spec: RateCase, settings: Settings): BenchCase {
  const { id, title, role, unit, bar } = spec;
  return { id, title, role, unit, bar, measure: (arm, round) => measure(spec, settings, arm, round) };
}

async function measure(spec: RateCase, settings: Settings, arm: Arm, round: number): Promise<Round> {
  const server = await startArm(arm, spec.role);
  try {
    const args = [...spec.load, ...arm.clientFlags, '--url', `${server.url}${spec.path}`, '--server-pid', String(server.pid)];
    args.push('--duration', String(settings.durationS), '--warmup', String(settings.warmupS));
    const counting = countDuring(server.pid, settings.warmupS + 0.3, Math.max(0.1, settings.durationS - 0.5));
    const load = await runLoad(args, settings.durationS + settings.warmupS + 60);
    const counters = await counting;
    if (!server.alive) throw new Error(`${arm.name} ended during ${spec.id}`);
    const flags = flagsOf(load.cpu, spec.closedLoop);
    const measured = { case: spec.id, arm: arm.name, round, value: load.per_cpu_second ?? 0, flags, load };
    return counters === null ? measured : { ...measured, counters };
  } finally {
    await server.stop();
  }
}
