import t from 'tap';

import { lastWords } from '../../../src/engine/last-words.js';
import type { RegionReader } from '../../../src/engine/reader.js';

/** `unacknowledged`: what the counter says, look after look; the last for ever. */
function reader(driver: string, unacknowledged: readonly number[]): { reader: RegionReader; looks: () => number } {
  let looks = 0;
  let turns = 0;
  const counter = (name: string): number => {
    if (name === 'turns') return turns++;
    const value = unacknowledged[Math.min(looks, unacknowledged.length - 1)] as number;
    looks += 1;
    return value;
  };
  return { reader: { region: { driver, cores: 1 }, counter } as unknown as RegionReader, looks: () => looks };
}

t.test('it resolves once everything is acknowledged', async (t) => {
  const { reader: of, looks } = reader('dpdk', [7, 5, 5, 2, 0, 9]);
  await lastWords(of, 60_000);
  t.equal(looks(), 5);
});

t.test('the counters are looked at when they have been written anew', async (t) => {
  let writes = 0;
  const counter = (name: string): number => (name === 'turns' ? writes : writes === 0 ? 0 : 1);
  const of = { region: { driver: 'dpdk', cores: 1 }, counter } as unknown as RegionReader;
  let resolved = false;
  const done = lastWords(of, 400).then(() => (resolved = true));
  await new Promise((resolve) => setTimeout(resolve, 100));
  t.notOk(resolved, 'nothing is known yet');
  writes = 1;
  await done;
  t.ok(resolved);
});

t.test('peers that are gone are not waited for until the end', async (t) => {
  const { reader: of, looks } = reader('dpdk', [3, 2]);
  await lastWords(of, 60_000);
  t.ok(looks() > 10 && looks() < 500, `${looks()} looks`);
});

t.test('nor longer than the caller has', async (t) => {
  const { reader: of, looks } = reader('dpdk', Array.from({ length: 100_000 }, (_, i) => 200_000 - i));
  await lastWords(of, 200);
  t.ok(looks() < 1000, `${looks()} looks`);
});

t.test('with sockets the kernel sees to it', async (t) => {
  const { reader: of, looks } = reader('epoll', [5]);
  await lastWords(of, 60_000);
  t.equal(looks(), 0);
});
