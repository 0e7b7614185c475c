import { readFileSync } from 'node:fs';

import { slabBytes } from '../lib/machine.js';

/** Memory of the server at one moment, by owner, in bytes. */
export interface Owners {
  /** Private memory of the process: JavaScript heap, native allocations, code. */
  readonly process: number;
  /** The shared region: rings, connection rows, the control plane's columns. */
  readonly region: number;
  /** Huge pages: packet buffers and what DPDK keeps. */
  readonly hugepages: number;
  /** Of the kernel, all processes together. */
  readonly slab: number;
}

/**
 * Of /proc/PID/status: what the kernel counts as it goes. To walk the mappings (smaps) takes a second at ten million connections, in which
 * the server's own page faults wait.
 */
export function memoryByOwner(pid: number): Owners {
  const text = readFileSync(`/proc/${pid}/status`, 'utf8');
  const field = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(text)?.[1] ?? 0) * 1024;
  const [anonymous, file, shared] = [field('RssAnon'), field('RssFile'), field('RssShmem')];
  return { process: anonymous + file, region: shared, hugepages: field('HugetlbPages'), slab: slabBytes() };
}

export function total(owners: Owners): number {
  return owners.process + owners.region + owners.hugepages;
}
