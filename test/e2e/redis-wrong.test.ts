/** A node whose store.redis names something else than it should: it says what is wrong and what to do, and leaves nothing behind. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { ClusterNode } from '../support/cluster.js';
import { freePort } from '../support/free-port.js';
import { noRedis, RedisServer } from '../support/redis-server.js';
import { runSluice } from '../support/sluice-process.js';
import { until } from '../support/wait.js';

t.setTimeout(590_000);

interface Wrong {
  readonly name: string;
  /** Of Redis. */
  readonly args: readonly string[];
  readonly url: (port: number) => string;
  readonly says: RegExp;
}

const WRONG: readonly Wrong[] = [
  {
    name: 'a wrong password', args: ['--requirepass', 'sesame'],
    url: (port) => `redis://:poppy@127.0.0.1:${port}`, says: /WRONGPASS[^]*Check user, password/,
  },
  {
    name: 'no password', args: ['--requirepass', 'sesame'],
    url: (port) => `redis://127.0.0.1:${port}`, says: /NOAUTH[^]*Check user, password/,
  },
  {
    name: 'a user without rights', args: ['--user', 'sluice', 'on', '>x', '~*', '+@all', '-info'],
    url: (port) => `redis://sluice:x@127.0.0.1:${port}`, says: /NOPERM[^]*rights/,
  },
  {
    name: 'a database that is not there', args: ['--databases', '2'],
    url: (port) => `redis://127.0.0.1:${port}/7`, says: /DB index[^]*databases/,
  },
  {
    name: 'a replica', args: ['--replicaof', '127.0.0.1', '1'],
    url: (port) => `redis://127.0.0.1:${port}`, says: /is a replica of 127\.0\.0\.1[^]*address of the master/,
  },
  {
    name: 'a Redis that drops keys', args: ['--maxmemory-policy', 'allkeys-lru'],
    url: (port) => `redis://127.0.0.1:${port}`, says: /maxmemory-policy allkeys-lru[^]*noeviction/,
  },
  {
    name: 'one node of a cluster', args: ['--cluster-enabled', 'yes'],
    url: (port) => `redis://127.0.0.1:${port}`, says: /one node of a cluster[^]*redis\+cluster:\/\//,
  },
  {
    name: 'a cluster that is none', args: [],
    url: (port) => `redis+cluster://127.0.0.1:${port}`, says: /cluster support disabled[^]*redis:\/\//,
  },
  {
    name: 'a cluster without slots', args: ['--cluster-enabled', 'yes'],
    url: (port) => `redis+cluster://127.0.0.1:${port}`, says: /no answer in 3 s[^]*every slot/,
  },
  { name: 'no sentinel', args: [], url: (port) => `redis+sentinel://127.0.0.1:${port}/main`, says: /no answer in 3 s: .*entinel/ },
  {
    name: 'TLS where there is none', args: [],
    url: (port) => `rediss://127.0.0.1:${port}`, says: /no answer in 3 s: \S[^]*rediss is with TLS/,
  },
];

async function refused(t: Test, { args, url, says }: Wrong): Promise<void> {
  const redis = await RedisServer.start(args);
  t.teardown(() => redis.remove());
  const folder = mkdtempSync(join(tmpdir(), 'sluice-wrong-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, 'sluice.json');
  writeFileSync(file, JSON.stringify({
    listen: `127.0.0.1:${await freePort()}`, admin: '127.0.0.1:0', data: join(folder, 'data'),
    store: { redis: url(redis.port), timeoutMs: 3000 },
  }));
  const { code, out, err } = await runSluice(['serve', '--config', file], undefined, 60_000);
  t.equal(code, 1, 'it ends');
  t.equal(out, '');
  t.match(err, says);
  t.notMatch(err, /data folder|at .*\.js:|sesame|poppy/, 'with a remedy that fits, without a stack or a password');
}

t.test('a Redis without an append-only file will do, and it is said what that means', { skip: noRedis, timeout: 560_000 }, async (t) => {
  for (const appendonly of ['no', 'yes']) {
    const redis = await RedisServer.start(['--appendonly', appendonly]);
    t.teardown(() => redis.remove());
    const node = await ClusterNode.start(t, { name: `appendonly-${appendonly}`, redis: redis.url });
    const says = /no append-only file: what was acknowledged is lost when it restarts; set appendonly yes/;
    if (appendonly === 'no') await until('the notice', () => says.test(node.stderr));
    t.equal(await node.stop(), 0);
    t.equal(says.test(node.stderr), appendonly === 'no');
  }
});

for (const wrong of WRONG) t.test(wrong.name, { skip: noRedis, timeout: 560_000 }, (t) => refused(t, wrong));
