/** Several nodes over one Redis, which keeps the end of each channel only, with a cold tier below it. */
import t, { type Test } from 'tap';
import { ClusterNode } from '../support/cluster.js';
import { history, publish, range, readAll } from '../support/cold.js';
import { noPostgres, PostgresServer } from '../support/postgres-server.js';
import { noRedis, RedisServer } from '../support/redis-server.js';
import { until } from '../support/wait.js';

t.setTimeout(590_000);

async function startRedis(t: Test): Promise<RedisServer> {
  const redis = await RedisServer.start(['--appendonly', 'yes', '--appendfsync', 'always']);
  t.teardown(() => redis.remove());
  return redis;
}

const inStream = (redis: RedisServer): number => Number(redis.cli('HGET', '{sluice:room}:h', 'first'));

t.test('PostgreSQL below Redis, while a node and the database die', { skip: noRedis || noPostgres, timeout: 560_000 }, async (t) => {
  const [redis, database] = await Promise.all([startRedis(t), PostgresServer.start()]);
  t.teardown(() => database.remove());
  const config = { store: { messages: 100 }, history: { store: 'postgres', url: database.url, timeoutMs: 5000 } };
  const [n1, n2] = await Promise.all(['n1', 'n2'].map((name) => ClusterNode.start(t, { name, redis: redis.url, config }))) as
    [ClusterNode, ClusterNode];
  const stored = async (): Promise<number> => {
    // The first messages that are moved make the table.
    const [table] = (await database.query(`SELECT to_regclass('sluice_messages') AS name`)) as { name: string | null }[];
    if ((table?.name ?? null) === null) return 0;
    const [row] = (await database.query('SELECT count(*)::int AS n FROM sluice_messages')) as { n: number }[];
    return row?.n ?? 0;
  };

  await Promise.all([publish(t, n1.process, 1, 500), publish(t, n2.process, 501, 500)]);
  await n2.stop('SIGKILL');
  await publish(t, n1.process, 1001, 200);
  await until('all of them in the database', async () => (await stored()) === 1200);
  await until('an end to what the stream keeps', async () => {
    // What was archived goes with the next messages, if not before.
    await publish(t, n1.process, 0, 1);
    return inStream(redis) > 1000;
  });
  await n2.start();
  const last = Number(redis.cli('HGET', '{sluice:room}:h', 'seq'));
  for (const node of [n1, n2]) {
    t.same(await readAll(t, node.process, last), { seqs: range(1, last), losses: [] }, `every message once and in order at ${node.name}`);
  }

  await database.stop();
  await publish(t, n1.process, 2001, 300);
  const away = await readAll(t, n2.process, last + 300);
  t.same([...new Set(away.losses.map(({ reason }) => reason))], ['unavailable'], 'what is away is said');
  const missing = away.losses.flatMap(({ fromSeq, toSeq }) => range(fromSeq, toSeq));
  t.same([...missing, ...away.seqs], range(1, last + 300), 'exactly, and what is not archived has not left the stream');
  t.equal((await n1.ready()).status, 200, 'the node stays ready');
  await database.start();
  await until('what was published meanwhile', async () => (await stored()) === last + 300);
  t.same(await readAll(t, n2.process, last + 300), { seqs: range(1, last + 300), losses: [] });
  for (const node of [n1, n2]) t.equal(await node.stop(), 0);
});

t.test('LMDB below Redis, for one node', { skip: noRedis, timeout: 560_000 }, async (t) => {
  const redis = await startRedis(t);
  const config = { store: { messages: 50 }, history: { store: 'lmdb' } };
  const node = await ClusterNode.start(t, { name: 'n1', redis: redis.url, config });
  await publish(t, node.process, 1, 400);
  await until('an end to what the stream keeps', async () => {
    await publish(t, node.process, 0, 1);
    return inStream(redis) > 300;
  });
  const last = Number(redis.cli('HGET', '{sluice:room}:h', 'seq'));
  await node.stop('SIGKILL');
  await node.start();
  t.same(await readAll(t, node.process, last), { seqs: range(1, last), losses: [] });
  t.ok((await history(node.process)).archived >= 0);
  const other = ClusterNode.start(t, { name: 'n2', redis: redis.url, config });
  const refusal = /history: the nodes of this store archive to another cold tier: lmdb [^]*PostgreSQL/;
  await t.rejects(other, { message: refusal }, 'no second one with its own');
  t.equal(await node.stop(), 0);
});
