/**
 * Three nodes over shared stores under faults on virtual time: nodes die, drain, are cut off from the stores and hear late or nothing of
 * each other. SLUICE_SIM_SEEDS says how many seeds (100 by default), SLUICE_SIM_SEED where they begin.
 */
import t from 'tap';
import { RemoteRuns } from '../../../src/cluster/remote-runs.js';
import { hunt } from '../../sim/hunt.js';
import { runSeed } from '../../sim/run.js';
import { SharedBacking } from '../../sim/shared-stores.js';
import { MemoryLeases } from '../../support/memory-leases.js';
import { MemorySessions } from '../../support/memory-sessions.js';

const SEEDS = Number(process.env['SLUICE_SIM_SEEDS'] ?? 100);
const FIRST = Number(process.env['SLUICE_SIM_SEED'] ?? 1);
const NODES = 3;

t.setTimeout(SEEDS * 3000 + 400_000);

t.test(`${SEEDS} seeds`, { timeout: SEEDS * 3000 + 60_000 }, async (t) => {
  const total = { published: 0, deaths: 0, drains: 0, cuts: 0, resumed: 0, moves: 0, partitions: 0 };
  for (let seed = FIRST; seed < FIRST + SEEDS; seed += 1) {
    const { problems, published, counts } = await runSeed(seed, NODES);
    if (problems.length > 0) t.fail(`seed ${seed}: ${problems.slice(0, 5).join('; ')}`);
    total.published += published;
    for (const name of ['deaths', 'drains', 'cuts', 'resumed', 'moves', 'partitions'] as const) total[name] += counts[name];
  }
  t.comment(JSON.stringify(total));
  if (SEEDS < 50) return;
  t.ok(total.deaths > SEEDS && total.drains > SEEDS / 2 && total.cuts > SEEDS && total.partitions > SEEDS, 'the faults were there');
  t.ok(total.resumed > SEEDS && total.moves > SEEDS, 'and clients went from node to node');
});

t.test('planted bugs are found', { timeout: 300_000 }, async (t) => {
  const { append } = SharedBacking.prototype;
  t.match(await hunt(SharedBacking.prototype, 'append', function forget(this: SharedBacking, name, entries) {
    this.channels.get(name)?.keys.clear();
    return append.call(this, name, entries);
  }, NODES), /stored twice/, 'a forgotten key');

  t.match(await hunt(RemoteRuns.prototype, 'read', () => null, NODES), /expired/, 'messages that are not looked for');

  t.match(await hunt(MemorySessions.prototype, 'claim', async function unfenced(this: MemorySessions, id, expected, claim) {
    const record = this.records.get(id);
    if (record === undefined || record.ended) return null;
    const claimed = { ...record, ...claim, generation: expected + 1 };
    this.records.set(id, claimed);
    return claimed;
  }, NODES), /own session|generation|took over/, 'a session with two nodes');

  t.match(await hunt(MemoryLeases.prototype, 'take', async () => 0, NODES), /given twice/, 'a worker number with two nodes');
});
