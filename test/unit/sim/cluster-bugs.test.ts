/** What the simulation with three nodes has to find. */
import t from 'tap';
import { RemoteRuns } from '../../../src/cluster/remote-runs.js';
import { ColdReader } from '../../../src/sync/cold.js';
import { hunt } from '../../sim/hunt.js';
import { SharedBacking } from '../../sim/shared-stores.js';
import { MemoryHistory } from '../../support/memory-history.js';
import { MemoryLeases } from '../../support/memory-leases.js';
import { MemorySessions } from '../../support/memory-sessions.js';

const NODES = 3;
/** A client comes again while the store still thinks about its last attempt. */
const HASTE = { slowMs: 1000, lifeMs: 1000, failing: 0, crashing: 0, drainMs: 0 };

t.setTimeout(360_000);

t.test('planted bugs are found', { timeout: 300_000 }, async (t) => {
  const { append } = SharedBacking.prototype;
  t.match(await hunt(SharedBacking.prototype, 'append', function forget(this: SharedBacking, name, entries) {
    this.channels.get(name)?.keys.clear();
    return append.call(this, name, entries);
  }, NODES), /stored twice/, 'a forgotten key');

  t.match(await hunt(RemoteRuns.prototype, 'read', () => null, NODES), /expired/, 'messages that are not looked for');

  t.match(await hunt(MemorySessions.prototype, 'claim', async function unfenced(this: MemorySessions, id, _expected, claim) {
    const record = this.records.get(id);
    if (record === undefined || record.ended) return null;
    const claimed = { ...record, ...claim };
    this.records.set(id, claimed);
    return claimed;
  }, NODES, HASTE), /own session|generation \d+ after/, 'a session with two nodes');

  const { write } = MemoryHistory.prototype;
  t.match(await hunt(MemoryHistory.prototype, 'write', async function forget(this: MemoryHistory, segments) {
    await write.call(this, segments.filter(({ firstSeq }) => firstSeq % 5 !== 0));
  }, NODES, { cold: true }), /expired|nowhere/, 'messages lost on the way to the cold tier');

  const { read } = ColdReader.prototype;
  t.match(await hunt(ColdReader.prototype, 'read', function beyond(this: ColdReader, channel, fromSeq, ...rest) {
    return read.call(this, channel, fromSeq + 1, ...rest);
  }, NODES, { cold: true, failing: 0, crashing: 0 }), /a hole|expired|after|up to/, 'a hole between the log and the cold tier');

  t.match(await hunt(MemoryLeases.prototype, 'take', async () => 0, NODES), /given twice/, 'a worker number with two nodes');
});
