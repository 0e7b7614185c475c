import type { LoadResult } from './load.js';
import type { Machine } from './machine.js';
import type { Pace } from './pace.js';
import type { Counters } from './perf.js';
import type { Memory } from './server.js';

/** What a case's value is. */
export type Unit =
  | 'messages per server CPU-second'
  | 'deliveries per server CPU-second'
  | 'openings per server CPU-second'
  | 'publishes per server CPU-second'
  | 'publishes per second'
  | 'bytes per connection'
  | 'messages per second'
  | 'connections per second'
  | 'ms, p99'
  | 'times, p99';

/** What is expected of Sluice: of its ratio to the base, or of its value. */
export interface Bar {
  readonly bar: number;
  readonly goal: number | null;
  readonly of: 'ratio' | 'at-least' | 'at-most';
}

/** One thing that is measured, such as echo with 64 connections. */
export interface CaseInfo {
  readonly id: string;
  readonly title: string;
  readonly unit: Unit;
  readonly bar: Bar | null;
}

export interface IdlePoint {
  readonly connections: number;
  readonly memory: Memory;
  readonly slab: number;
  readonly server_busy?: number;
}

/** One measurement: raw, as it is kept in the JSON. */
export interface Round {
  readonly case: string;
  readonly arm: string;
  readonly round: number;
  /** The figure that counts: per server CPU-second, or bytes a connection. */
  readonly value: number;
  readonly flags: readonly string[];
  readonly load?: LoadResult;
  readonly idle?: readonly IdlePoint[];
  readonly counters?: Counters;
  /** What the CPUs gave meanwhile, a server's start included. */
  readonly pace?: Pace | null;
}

export interface ArmInfo {
  readonly name: string;
  readonly label: string;
  readonly sluice: boolean;
  readonly about: string;
}

export interface Run {
  readonly format: 1;
  readonly scenario: string;
  readonly command: string;
  readonly date: string;
  readonly commit: string;
  readonly smoke: boolean;
  readonly machine: Machine;
  readonly notes: readonly string[];
  readonly base: string;
  readonly aa: { readonly first: string; readonly second: string } | null;
  readonly arms: readonly ArmInfo[];
  readonly cases: readonly CaseInfo[];
  readonly rounds: readonly Round[];
}

/** One line a round: a run of a hundred rounds stays readable and small in git. */
export function runToJson(run: Run): string {
  const { rounds, ...head } = run;
  const text = JSON.stringify(head, null, 2).replace(/\n\}$/, '');
  return `${text},\n  "rounds": [\n    ${rounds.map((round) => JSON.stringify(round)).join(',\n    ')}\n  ]\n}\n`;
}
