import type { Commits, MemoryParts, Pauses } from './results.js';

const LINE = /^sluice_nodejs_gc_duration_seconds_(bucket|sum|count)\{(.*)\} (\S+)$/gm;

const MEMORY = /^sluice_memory_bytes\{.*?part="([^"]+)".*?\} (\S+)$/gm;

const COMMITS = /^sluice_commit_seconds_(count|bucket\{le="0.002"\}) (\d+)$/gm;

/** Of the server's metrics, what a run keeps. */
export interface Reading {
  readonly pauses: Pauses | null;
  readonly parts: MemoryParts;
  /** Null where it has no log. */
  readonly commits: Commits | null;
}

/** Reads the server's metrics; null where it has none, or is gone. */
export async function readMetrics(adminUrl: string | null): Promise<Reading | null> {
  if (adminUrl === null) return null;
  const response = await fetch(`${adminUrl}/metrics`, { signal: AbortSignal.timeout(10_000) }).catch(() => null);
  if (response?.ok !== true) return null;
  const text = await response.text();
  const parts = [...text.matchAll(MEMORY)].map(([, part = '', bytes]) => [part, Number(bytes)] as const);
  return { pauses: parsePauses(text), parts: Object.fromEntries(parts), commits: parseCommits(text) };
}

function parseCommits(text: string): Commits | null {
  const found = new Map([...text.matchAll(COMMITS)].map(([, name, value]) => [name, Number(value)]));
  const count = found.get('count');
  const soon = found.get('bucket{le="0.002"}');
  return count === undefined || soon === undefined ? null : { count, late: count - soon };
}

/** Sums the kinds of collections. Null where the text has none. */
function parsePauses(text: string): Pauses | null {
  const buckets = new Map<number, number>();
  let count = 0;
  let seconds = 0;
  for (const [, part, labels = '', value] of text.matchAll(LINE)) {
    if (part === 'count') count += Number(value);
    else if (part === 'sum') seconds += Number(value);
    else {
      const bound = Number(/le="([^"]+)"/.exec(labels)?.[1] ?? Number.NaN);
      if (Number.isFinite(bound)) buckets.set(bound, (buckets.get(bound) ?? 0) + Number(value));
    }
  }
  return count === 0 ? null : { buckets: [...buckets].sort(([a], [b]) => a - b), count, seconds };
}

/** Pauses that took longer. */
export function pausesOver(pauses: Pauses, seconds: number): number {
  const within = pauses.buckets.findLast(([bound]) => bound <= seconds)?.[1] ?? 0;
  return pauses.count - within;
}

/** Upper bound of the longest. */
export function longestPause(pauses: Pauses): number {
  return pauses.buckets.find(([, count]) => count >= pauses.count)?.[0] ?? Infinity;
}
