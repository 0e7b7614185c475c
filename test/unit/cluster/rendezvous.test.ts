import t from 'tap';
import { Membership } from '../../../src/cluster/membership.js';
import { rendezvous } from '../../../src/cluster/rendezvous.js';
import { MemoryDirectory } from '../../support/memory-directory.js';
import type { NodeState } from '../../../src/store/cluster-store.js';

const named = (...names: string[]): { node: string }[] => names.map((node) => ({ node }));
const keys = Array.from({ length: 20_000 }, (_, i) => `user-${i}`);

t.test('keys spread evenly and only those of the changed node move', async (t) => {
  const five = named('n1', 'n2', 'n3', 'n4', 'n5');
  const homes = new Map(keys.map((key) => [key, rendezvous(key, five)?.node]));
  for (const { node } of five) {
    const share = [...homes.values()].filter((home) => home === node).length / keys.length;
    t.ok(share > 0.18 && share < 0.22, `${node} has ${share}`);
  }
  const moved = keys.filter((key) => rendezvous(key, five.slice(0, 4))?.node !== homes.get(key));
  t.ok(moved.every((key) => homes.get(key) === 'n5'), 'the others stay');
  t.same(keys.map((key) => rendezvous(key, [...five].reverse())?.node), [...homes.values()], 'whatever the order');
  t.equal(rendezvous('x', []), null);
});

t.test('a node knows who else lives, and where clients go', async (t) => {
  const directory = new MemoryDirectory();
  let now = 1000;
  const states = new Map<string, NodeState>();
  const trouble: (string | null)[] = [];
  const join = async (node: string, region: string): Promise<Membership> => {
    const member = new Membership({
      directory, node, instance: `process of ${node}`, holder: node, region, url: `ws://${node}/v1`, leaseMs: 3_000_000, now: () => now,
      status: () => ({ state: states.get(node) ?? 'serving', connections: 1, load: 0.5 }),
      answers: () => Promise.resolve(false),
      onTrouble: (error) => trouble.push(error === null ? null : error.message),
    });
    await member.start();
    t.teardown(() => member.stop());
    return member;
  };
  const a = await join('a', 'eu');
  t.equal(a.successor('k'), null, 'alone');
  t.equal(a.home('k', 'eu')?.node, 'a');
  const [b] = [await join('b', 'eu'), await join('c', 'us')];
  await a.refresh();
  t.same(a.nodes.map(({ node }) => node).sort(), ['a', 'b', 'c']);
  t.ok(keys.every((key) => a.successor(key)?.node === 'b'), 'of the same region');
  t.ok(keys.some((key) => a.home(key, 'eu')?.node === 'b') && keys.some((key) => a.home(key, 'eu')?.node === 'a'));
  t.ok(keys.every((key) => a.home(key, 'us')?.node === 'c'));
  t.ok(keys.every((key) => a.home(key, 'mars') !== null), 'another region, where there is none of its own');
  states.set('b', 'draining');
  await b.refresh();
  await a.refresh();
  t.equal(a.successor('k')?.node, 'c', 'not one that drains');

  directory.down = true;
  await a.refresh();
  await a.refresh();
  directory.down = false;
  await a.refresh();
  t.same(trouble, ['down', null], 'told once');
  now += 3_000_001;
  t.same(a.nodes, [], 'a lease that ran out');
});

t.test('two processes of one name: the second is told, unless the first is dead', async (t) => {
  const directory = new MemoryDirectory();
  let now = 1000;
  let lives = true;
  const trouble: (string | null)[] = [];
  const make = (instance: string): Membership => new Membership({
    directory, node: 'a', instance, holder: instance, region: 'eu', url: `ws://${instance}/v1`, leaseMs: 1_000_000, now: () => now,
    status: () => ({ state: 'serving', connections: 1, load: 0.5 }),
    answers: () => Promise.resolve(lives),
    onTrouble: (error) => trouble.push(error === null ? null : error.message),
  });
  const first = make('first');
  await first.start();
  t.teardown(() => first.stop());
  const second = make('second');
  const told = { code: 'SLUICE_CONFIG', path: 'node', message: /another process \(ws:\/\/first\/v1\) is node a/, remedy: /--node/ };
  await t.rejects(second.start(), told);
  await second.stop();
  t.equal(directory.records.get('a')?.instance, 'first', 'and the first one stays');
  await first.refresh();
  t.equal(first.rival, null);

  lives = false;
  const third = make('third');
  await third.start();
  t.equal(directory.records.get('a')?.instance, 'third', 'one that does not answer is replaced at once');
  await first.refresh();
  t.equal(first.rival?.instance, 'third', 'if it lives all the same it finds out');
  t.match(trouble, [/another process \(ws:\/\/third/]);
  await third.stop();
  await first.refresh();
  t.same([first.rival, trouble.at(-1)], [null, null], 'and has its name again when the other has gone');
  now += 1;
});
