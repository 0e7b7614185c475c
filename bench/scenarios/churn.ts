import { startArm, type Arm } from '../lib/arms.js';
import { flagsOf } from '../lib/flags.js';
import { runLoad } from '../lib/load.js';
import type { Round } from '../lib/results.js';
import type { BenchCase } from '../lib/runner.js';
import type { Settings } from '../lib/settings.js';

export interface ChurnSize {
  /** Connections that stay and must all stay open. */
  readonly held: number;
  /** Beside them, this many at a time open and close. */
  readonly inFlight: number;
}

const OPEN_S = 15;

async function measure(id: string, { held, inFlight }: ChurnSize, settings: Settings, arm: Arm, round: number): Promise<Round> {
  const server = await startArm(arm, 'echo');
  try {
    const { durationS, warmupS } = settings;
    const url = [...arm.clientFlags, '--url', `${server.url}/`];
    let stand: Promise<unknown> = Promise.resolve();
    await new Promise<void>((opened, failed) => {
      const hold = ['idle', ...url, '--connections', String(held), '--hold', String(durationS + warmupS + 1)];
      // Rejects where one of them is lost.
      stand = runLoad(hold, durationS + warmupS + OPEN_S + 30, ({ event }) => event === 'open' && opened());
      stand.catch(failed);
    });
    const args = ['connect', ...url, '--connections', String(inFlight), '--server-pid', String(server.pid)];
    args.push('--duration', String(durationS), '--warmup', String(warmupS));
    const [load] = await Promise.all([runLoad(args, durationS + warmupS + 60), stand]);
    if (!server.alive) throw new Error(`${arm.name} ended during ${id}`);
    return { case: id, arm: arm.name, round, value: load.per_cpu_second ?? 0, flags: flagsOf(load.cpu, true), load };
  } finally {
    await server.stop();
  }
}

/** Openings and closings beside connections that stay. */
export function churnCase(size: ChurnSize, settings: Settings): BenchCase {
  const id = `churn-${size.inFlight}-beside-${size.held}`;
  return {
    id,
    title: `churn beside ${size.held.toLocaleString('en-US')}`,
    role: 'echo',
    unit: 'openings per server CPU-second',
    bar: null,
    measure: (arm, round) => measure(id, size, settings, arm, round),
  };
}
