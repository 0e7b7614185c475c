import t from 'tap';
import type { NodeRecord, PresenceShare } from '../../../../src/store/cluster-store.js';
import { parseRedisAddress } from '../../../../src/store/redis/address.js';
import { RedisClient } from '../../../../src/store/redis/client.js';
import { RedisNodeDirectory, RedisPresenceBoard } from '../../../../src/store/redis/cluster-store.js';
import { noRedis, RedisServer } from '../../../support/redis-server.js';

const record = (node: string, until: number, instance = `i-${node}`): NodeRecord => ({
  node, instance, holder: instance, region: 'eu', url: `ws://${node}/v1`, state: 'serving', connections: 3, load: 0.25, until,
});
const share = (node: string, count: number, until: number): PresenceShare =>
  ({ node, holder: `i-${node}`, count, members: [`user of ${node}`], until });

t.test('directory and presence', { skip: noRedis }, async (t) => {
  const server = await RedisServer.start();
  t.teardown(() => server.remove());
  const redis = new RedisClient({ address: parseRedisAddress(server.url, 'store'), prefix: 'p:', timeoutMs: 60_000 });
  t.teardown(() => redis.close());
  await redis.check();

  await t.test('nodes come, are renewed, leave and die', async (t) => {
    const directory = new RedisNodeDirectory(redis);
    t.same(await directory.list(0), []);
    t.equal(await directory.announce(record('a', 2000), 1000), null);
    await directory.announce(record('b', 2000), 1000);
    await directory.announce({ ...record('a', 3000), state: 'draining' }, 1000);
    const names = async (now: number): Promise<string[]> => (await directory.list(now)).map(({ node, state }) => `${node} ${state}`).sort();
    t.same(await names(1000), ['a draining', 'b serving']);
    t.same(await names(2500), ['a draining']);
    t.equal(server.cli('HLEN', 'p:nodes'), '1', 'the dead are removed');
    server.cli('HSET', 'p:nodes', 'x', 'no JSON');
    t.same(await names(2500), ['a draining']);
    t.match(await directory.announce(record('a', 9000, 'other'), 2999), { instance: 'i-a', until: 3000 }, 'the name is taken');
    await directory.withdraw('a', 'other');
    t.same(await names(2500), ['a draining']);
    t.equal(await directory.announce(record('a', 9000, 'other'), 3000), null, 'of one that is dead');
    t.match(await directory.announce(record('a', 9000), 3000), { instance: 'other' });
    t.equal(await directory.announce(record('a', 9000), null), null, 'whoever has it');
    t.match(await directory.announce(record('a', 9000, ''), 3000, 'other'), { instance: 'i-a' }, 'only its own can be let go of');
    t.equal(await directory.announce(record('a', 9000, ''), 3000, 'i-a'), null);
    t.match(await directory.list(3000), [{ node: 'a', instance: '' }], 'it is there still');
    t.equal(await directory.announce(record('a', 9000), 3000), null, 'and in nobody’s way');
    await directory.withdraw('a', 'i-a');
    t.same(await names(0), []);
  });

  await t.test('presence adds up over nodes', async (t) => {
    const board = new RedisPresenceBoard(redis);
    await board.report('room', share('a', 2, 2000));
    await board.report('room', share('b', 5, 3000));
    const counts = async (now: number): Promise<number[]> => (await board.list('room', now)).map(({ count }) => count).sort();
    t.same(await counts(1000), [2, 5]);
    await board.report('room', share('a', 0, 2000));
    t.same(await counts(1000), [5]);
    t.same(await counts(3000), []);
  });
});
