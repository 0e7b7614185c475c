import type { Arm } from '../lib/arms.js';
import { flagsOf } from '../lib/flags.js';
import type { LoadResult } from '../lib/load.js';
import type { Round } from '../lib/results.js';
import type { BenchCase } from '../lib/runner.js';
import type { Settings } from '../lib/settings.js';
import { Link } from '../wire/link.js';
import { echoCase, type EchoSize } from './cases.js';

/**
 * The echo of `echoCase` with our own TCP/IP stack: `sluice echo --driver dpdk` at one end of a virtio-user link and sluice-wiregen's
 * clients at the other, beside the base on kernel sockets with sluice-load's. Both clients check every reply.
 */
export function wireEchoCase(size: EchoSize, settings: Settings): BenchCase {
  const overSockets = echoCase(size, settings);
  const id = `dpdk-${overSockets.id}`;
  return {
    id,
    title: `${overSockets.title}, DPDK`,
    role: 'echo',
    wire: true,
    unit: overSockets.unit,
    bar: { bar: 5, goal: 10, of: 'ratio' },
    measure: async (arm, round) =>
      arm.wire ? measure(id, size, settings, arm, round) : { ...(await overSockets.measure(arm, round)), case: id },
  };
}

async function measure(id: string, { connections, depth, size }: EchoSize, settings: Settings, arm: Arm, round: number): Promise<Round> {
  const { durationS, warmupS } = settings;
  const phases = ['open inflight=256', `echo size=${size} depth=${depth} for=${durationS}s warmup=${warmupS}s`, 'close'];
  const link = await Link.open({ role: 'echo', clients: connections, phases, timeoutS: durationS + warmupS + 60, quiet: true });
  try {
    const result = await link.wiregen.end();
    const phase = result.phases.find((one) => one.phase === 'echo');
    if (!result.ok || phase?.per_cpu_second === undefined) throw new Error(`sluice-wiregen: ${result.failure ?? 'no echo was measured'}`);
    const load: LoadResult = { event: 'result', scenario: 'echo', ok: true, connections, ...phase };
    return { case: id, arm: arm.name, round, value: phase.per_cpu_second, flags: flagsOf(phase.cpu, true), load };
  } finally {
    await link.close();
  }
}
