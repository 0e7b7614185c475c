import type { Settings } from '../lib/settings.js';
import type { BenchCase } from '../lib/runner.js';
import { rateCase } from './rate-case.js';

export interface EchoSize {
  readonly connections: number;
  readonly depth: number;
  readonly size: number;
  readonly rate?: number;
}

export function echoCase({ connections, depth, size, rate }: EchoSize, settings: Settings): BenchCase {
  const load = ['echo', '--connections', String(connections), '--depth', String(depth), '--size', String(size)];
  if (rate !== undefined) load.push('--rate', String(rate));
  return rateCase(
    {
      id: `echo-${connections}x${depth}-${size}${rate === undefined ? '' : `-at-${rate}`}`,
      title: `echo ${connections.toLocaleString('en-US')} × ${depth}, ${size} B`,
      role: 'echo',
      unit: 'messages per server CPU-second',
      bar: { bar: 1.2, goal: 1.5, of: 'ratio' },
      path: '/',
      load,
      closedLoop: rate === undefined,
    },
    settings,
  );
}

export interface FanoutSize {
  readonly subscribers: number;
  readonly batch: number;
  readonly size: number;
  readonly rate?: number;
}

export function fanoutCase({ subscribers, batch, size, rate }: FanoutSize, settings: Settings): BenchCase {
  const load = ['fanout', '--connections', String(subscribers), '--batch', String(batch), '--size', String(size)];
  if (rate !== undefined) load.push('--rate', String(rate));
  return rateCase(
    {
      id: `fanout-${subscribers}-${batch}-${size}${rate === undefined ? '' : `-at-${rate}`}`,
      title: `fan-out to ${subscribers.toLocaleString('en-US')}, ${batch} a tick`,
      role: 'fanout',
      unit: 'deliveries per server CPU-second',
      bar: { bar: 1.0, goal: 1.3, of: 'ratio' },
      path: '/subscribe',
      load,
      closedLoop: rate === undefined,
    },
    settings,
  );
}

export function connectCase(connections: number, settings: Settings): BenchCase {
  return rateCase(
    {
      id: `connect-${connections}`,
      title: `open and close, ${connections} at a time`,
      role: 'echo',
      unit: 'openings per server CPU-second',
      bar: null,
      path: '/',
      load: ['connect', '--connections', String(connections)],
      closedLoop: true,
    },
    settings,
  );
}
