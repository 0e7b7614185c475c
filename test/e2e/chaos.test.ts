/**
 * What nodes and clients do when Redis, or a node, fails under them. SLUICE_CHAOS_SECONDS is the length of the two runs in which both are
 * killed at random (3 by default; the full run is 900), SLUICE_CHAOS_CLIENTS their clients (30).
 */
import t, { type Test } from 'tap';
import { ClusterNode } from '../support/cluster.js';
import { noRedis, RedisServer } from '../support/redis-server.js';
import { Traffic, type TrafficOptions } from '../support/traffic.js';
import { sleep, until } from '../support/wait.js';

const SECONDS = Number(process.env['SLUICE_CHAOS_SECONDS'] ?? 3);
const CLIENTS = Number(process.env['SLUICE_CHAOS_CLIENTS'] ?? 30);

t.setTimeout(SECONDS * 2000 + 600_000);

interface Cluster {
  readonly nodes: readonly ClusterNode[];
  readonly traffic: Traffic;
}

async function start(t: Test, redis: string, options: Partial<TrafficOptions> = {}): Promise<Cluster> {
  const config = { store: { timeoutMs: 2000 } };
  const nodes = await Promise.all(['n1', 'n2'].map((name) => ClusterNode.start(t, { name, redis, config })));
  const url = (client: number): string => nodes[client % nodes.length]?.url ?? '';
  const traffic = new Traffic({ url, clients: CLIENTS, channels: 3, pauseMs: 100, ...options });
  await traffic.start();
  await sleep(500);
  return { nodes, traffic };
}

async function server(t: Test, fsync: string, ...more: string[]): Promise<RedisServer> {
  const redis = await RedisServer.start(['--appendonly', 'yes', '--appendfsync', fsync, ...more]);
  t.teardown(() => redis.remove());
  return redis;
}

/** Publishes are acknowledged again, at every node. */
async function recovered({ nodes, traffic }: Cluster): Promise<void> {
  await until('the nodes to be ready', async () => {
    const answers = await Promise.all(nodes.map((node) => node.ready()));
    return answers.every(({ status }) => status === 200);
  });
  const { acknowledged } = traffic;
  await until('publishes to be acknowledged', () => traffic.acknowledged > acknowledged + CLIENTS);
}

async function notReady({ nodes }: Cluster, reason: RegExp): Promise<void> {
  await until('a node to say that it is not ready', async () => {
    const { status, text } = await (nodes[0] as ClusterNode).ready();
    return status === 503 && reason.test(text);
  });
}

t.test('whatever Redis does, connections stay and nothing is lost or doubled', { skip: noRedis, timeout: 560_000 }, async (t) => {
  const redis = await server(t, 'always');
  const cluster = await start(t, redis.url);
  const { traffic } = cluster;

  await t.test('it is killed and started again', async () => {
    await redis.stop('SIGKILL');
    await notReady(cluster, /does not answer|cannot be/);
    await redis.start();
    await recovered(cluster);
  });

  await t.test('it is there and does not answer for five seconds', async () => {
    redis.signal('SIGSTOP');
    await notReady(cluster, /does not answer|cannot be/);
    await sleep(5000);
    redis.signal('SIGCONT');
    await recovered(cluster);
  });

  await t.test('it is out of memory', async () => {
    redis.cli('CONFIG', 'SET', 'maxmemory', '1');
    await notReady(cluster, /cannot be written/);
    redis.cli('CONFIG', 'SET', 'maxmemory', '0');
    await recovered(cluster);
  });

  await t.test('it becomes a replica, and a master again', async () => {
    redis.cli('REPLICAOF', '127.0.0.1', '1');
    await notReady(cluster, /does not answer|cannot be/);
    redis.cli('REPLICAOF', 'NO', 'ONE');
    await recovered(cluster);
  });

  const { opens } = traffic;
  t.same(await traffic.finish(), []);
  t.equal(opens, CLIENTS, 'no connection was lost');
});

