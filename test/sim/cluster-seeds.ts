/** Runs of the simulation with three nodes, and whether their faults were there. */
import type { Test } from 'tap';
import { runSeed } from './run.js';

const NODES = 3;
/** So few may happen to be without some fault. */
const JUDGED = 50;

export async function clusterSeeds(t: Test, first: number, seeds: number): Promise<void> {
  const total = { published: 0, deaths: 0, drains: 0, cuts: 0, resumed: 0, moves: 0, partitions: 0, coldReads: 0 };
  for (let seed = first; seed < first + seeds; seed += 1) {
    const { problems, published, counts } = await runSeed(seed, NODES);
    if (problems.length > 0) t.fail(`seed ${seed}: ${problems.slice(0, 5).join('; ')}`);
    total.published += published;
    for (const name of ['deaths', 'drains', 'cuts', 'resumed', 'moves', 'partitions', 'coldReads'] as const) total[name] += counts[name];
  }
  t.comment(JSON.stringify(total));
  if (seeds < JUDGED) return;
  t.ok(total.deaths > seeds && total.drains > seeds / 2 && total.cuts > seeds && total.partitions > seeds, 'the faults were there');
  t.ok(total.coldReads > seeds, 'the cold tier was read');
  t.ok(total.resumed > seeds && total.moves > seeds, 'and clients went from node to node');
}
