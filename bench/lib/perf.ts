import { execFile, spawnSync } from 'node:child_process';

const EVENTS = ['cycles', 'instructions', 'cache-misses'] as const;

/** Hardware counters of a process per second of its wall time. */
export interface Counters {
  readonly cycles: number;
  readonly instructions: number;
  readonly cache_misses: number;
}

function parse(csv: string): Map<string, number> {
  const found = new Map<string, number>();
  for (const line of csv.split('\n')) {
    const [value, , name] = line.split(',');
    if (value !== undefined && name !== undefined && /^\d+$/.test(value)) found.set(name.replace(/:.*$/, ''), Number(value));
  }
  return found;
}

let probed: string | null | undefined;

/** Null where perf counts cycles on this machine; else why not. Virtual machines often have no counters. */
export function perfLacking(): string | null {
  if (probed !== undefined) return probed;
  const { error, stderr } = spawnSync('perf', ['stat', '-x', ',', '-e', EVENTS.join(','), 'true'], { encoding: 'utf8', timeout: 5000 });
  if (error !== undefined) probed = 'perf is not installed or not allowed';
  else probed = parse(stderr).has('cycles') ? null : 'the CPU offers no hardware counters here';
  return probed;
}

/** Counts for `seconds`, beginning `delayS` from now. Null where it does not work. */
export async function countDuring(pid: number, delayS: number, seconds: number): Promise<Counters | null> {
  if (perfLacking() !== null) return null;
  const args = ['stat', '-x', ',', '-e', EVENTS.join(','), '-p', String(pid), '-D', String(Math.round(delayS * 1000))];
  args.push('--timeout', String(Math.round((delayS + seconds) * 1000)));
  const out = await new Promise<string | null>((resolve) => {
    const options = { encoding: 'utf8', timeout: (delayS + seconds + 10) * 1000 } as const;
    execFile('perf', args, options, (error, _stdout, stderr) => resolve(error === null ? stderr : null));
  });
  if (out === null) return null;
  const counts = parse(out);
  const rate = (name: string): number => (counts.get(name) ?? 0) / seconds;
  return { cycles: rate('cycles'), instructions: rate('instructions'), cache_misses: rate('cache-misses') };
}