async function rampage(cluster: Cluster, redis: RedisServer): Promise<string> {
  const kills = { nodes: 0, redis: 0 };
  for (const end = Date.now() + SECONDS * 1000; Date.now() < end || kills.nodes === 0;) {
    await sleep(300 + Math.random() * 1000);
    if (kills.redis === 0 || Math.random() < 0.4) {
      await redis.stop('SIGKILL');
      await sleep(Math.random() * 500);
      await redis.start();
      kills.redis += 1;
    } else {
      const node = cluster.nodes[Math.floor(Math.random() * cluster.nodes.length)] as ClusterNode;
      await node.stop('SIGKILL');
      await node.start();
      kills.nodes += 1;
    }
  }
  return `${kills.nodes} kills of nodes, ${kills.redis} of Redis`;
}

const RUN_MS = SECONDS * 1000 + 240_000;

t.test('nodes and a Redis that syncs always are killed at random', { skip: noRedis, timeout: RUN_MS }, async (t) => {
  const redis = await server(t, 'always');
  const cluster = await start(t, redis.url);
  const kills = await rampage(cluster, redis);
  await recovered(cluster);
  const problems = await cluster.traffic.finish();
  t.comment(`${kills}; ${cluster.traffic.acknowledged} publishes, ${cluster.traffic.opens - CLIENTS} reconnects`);
  t.same(problems, []);
});

t.test('nodes and a Redis that syncs every second are killed at random', { skip: noRedis, timeout: RUN_MS }, async (t) => {
  const redis = await server(t, 'everysec');
  const cluster = await start(t, redis.url, { lossy: true });
  const kills = await rampage(cluster, redis);
  await recovered(cluster);
  const problems = await cluster.traffic.finish();
  t.comment(`${kills}; ${cluster.traffic.acknowledged} publishes, ${cluster.traffic.losses} times a client was told of a loss`);
  t.same(problems, [], 'what was lost is told, and nothing is doubled or out of order');
});

t.test('a Redis whose machine crashed lost its last messages', { skip: noRedis, timeout: 560_000 }, async (t) => {
  const redis = await server(t, 'everysec');
  const cluster = await start(t, redis.url, { lossy: true });
  await until('some messages', () => cluster.traffic.acknowledged > 10 * CLIENTS);
  await redis.stop('SIGKILL');
  redis.loseLast(40_000);
  await redis.start();
  await recovered(cluster);
  const { opens } = cluster.traffic;
  const problems = await cluster.traffic.finish();
  t.same(problems, [], 'no number names two messages');
  t.ok(cluster.traffic.losses >= CLIENTS, 'everybody is told');
  t.equal(opens, CLIENTS, 'no connection was lost');
});

t.test('Sentinel replaces the master', { skip: noRedis, timeout: 560_000 }, async (t) => {
  const master = await server(t, 'everysec');
  const replica = await server(t, 'everysec', '--replicaof', '127.0.0.1', String(master.port));
  const lines = [
    `sentinel monitor main 127.0.0.1 ${master.port} 2`,
    'sentinel down-after-milliseconds main 2000',
    'sentinel failover-timeout main 6000',
  ];
  const sentinels = await Promise.all([lines, lines, lines].map((each) => RedisServer.startSentinel(each)));
  t.teardown(() => Promise.all(sentinels.map((sentinel) => sentinel.remove())));
  const ask = (): string => sentinels[0]?.cli('SENTINEL', 'master', 'main') ?? '';
  await until('Sentinel to know all', () => /num-slaves\n1\n/.test(ask()) && /num-other-sentinels\n2\n/.test(ask()) &&
    /master_link_status:up/.test(replica.cli('INFO', 'replication')));
  const url = `redis+sentinel://${sentinels.map(({ port }) => `127.0.0.1:${port}`).join(',')}/main`;
  const cluster = await start(t, url, { lossy: true });
  await master.stop('SIGKILL');
  await until('the new master', () => /role:master/.test(replica.cli('INFO', 'replication')));
  await recovered(cluster);
  const { opens, losses } = cluster.traffic;
  const problems = await cluster.traffic.finish();
  t.comment(`${losses} times a client was told of a loss`);
  t.same(problems, [], 'what was not replicated is told, and nothing is doubled or out of order');
  t.equal(opens, CLIENTS, 'no connection was lost');
});
