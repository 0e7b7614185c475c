import { startArm, type Arm } from '../lib/arms.js';
import { runLoad, type LoadEvent } from '../lib/load.js';
import { slabBytes } from '../lib/machine.js';
import type { IdlePoint, Round } from '../lib/results.js';
import type { BenchCase } from '../lib/runner.js';
import type { Server } from '../lib/server.js';

export interface IdleSize {
  readonly from: number;
  readonly to: number;
  /** How long each count is held before memory is read near its end: garbage collectors and timers settle meanwhile. */
  readonly holdS: number;
}

/**
 * Memory that one more idle connection costs: the difference between two counts, so that what a process needs for itself, and
 * what it reserves at the first connection, is not charged to connections. The points keep that fixed part visible.
 */
export function idleCase(size: IdleSize): BenchCase {
  return {
    id: `idle-${size.from}-${size.to}`,
    title: `idle, ${size.from.toLocaleString('en-US')} → ${size.to.toLocaleString('en-US')}`,
    role: 'echo',
    unit: 'bytes per connection',
    bar: { bar: 512, goal: null, of: 'at-most' },
    measure: (arm, round) => measure(`idle-${size.from}-${size.to}`, size, arm, round),
  };
}

async function measure(id: string, size: IdleSize, arm: Arm, round: number): Promise<Round> {
  const server = await startArm(arm, 'echo');
  try {
    const points: IdlePoint[] = [sample(server, 0)];
    const readings: Promise<void>[] = [];
    const onEvent = (event: LoadEvent): void => {
      if (event.event === 'held') addBusy(points, event);
      if (event.event !== 'open') return;
      const wait = size.holdS * 1000 * 0.7;
      readings.push(
        new Promise((resolve) => {
          setTimeout(() => {
            points.push(sample(server, Number(event['connections'])));
            resolve();
          }, wait);
        }),
      );
    };
    const args = ['idle', ...arm.clientFlags, '--url', `${server.url}/`, '--steps', `${size.from},${size.to}`];
    args.push('--hold', String(size.holdS), '--server-pid', String(server.pid));
    const load = await runLoad(args, size.holdS * 2 + 90, onEvent);
    await Promise.all(readings);
    if (!server.alive) throw new Error(`${arm.name} ended during ${id}`);
    return { case: id, arm: arm.name, round, value: bytesPerConnection(points), flags: [], load, idle: points };
  } finally {
    await server.stop();
  }
}

function sample(server: Server, connections: number): IdlePoint {
  return { connections, memory: server.memory(), slab: slabBytes() };
}

function addBusy(points: IdlePoint[], event: LoadEvent): void {
  const at = points.findIndex((point) => point.connections === event['connections']);
  const point = points[at];
  if (point !== undefined) points[at] = { ...point, server_busy: Number(event['server_busy']) };
}

/** Slope between the last two points. */
export function bytesPerConnection(points: readonly IdlePoint[]): number {
  const last = points.at(-1);
  const before = points.at(-2);
  if (last === undefined || before === undefined || last.connections === before.connections) return Number.NaN;
  return (last.memory.rss - before.memory.rss) / (last.connections - before.connections);
}
