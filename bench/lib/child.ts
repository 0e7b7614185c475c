import { spawn, type ChildProcess } from 'node:child_process';
import { writeFileSync } from 'node:fs';

import { availableParallelism } from 'node:os';

import { ROOT } from './paths.js';

/** Where the two sides run. On one CPU they share it and figures are for smoke only. */
export const SERVER_CPU = 0;
export const CLIENT_CPU = availableParallelism() > 1 ? 1 : 0;

const live = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of live) child.kill('SIGKILL');
});

/** Of what is measured. */
const FIRST_NICE = -19;

interface Start {
  readonly nice?: number;
  readonly stdin?: 'ignore' | 'pipe';
}

/**
 * Starts a program pinned to one CPU, before everything else that runs there. The weight is that of its session's
 * autogroup: `nice` alone orders processes within a session only, and a compiler in another terminal would take half the CPU.
 * Without root nothing is raised, and the report says so by its flags (see verdict.ts: contended).
 */
export function startPinned(command: readonly string[], cpu: number, { nice = FIRST_NICE, stdin = 'ignore' }: Start = {}): ChildProcess {
  const child = spawn('taskset', ['-c', String(cpu), ...command], { cwd: ROOT, detached: true, stdio: [stdin, 'pipe', 'pipe'] });
  live.add(child);
  child.on('exit', () => live.delete(child));
  if (child.pid !== undefined) raise(child.pid, nice);
  return child;
}

function raise(pid: number, nice: number): void {
  try {
    writeFileSync(`/proc/${pid}/autogroup`, String(nice));
  } catch {
    // Not root, or a kernel without autogroups.
  }
}

export function exited(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

export async function waitExit(child: ChildProcess, timeoutMs: number): Promise<boolean> {
  if (exited(child)) return true;
  return new Promise((resolve) => {
    const timer = setTimeout(() => {
      child.off('exit', onExit);
      resolve(false);
    }, timeoutMs);
    const onExit = (): void => {
      clearTimeout(timer);
      resolve(true);
    };
    child.once('exit', onExit);
  });
}

/** Asks it to end, then ends it: only ever a process that startPinned() began. */
export async function stopChild(child: ChildProcess): Promise<void> {
  if (exited(child)) return;
  child.kill('SIGTERM');
  if (await waitExit(child, 1500)) return;
  child.kill('SIGKILL');
  await waitExit(child, 5000);
}
