import { existsSync, readFileSync, readdirSync } from 'node:fs';

import type { Machine } from '../lib/machine.js';
import type { Owners } from './memory.js';
import type { Reserved } from './reserve.js';
import type { PhaseResult, WiregenResult } from './wiregen.js';

/** A bar of the run, and what was measured against it. */
export interface Check {
  readonly what: string;
  readonly measured: number;
  readonly bar: number;
  readonly of: 'at-least' | 'at-most';
  readonly met: boolean;
}

/** The server's memory when a phase had ended. */
export interface MemoryPoint {
  readonly after: string;
  readonly connections: number;
  readonly memory: Owners;
}

/** The p99 of a load without what is measured, and of the same load beside it, so many of that a second. */
export interface Pair {
  readonly without_us: number;
  readonly beside_us: number;
  readonly ratio: number;
  readonly per_second: number;
}

/** Garbage collection of the server over the whole run: pauses by how long they were at most, in seconds, and all together. */
export interface Pauses {
  readonly buckets: readonly (readonly [seconds: number, count: number])[];
  readonly count: number;
  readonly seconds: number;
}

/** Group commits of the log, and those that took more than 2 ms. */
export interface Commits {
  readonly count: number;
  readonly late: number;
}

/** The server's own account of its memory: bytes by part. */
export type MemoryParts = Readonly<Record<string, number>>;

/** A run on a virtio-user link, as it is kept. */
export interface WireRun {
  readonly format: 1;
  readonly kind: 'wire';
  readonly scenario: string;
  readonly command: string;
  readonly date: string;
  readonly commit: string;
  readonly smoke: boolean;
  readonly machine: Machine;
  /** Null, or missing in older runs, where memory was as the machine had it. */
  readonly reserved?: Reserved | null;
  readonly connections: number;
  /** Options of the server that are not its defaults. */
  readonly config: object;
  readonly lines: readonly string[];
  readonly ok: boolean;
  readonly failure: string | null;
  readonly phases: readonly PhaseResult[];
  readonly points: readonly MemoryPoint[];
  readonly checks: readonly Check[];
  readonly pairs?: readonly Pair[];
  /** Null where the server has no metrics. */
  readonly pauses: Pauses | null;
  /** When most connections were open. */
  readonly parts: MemoryParts;
  readonly wire: WiregenResult['wire'];
}

export function check(what: string, measured: number, of: Check['of'], bar: number): Check {
  return { what, measured, bar, of, met: of === 'at-least' ? measured >= bar : measured <= bar };
}

/** Bytes of server memory that one connection costs: growth between none and all of them. */
export function bytesPerConnection(points: readonly MemoryPoint[], owner: (memory: Owners) => number): number {
  const [first] = points;
  if (first === undefined) return Number.NaN;
  const most = mostConnected(points) ?? first;
  if (most.connections === first.connections) return Number.NaN;
  return (owner(most.memory) - owner(first.memory)) / (most.connections - first.connections);
}

/** All of the server's memory when most were connected, a connection. */
export function inclusiveBytesPerConnection(points: readonly MemoryPoint[], owner: (memory: Owners) => number): number {
  const most = mostConnected(points);
  return most === undefined || most.connections === 0 ? Number.NaN : owner(most.memory) / most.connections;
}

function mostConnected(points: readonly MemoryPoint[]): MemoryPoint | undefined {
  const most = Math.max(...points.map(({ connections }) => connections));
  return points.find(({ connections }) => connections === most);
}

export function runToJson(run: WireRun): string {
  const { phases, points, ...head } = run;
  const text = JSON.stringify(head, null, 2).replace(/\n\}$/, '');
  const list = (name: string, items: readonly object[]): string => {
    return `  "${name}": [\n    ${items.map((item) => JSON.stringify(item)).join(',\n    ')}\n  ]`;
  };
  return `${text},\n${list('points', points)},\n${list('phases', phases)}\n}\n`;
}

/** The runs of a scenario that a folder keeps. */
export function keptRuns(folder: string, scenario: string): WireRun[] {
  if (!existsSync(folder)) return [];
  const names = readdirSync(folder).filter((name) => name.endsWith(`-${scenario}.json`));
  const runs = names.map((name) => JSON.parse(readFileSync(`${folder}${name}`, 'utf8')) as WireRun);
  return runs.filter(({ kind, ok }) => kind === 'wire' && ok);
}
