/**
 * With a TCP of our own, what was said to a peer ends with this process unless it has arrived: no kernel goes on with it. So an engine
 * waits, before it ends, until peers have acknowledged their close frames and FINs.
 */

import type { RegionReader } from './reader.js';

const LOOK_MS = 20;
/** Nobody has acknowledged anything for so long: those that are left are gone. More than a time-out while acknowledgements are late. */
const QUIET_MS = 1500;

/** Resolves once it is all acknowledged, no more acknowledgements come, or `timeoutMs` has passed. */
export async function lastWords(reader: RegionReader, timeoutMs: number): Promise<void> {
  if (reader.region.driver !== 'dpdk') return;
  const { cores } = reader.region;
  const deadline = performance.now() + timeoutMs;
  const wait = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  // The counters are of a moment ago; so often have they been written together when each core has at least once.
  const since = reader.counter('turns');
  while (reader.counter('turns') < since + 2 * cores - 1 && performance.now() < deadline) await wait();
  let left = reader.counter('tcp_orphans_unacknowledged');
  let heardAt = performance.now();
  while (left > 0 && performance.now() < Math.min(deadline, heardAt + QUIET_MS)) {
    await wait();
    const now = reader.counter('tcp_orphans_unacknowledged');
    if (now < left) heardAt = performance.now();
    left = now;
  }
}
