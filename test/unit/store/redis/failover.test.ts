/** One master and its replica behind Sentinel, and a cluster of three masters: what a node sees of both. */
import t from 'tap';
import { noRedis, RedisServer } from '../../../support/redis-server.js';
import { until } from '../../../support/wait.js';
import { openNode, sharedEntry } from './log-fixture.js';

t.test('Sentinel replaces a dead master', { skip: noRedis, timeout: 280_000 }, async (t) => {
  const master = await RedisServer.start(['--min-replicas-to-write', '0']);
  const replica = await RedisServer.start(['--replicaof', '127.0.0.1', String(master.port)]);
  const lines = [
    `sentinel monitor main 127.0.0.1 ${master.port} 2`,
    'sentinel down-after-milliseconds main 2000',
    'sentinel failover-timeout main 3000',
  ];
  const sentinels = await Promise.all([lines, lines, lines].map((each) => RedisServer.startSentinel(each)));
  t.teardown(() => Promise.all([master, replica, ...sentinels].map((server) => server.remove())));
  const linked = (): boolean => /master_link_status:up/.test(replica.cli('INFO', 'replication'));
  const known = (): boolean => /num-slaves\n1\n/.test(sentinels[0]!.cli('SENTINEL', 'master', 'main')) &&
    /num-other-sentinels\n2\n/.test(sentinels[0]!.cli('SENTINEL', 'master', 'main'));
  await until('the replica', () => linked() && known());

  const url = `redis+sentinel://${sentinels.map(({ port }) => `127.0.0.1:${port}`).join(',')}/main`;
  const node = openNode(t, url, 'a', { timeoutMs: 3000 });
  await node.log.listen('c');
  const acknowledged: number[] = [];
  let epoch = '';
  const publish = async (key: string): Promise<boolean> => {
    try {
      const seen = epoch === '' ? null : { epoch, seq: acknowledged.at(-1) ?? 0 };
      const { results, epoch: now } = await node.log.append('c', [sharedEntry('c', key, key)], seen);
      if (epoch !== '' && now !== epoch) t.comment(`epoch changed at ${key}`);
      epoch = now;
      acknowledged.push(results[0]!.seq);
      return true;
    } catch {
      return false;
    }
  };
  for (let i = 0; i < 20; i++) t.ok(await publish(`before-${i}`));
  await until('replication', () => Number(replica.cli('XLEN', '{t:c}:m')) === 20);
  await master.stop();
  await until('the new master', () => publish('after'));
  for (let i = 0; i < 20; i++) t.ok(await publish(`later-${i}`));
  t.same(acknowledged, Array.from({ length: 41 }, (_, i) => i + 1), 'dense over the failover');
  const run = await node.log.read('c', 1, 100);
  t.equal(run?.lastSeq, 41);
  await until('the interruption', () => node.interrupted > 0);
  const before = node.news.length;
  t.ok(await publish('told'));
  await until('news again', () => node.news.length > before);
});

t.test('a cluster keeps each channel in one place', { skip: noRedis, timeout: 280_000 }, async (t) => {
  const servers: RedisServer[] = [];
  for (let i = 0; i < 3; i++) servers.push(await RedisServer.start(['--cluster-enabled', 'yes', '--cluster-require-full-coverage', 'yes']));
  t.teardown(() => Promise.all(servers.map((server) => server.remove())));
  const addresses = servers.map(({ port }) => `127.0.0.1:${port}`);
  servers[0]!.cli('--cluster', 'create', ...addresses, '--cluster-yes');
  await until('the cluster', () => servers.every((server) => /cluster_state:ok/.test(server.cli('CLUSTER', 'INFO'))));

  const url = `redis+cluster://${addresses.join(',')}`;
  const [a, b] = [openNode(t, url, 'a'), openNode(t, url, 'b')];
  const names = Array.from({ length: 30 }, (_, i) => `room-${i}`);
  await Promise.all(names.map((name) => b.log.listen(name)));
  const listeners = (server: RedisServer): number => server.cli('PUBSUB', 'SHARDCHANNELS').split('\n').filter(Boolean).length;
  const listening = (): number => servers.reduce((sum, server) => sum + listeners(server), 0);
  await until('the subscriptions', () => listening() === names.length);
  await Promise.all(names.map(async (name) => {
    for (let i = 0; i < 10; i++) await a.log.append(name, [sharedEntry(name, `k${i}`, 'x'), sharedEntry(name, `k${i}`, 'x')], null);
  }));
  t.ok(servers.every((server) => Number(server.cli('DBSIZE')) > 0), 'all three hold some');
  for (const name of names) t.match(await b.log.head(name, false), { headSeq: 10, oldestSeq: 1 });
  await until('the news', () => b.news.length === names.length * 10);
});
