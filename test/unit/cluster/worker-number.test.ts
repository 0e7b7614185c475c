/** Ids of processes that come and go on clocks that step: none is given twice, and each process's rise. */
import t from 'tap';
import { WorkerNumber } from '../../../src/cluster/worker-number.js';
import { parseSnowflake } from '../../support/snowflake.js';
import { VirtualTime, within } from '../../sim/virtual-time.js';
import { MemoryLeases } from '../../support/memory-leases.js';

const LEASE_MS = 60_000;

interface Host {
  clock: number;
  worker: WorkerNumber | null;
  life: object;
  last: bigint;
}

class Faulty extends MemoryLeases {
  failing = false;
  override async renew(...args: Parameters<MemoryLeases['renew']>): Promise<boolean> {
    if (this.failing) throw new Error('the store does not answer');
    return super.renew(...args);
  }
}

t.test('no id twice over crashes, stops and clocks that step by seconds and hours', async (t) => {
  for (let seed = 1; seed <= 8; seed += 1) {
    const time = new VirtualTime(seed);
    const { random } = time;
    const problem = await within(time, async () => {
      const leases = new Faulty();
      const given = new Set<string>();
      /** The times for which each process made ids under a number. */
      const used: { readonly by: WorkerNumber; readonly number: number; readonly from: number; to: number }[] = [];
      let found: string | null = null;
      const hosts: Host[] = Array.from({ length: 3 }, () => ({ clock: 0, worker: null, life: {}, last: -1n }));
      const act = async (host: Host): Promise<void> => {
        const { worker } = host;
        if (worker === null) {
          const life = {};
          const fresh = new WorkerNumber({
            leases, owner: `process ${random.below(2 ** 30)}`, leaseMs: LEASE_MS, floor: 0, now: () => time.now() + host.clock,
          });
          Object.assign(host, { life, last: -1n });
          await time.as(life, () => fresh.start());
          host.worker = fresh;
        } else if (random.chance(0.02)) {
          time.drop(host.life);
          host.worker = null;
        } else if (random.chance(0.02)) {
          host.worker = null;
          await worker.stop();
          time.drop(host.life);
        } else {
          for (let i = random.chance(0.05) ? random.below(9000) : random.below(50); i > 0 && worker.snowflake !== null; i -= 1) {
            const id = worker.snowflake.next(time.now() + host.clock);
            if (given.has(id)) found ??= `${id} was given twice`;
            if (BigInt(id) <= host.last) found ??= `${id} came after ${host.last}`;
            const { worker: number, timestamp } = parseSnowflake(id);
            const range = used.find((other) => other.by === worker && other.number === number);
            if (range === undefined) used.push({ by: worker, number, from: timestamp, to: timestamp });
            else range.to = timestamp;
            given.add(id);
            host.last = BigInt(id);
          }
        }
        if (random.chance(0.1)) host.clock += random.pick([-5, 5, -3000, 3000, -3_600_000, 3_600_000]);
      };
      for (const host of hosts) {
        const again = (): void => {
          void act(host);
          time.plan(null, random.below(2000), again);
        };
        time.plan(null, random.below(100), again);
      }
      time.plan(null, 30_000, () => (leases.failing = true));
      time.plan(null, 30_000 + 2 * LEASE_MS, () => (leases.failing = false));
      await time.run(4 * LEASE_MS, () => undefined);
      // Stricter than that no id came twice, which chance may hide: of a number, no two processes make ids for the same times.
      for (const a of used) {
        for (const b of used) {
          if (a !== b && a.number === b.number && a.from <= b.to && b.from <= a.to) found ??= `two had number ${a.number} at ${b.from}`;
        }
      }
      if (given.size < 1000) found ??= `only ${given.size} ids`;
      return found;
    });
    if (problem !== null) return t.fail(`seed ${seed}: ${problem}`);
  }
  t.pass();
});

t.test('who cannot renew stops before the end of its lease, and goes on when it can', async (t) => {
  const time = new VirtualTime(1);
  await within(time, async () => {
    const leases = new Faulty();
    const worker = new WorkerNumber({ leases, owner: 'a', leaseMs: LEASE_MS, floor: 0, now: time.now });
    await worker.start();
    leases.failing = true;
    await time.run(LEASE_MS / 2, () => undefined);
    t.not(worker.snowflake, null);
    await time.run(LEASE_MS, () => undefined);
    t.equal(worker.snowflake, null);
    leases.failing = false;
    await time.run(2000, () => undefined);
    t.equal(parseSnowflake(worker.snowflake?.next(time.now()) ?? '0').worker, 0, 'nobody else had taken it');
    await worker.stop();
    t.equal(worker.snowflake, null);
  });
});

t.test('ids go on above what the log has, also when the clock was set back by a day', async (t) => {
  const now = 1_800_000_000_000;
  const floor = now + 86_400_000;
  const worker = new WorkerNumber({ leases: new MemoryLeases(), owner: 'a', leaseMs: LEASE_MS, floor, now: () => now });
  await worker.start();
  t.match(parseSnowflake(worker.snowflake?.next(now) ?? '0'), { timestamp: floor + 1, worker: 0 });
  await worker.stop();
});
