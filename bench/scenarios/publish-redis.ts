import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import type { Arm } from '../lib/arms.js';
import { flagsOf } from '../lib/flags.js';
import { runLoad, type LoadResult } from '../lib/load.js';
import { startRedis, type Redis } from '../lib/redis.js';
import type { Round } from '../lib/results.js';
import { runCases, say, type BenchCase, type Outcome } from '../lib/runner.js';
import { dropScratch, scratchFolder } from '../lib/scratch.js';
import { Server } from '../lib/server.js';
import type { Settings } from '../lib/settings.js';

/** Embedded ones: a detached one is configured elsewhere. */
const ARMS = ['sluice-epoll', 'sluice-uring'];

type Fsync = 'always' | 'everysec';

/** What a gateway has asked of Redis, and published, so far. */
interface Asked {
  readonly commands: number;
  readonly published: number;
  readonly cpuSeconds: number;
}

async function asked({ adminUrl }: Server, redis: Redis): Promise<Asked> {
  const stats = (await (await fetch(`${adminUrl ?? ''}/stats`)).json()) as {
    readonly published: number;
    readonly cluster: { readonly store: { readonly commands: number } };
  };
  return { commands: stats.cluster.store.commands, published: stats.published, cpuSeconds: redis.cpuSeconds() };
}

interface Measured {
  readonly load: LoadResult;
  /** Commands, and microseconds of Redis's CPU, of a publish. */
  readonly trips: number;
  readonly redisUs: number;
}

async function publish(arm: Arm, fsync: Fsync, load: readonly string[], settings: Settings): Promise<Measured> {
  const [folder, redis] = [scratchFolder(), await startRedis(fsync)];
  try {
    const config = join(folder, 'sluice.json');
    writeFileSync(config, JSON.stringify({ store: { redis: redis.url } }));
    const server = await Server.start([...(arm.command('serve') ?? []), '--config', config]);
    try {
      const before = await asked(server, redis);
      const args = ['pub', '--url', `${server.url}/v1`, '--subprotocol', 'sluice.v1', '--server-pid', String(server.pid), ...load];
      args.push('--duration', String(settings.durationS), '--warmup', String(settings.warmupS));
      const result = await runLoad(args, settings.durationS + settings.warmupS + 90);
      const after = await asked(server, redis);
      const count = Math.max(1, after.published - before.published);
      const redisUs = ((after.cpuSeconds - before.cpuSeconds) * 1e6) / count;
      return { load: result, trips: (after.commands - before.commands) / count, redisUs };
    } finally {
      await server.stop();
    }
  } finally {
    await redis.stop();
    dropScratch(folder);
  }
}

function redisCase(fsync: Fsync, load: readonly string[], settings: Settings): BenchCase {
  const id = `publish-redis-${fsync}`;
  return {
    id, title: `publish over Redis, appendfsync ${fsync}`, unit: 'publishes per second', role: 'serve',
    bar: { bar: 50_000, goal: null, of: 'at-least' },
    measure: async (arm, round): Promise<Round> => {
      const { load: result, trips, redisUs } = await publish(arm, fsync, load, settings);
      const perCpu = Math.round(result.per_cpu_second ?? 0).toLocaleString('en-US');
      const asks = `${trips.toFixed(4)} commands and ${redisUs.toFixed(1)} us of Redis's CPU a publish`;
      say(settings, `${id}: ${asks}; ${perCpu} publishes per CPU-second of the gateway`);
      return { case: id, arm: arm.name, round, value: result.per_second ?? 0, flags: flagsOf(result.cpu, false), load: result };
    },
  };
}

/**
 * Publishes through one gateway over a Redis of the harness's own, acknowledged when Redis has answered: with `always` that is behind its
 * fsync. Subscribers check order and completeness meanwhile. Redis and the clients share a CPU.
 */
export async function runPublishRedis(
  number: (name: 'connections' | 'depth' | 'channels' | 'subscribers' | 'size', fallback: number) => number, settings: Settings,
): Promise<{ cases: BenchCase[]; outcome: Outcome }> {
  const load: string[] = [];
  const full = { connections: 64, depth: 64, channels: 16, subscribers: 16, size: 64 };
  const small = { connections: 4, depth: 4, channels: 2, subscribers: 2, size: 64 };
  for (const [name, value] of Object.entries(settings.smoke ? small : full)) {
    load.push(`--${name}`, String(number(name as keyof typeof full, value)));
  }
  const cases = (['always', 'everysec'] as const).map((fsync) => redisCase(fsync, load, settings));
  return { cases, outcome: await runCases(cases, { ...settings, arms: settings.arms ?? ARMS, twin: false }) };
}
