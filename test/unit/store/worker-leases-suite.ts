/** What every store of worker numbers must do. */
import type { Test } from 'tap';
import type { WorkerLeases } from '../../../src/store/worker-leases.js';

const NOW = 1_800_000_000_000;

/** `make`: a store that nobody has used. */
export async function workerLeasesSuite(t: Test, make: () => WorkerLeases): Promise<void> {
  t.test('workers have one holder each', async (t) => {
    const leases = make();
    t.equal(await leases.take('a', NOW, NOW + 1000), 0);
    t.equal(await leases.take('b', NOW, NOW + 1000), 1);
    t.equal(await leases.take('a', NOW, NOW + 2000), 0, 'the one that it still holds');
    t.equal(await leases.renew(1, 'a', NOW + 3000), false);
    t.equal(await leases.renew(1, 'b', NOW + 3000), true);
    t.equal(await leases.take('c', NOW + 2500, NOW + 9000), 0, 'a lease that ran out');
    t.equal(await leases.renew(0, 'a', NOW + 9000), false);
    await leases.release(0, 'a', NOW);
    t.equal(await leases.renew(0, 'c', NOW + 9000), true, 'only its holder gives a number up');
    const many = await Promise.all(Array.from({ length: 1022 }, (_, i) => leases.take(`n${i}`, NOW, NOW + 9000)));
    t.equal(new Set(many).size, 1022);
    t.equal(await leases.take('one too many', NOW, NOW + 9000), null);
  });

  t.test('a number that was given up is free for times behind its last use', async (t) => {
    const leases = make();
    t.equal(await leases.take('a', NOW, NOW + 60_000), 0);
    await leases.release(0, 'a', NOW + 500);
    t.equal(await leases.take('b', NOW + 499, NOW + 60_000), 1, 'a clock that is behind takes another');
    t.equal(await leases.take('c', NOW + 500, NOW + 60_000), 0);
  });
}
