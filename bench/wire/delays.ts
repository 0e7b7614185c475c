import { readFileSync, readdirSync } from 'node:fs';

import { FULL_PACE } from '../lib/pace.js';
import { micros, short } from '../report/svg.js';
import type { Commits, Pauses } from './results.js';
import { pausesOver } from './pauses.js';
import type { Seconds } from './phase-pace.js';
import type { PhaseResult } from './wiregen.js';

/** How long a server's threads were ready to run and had no CPU, in milliseconds: since it began, or in one phase. */
export interface Waits {
  /** Of the thread that hosts the event loop. */
  readonly loop_ms: number;
  /** Of all others: those that write to the disk, and those of V8. */
  readonly threads_ms: number;
}

/** What can have made a phase's messages late on the server's side. */
export interface Delays extends Waits {
  readonly pauses: { readonly count: number; readonly ms: number; readonly over_20ms: number };
  /** Group commits, and those of them that took more than 2 ms. */
  readonly commits: { readonly count: number; readonly late: number };
}

/** As sluice-wiregen says it (native/wiregen/lateness.hpp); times of the list in milliseconds. */
interface Late {
  readonly stalls: number;
  readonly messages: number;
  readonly absences: number;
  readonly absent_ms: number;
  readonly longest_absence_ms: number;
  readonly list: readonly (readonly [at: number, lasted: number, longest: number, messages: number, absent: number])[];
}

const NS_PER_MS = 1e6;

/** Of /proc/PID/task/TID/schedstat: time on a CPU and time waited for one (proc(5)). Null where the kernel does not count it. */
export function waitsOf(pid: number): Waits | null {
  try {
    const waited = (tid: string): number => {
      const [, ns] = readFileSync(`/proc/${pid}/task/${tid}/schedstat`, 'latin1').split(' ').map(Number);
      return (ns ?? 0) / NS_PER_MS;
    };
    const others = readdirSync(`/proc/${pid}/task`).filter((tid) => tid !== String(pid));
    return { loop_ms: waited(String(pid)), threads_ms: others.reduce((sum, tid) => sum + waited(tid), 0) };
  } catch {
    return null;
  }
}

/** Everything that the server counts, at one moment. */
export interface DelayReading {
  readonly waits: Waits | null;
  readonly pauses: Pauses | null;
  readonly commits: Commits | null;
}

/** What came between two readings. Null where one of them lacks something. */
export function delaysBetween(before: DelayReading, after: DelayReading): Delays | null {
  if (before.waits === null || after.waits === null || after.pauses === null) return null;
  const none: Pauses = { buckets: [], count: 0, seconds: 0 };
  const [first, last] = [before.pauses ?? none, after.pauses];
  const commits = (reading: DelayReading): Commits => reading.commits ?? { count: 0, late: 0 };
  return {
    loop_ms: after.waits.loop_ms - before.waits.loop_ms,
    threads_ms: after.waits.threads_ms - before.waits.threads_ms,
    pauses: {
      count: last.count - first.count,
      ms: (last.seconds - first.seconds) * 1000,
      over_20ms: pausesOver(last, 0.02) - pausesOver(first, 0.02),
    },
    commits: { count: commits(after).count - commits(before).count, late: commits(after).late - commits(before).late },
  };
}

/** Seconds of a phase with the server's whole CPU and with less, and how many messages were late in them. */
export interface LateByPace {
  readonly full: { readonly seconds: number; readonly messages: number };
  readonly less: { readonly seconds: number; readonly messages: number };
}

/** A stall counts where it began. Null where no second was looked at. */
export function lateByPace(list: Late['list'], paces: Seconds): LateByPace | null {
  const both = { full: { seconds: 0, messages: 0 }, less: { seconds: 0, messages: 0 } };
  const kindOf = paces.map((pace) => (pace === null ? null : both[pace.server >= FULL_PACE ? 'full' : 'less']));
  for (const kind of kindOf) if (kind !== null) kind.seconds += 1;
  for (const [at, , , messages] of list) {
    const kind = kindOf[Math.floor(at / 1000)];
    if (kind !== undefined && kind !== null) kind.messages += messages;
  }
  return both.full.seconds + both.less.seconds === 0 ? null : both;
}

const duration = (ms: number): string => micros(ms * 1000);

/** Whose delay the late messages of a phase were, a line for each side. */
export function delayLines(phase: PhaseResult): string[] {
  const late = phase['late'] as Late | undefined;
  if (late === undefined) return [];
  const all = phase.latency?.count ?? 0;
  const own = late.list.filter(([, , longest, , absent]) => longest - absent < 2);
  const spoiled = own.reduce((sum, [, , , messages]) => sum + messages, 0);
  const share = all === 0 ? '' : ` (${((100 * late.messages) / all).toFixed(2)}% of all)`;
  const lines = [
    `late by more than 2 ms: ${short(late.messages)} messages${share} in ${late.stalls} stalls; ` +
      `the generator was away ${late.absences} times, ${duration(late.absent_ms)} in all, ${duration(late.longest_absence_ms)} at most, ` +
      `and would alone explain ${own.length} stalls with ${short(spoiled)} messages`,
  ];
  const { delays, pace_of_seconds: paces } = phase;
  const byPace = paces === undefined ? null : lateByPace(late.list, paces);
  if (byPace !== null) {
    const { full, less } = byPace;
    lines.push(
      `  of them ${short(full.messages)} in the ${full.seconds} s in which the server had all of its CPU, ` +
        `${short(less.messages)} in the ${less.seconds} s in which it had not`,
    );
  }
  if (delays === undefined || delays === null) return lines;
  const { loop_ms: loop, threads_ms: threads, pauses, commits } = delays;
  lines.push(
    `  server: the loop waited ${duration(loop)} for its CPU, its other threads ${duration(threads)}; ` +
      `${pauses.count} collections, ${duration(pauses.ms)} in all, ${pauses.over_20ms} over 20 ms; ` +
      `${commits.late} of ${short(commits.count)} commits took more than 2 ms`,
  );
  return lines;
}
