/** A node joins the others although the store answers late, and says so where it cannot. */
import t from 'tap';
import { Membership } from '../../../src/cluster/membership.js';
import { ConfigError, StoreError } from '../../../src/errors.js';
import type { NodeDirectory, NodeRecord } from '../../../src/store/cluster-store.js';
import { VirtualTime, within } from '../../sim/virtual-time.js';
import { MemoryDirectory } from '../../support/memory-directory.js';

class LateDirectory implements NodeDirectory {
  asked = 0;
  readonly #failures: number;
  readonly #error: Error;
  readonly #records = new Map<string, NodeRecord>();

  constructor(failures: number, error: Error) {
    this.#failures = failures;
    this.#error = error;
  }

  async announce(record: NodeRecord): Promise<NodeRecord | null> {
    this.asked += 1;
    if (this.asked <= this.#failures) throw this.#error;
    this.#records.set(record.node, record);
    return null;
  }

  async list(): Promise<readonly NodeRecord[]> {
    return [...this.#records.values()];
  }

  async withdraw(node: string): Promise<void> {
    this.#records.delete(node);
  }
}

/** What start() said, and who is known then. */
async function joined(directory: NodeDirectory): Promise<{ readonly error: unknown; readonly nodes: readonly string[] }> {
  const time = new VirtualTime(1);
  return within(time, async () => {
    const membership = new Membership({
      directory, node: 'a', instance: '1', holder: '1', region: '', url: 'ws://a', leaseMs: 10_000, now: () => time.now(),
      status: () => ({ state: 'serving', connections: 0, load: 0 }), answers: async () => false,
    });
    let error: unknown = new Error('start() has not ended in a minute');
    void membership.start().then(() => (error = null), (reason: unknown) => (error = reason));
    // A step for promises that are settled before the first timer.
    time.setTimeout(() => undefined, 0);
    await time.run(60_000, () => undefined);
    const nodes = membership.nodes.map(({ node }) => node);
    await membership.stop();
    return { error, nodes };
  });
}

t.test('a store that answers none of the first requests is asked again', async (t) => {
  const { error, nodes } = await joined(new LateDirectory(3, new StoreError('no answer in 2 s', true)));
  t.equal(error, null);
  t.same(nodes, ['a']);
});

t.test('a store that never answers is told of, within a bound', async (t) => {
  const directory = new LateDirectory(Infinity, new StoreError('no answer in 2 s', true));
  const { error } = await joined(directory);
  t.ok(error instanceof StoreError);
  t.ok(directory.asked < 10, `asked ${directory.asked} times`);
});

t.test('what asking again cannot change is told of at once', async (t) => {
  for (const reason of [new StoreError('version 6', false), new ConfigError('node', 'another process is node a')]) {
    const directory = new LateDirectory(Infinity, reason);
    t.equal((await joined(directory)).error, reason);
    t.equal(directory.asked, 1);
  }
});

t.test('a process that ends leaves its connections to the next of the name, and takes nothing from it', async (t) => {
  const time = new VirtualTime(1);
  await within(time, async () => {
    const directory = new MemoryDirectory();
    const asked: string[] = [];
    const processOf = (instance: string): Membership => new Membership({
      directory, node: 'a', instance, holder: 'engine', region: '', url: 'ws://a', leaseMs: 10_000, now: () => time.now(),
      status: () => ({ state: 'serving', connections: 3, load: 0 }),
      answers: async () => {
        asked.push(instance);
        return true;
      },
    });
    const [first, second] = [processOf('1'), processOf('2')];
    await first.start();
    t.equal(await first.letGo(), true);
    t.match(directory.records.get('a'), { instance: '', holder: 'engine', state: 'draining' }, 'nobody is sent there');
    await second.start();
    t.same(asked, [], 'whoever comes next does not wait');
    t.equal(await first.letGo(), true);
    t.match(directory.records.get('a'), { instance: '2', holder: 'engine', state: 'serving' }, 'once it has come it stays');
    directory.down = true;
    t.equal(await second.letGo(), false);
    t.equal(await second.stop(), false, 'the directory could not be told');
    directory.down = false;
    t.equal(await second.stop(), true);
    t.equal(directory.records.size, 0);
  });
});
