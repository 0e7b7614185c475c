import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { availableParallelism, cpus, loadavg, release, totalmem } from 'node:os';

import { ROOT } from './paths.js';

/** What a reader must know to compare a figure with his own. */
export interface Machine {
  readonly cpu: string;
  readonly cpus: number;
  readonly memory_gib: number;
  readonly kernel: string;
  readonly node: string;
  readonly congestion_control: string;
  /** One-minute load when the run began: above about 0.5, neighbours were busy. */
  readonly load_before: number;
}

function firstLine(path: string): string {
  try {
    return readFileSync(path, 'utf8').split('\n')[0]?.trim() ?? '';
  } catch {
    return 'unknown';
  }
}

export function describeMachine(): Machine {
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cpus: availableParallelism(),
    memory_gib: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    node: process.version,
    congestion_control: firstLine('/proc/sys/net/ipv4/tcp_congestion_control'),
    load_before: loadavg()[0] ?? 0,
  };
}

function git(...args: string[]): string {
  return execFileSync('git', args, { cwd: ROOT, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
}

/** The commit, with a plus sign where what was built may differ from it. */
export function describeCommit(): string {
  try {
    const dirty = git('status', '--porcelain', '--untracked-files=no') !== '';
    return `${git('rev-parse', '--short=12', 'HEAD')}${dirty ? '+' : ''}`;
  } catch {
    return 'unknown';
  }
}

/** Bytes of the kernel's slab caches: sockets of both ends, file descriptors, epoll entries. */
export function slabBytes(): number {
  const found = /^Slab:\s+(\d+) kB$/m.exec(readFileSync('/proc/meminfo', 'utf8'));
  return Number(found?.[1] ?? 0) * 1024;
}
