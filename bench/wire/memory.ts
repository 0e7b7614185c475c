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

/** Sums a field of /proc/PID/smaps by kind of mapping. */
export function memoryByOwner(pid: number): Owners {
  const text = readFileSync(`/proc/${pid}/smaps`, 'utf8');
  let name = '';
  let region = 0;
  let rest = 0;
  let huge = 0;
  for (const line of text.split('\n')) {
    const head = /^[0-9a-f]+-[0-9a-f]+ \S+ \S+ \S+ \S+\s*(.*)$/.exec(line);
    if (head !== null) {
      name = head[1] ?? '';
      continue;
    }
    const field = /^(Rss|Shared_Hugetlb|Private_Hugetlb):\s+(\d+) kB$/.exec(line);
    if (field === null) continue;
    const bytes = Number(field[2]) * 1024;
    if (field[1] !== 'Rss') huge += bytes;
    else if (name.startsWith('/dev/shm/')) region += bytes;
    else rest += bytes;
  }
  return { process: rest, region, hugepages: huge, slab: slabBytes() };
}

export function total(owners: Owners): number {
  return owners.process + owners.region + owners.hugepages;
}
