/**
 * Every way in which Redis fails a node, as its clients and the load balancer see it: connections stay, publishes are refused within a
 * bound and can be repeated, what was acknowledged is there once, and all goes on by itself.
 */
import { createServer } from 'node:net';
import t, { type Test } from 'tap';
import { ClusterNode } from '../support/cluster.js';
import { freePort } from '../support/free-port.js';
import { RawClient } from '../support/raw-client.js';
import { noRedis, RedisServer } from '../support/redis-server.js';
import { until } from '../support/wait.js';

t.setTimeout(590_000);

const TIMEOUT_MS = 1000;
/** An answer comes within store.timeoutMs; the rest is for machines that are slow. */
const BOUND_MS = 15 * TIMEOUT_MS;

/** Publishes one message after another, each until it is acknowledged, as clients do. */
class Publisher {
  readonly #client: RawClient;
  readonly #channel: string;
  readonly acknowledged = new Map<string, number>();
  readonly refusals: Readonly<Record<string, unknown>>[] = [];
  slowestMs = 0;
  #count = 0;
  #stopped = false;
  readonly #running: Promise<void>;

  constructor(client: RawClient, channel: string) {
    this.#client = client;
    this.#channel = channel;
    this.#running = this.#run();
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      const key = `k${this.acknowledged.size}`;
      const answer = await this.#ask(key);
      if (answer['op'] === 'ok') this.acknowledged.set(key, Number(answer['server_seq']));
      else this.refusals.push(answer);
      await new Promise((resolve) => setTimeout(resolve, answer['op'] === 'ok' ? 5 : 50));
    }
  }

  async #ask(key: string): Promise<Readonly<Record<string, unknown>>> {
    const id = ++this.#count;
    const started = Date.now();
    this.#client.send({ op: 'pub', id, channel: this.#channel, key }, key);
    await until('an answer', () => this.#client.answers.at(-1)?.id === id);
    this.slowestMs = Math.max(this.slowestMs, Date.now() - started);
    return this.#client.answers.at(-1)?.header ?? {};
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
  }
}

interface Trouble {
  readonly name: string;
  readonly begin: (redis: RedisServer) => Promise<void> | void;
  readonly end: (redis: RedisServer) => Promise<void> | void;
}

const TROUBLES: readonly Trouble[] = [
  {
    name: 'OOM: at its maxmemory',
    begin: (redis) => void redis.cli('CONFIG', 'SET', 'maxmemory', '1'),
    end: (redis) => void redis.cli('CONFIG', 'SET', 'maxmemory', '0'),
  },
  {
    // Of a master that is not there, so that what it has stays as it is.
    name: 'READONLY: a replica now',
    begin: async (redis) => void redis.cli('REPLICAOF', '127.0.0.1', String(await freePort())),
    end: (redis) => void redis.cli('REPLICAOF', 'NO', 'ONE'),
  },
  {
    name: 'NOREPLICAS: too few of them in sync',
    begin: (redis) => void redis.cli('CONFIG', 'SET', 'min-replicas-to-write', '1'),
    end: (redis) => void redis.cli('CONFIG', 'SET', 'min-replicas-to-write', '0'),
  },
  {
    name: 'NOPERM: the right to write is taken from the user',
    begin: (redis) => void redis.cli('ACL', 'SETUSER', 'default', '-@write'),
    end: (redis) => void redis.cli('ACL', 'SETUSER', 'default', '+@all'),
  },
  {
    name: 'NOAUTH: it wants a password that the node has not',
    begin: (redis) => {
      redis.cli('CONFIG', 'SET', 'requirepass', 'sesame');
      redis.cli('-a', 'sesame', '--no-auth-warning', 'CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    },
    end: (redis) => void redis.cli('-a', 'sesame', '--no-auth-warning', 'CONFIG', 'SET', 'requirepass', ''),
  },
  {
    name: 'slow: it answers five seconds late',
    begin: (redis) => void redis.cli('CLIENT', 'PAUSE', '5000', 'ALL'),
    end: () => undefined,
  },
  { name: 'silent: it stands still', begin: (redis) => redis.signal('SIGSTOP'), end: (redis) => redis.signal('SIGCONT') },
  { name: 'refused: it is killed and comes back', begin: (redis) => redis.stop(), end: (redis) => redis.start() },
];

async function start(t: Test): Promise<{ redis: RedisServer; node: ClusterNode }> {
  const redis = await RedisServer.start(['--appendonly', 'yes', '--appendfsync', 'always']);
  t.teardown(() => redis.remove());
  // The subscription that says who lives is not what is tested here.
  const config = { store: { timeoutMs: TIMEOUT_MS }, cluster: { leaseMs: 60_000 } };
  return { redis, node: await ClusterNode.start(t, { name: 'n1', redis: redis.url, config }) };
}

t.test('trouble with Redis', { skip: noRedis, timeout: 560_000 }, async (t) => {
  const { redis, node } = await start(t);
  for (const [index, { name, begin, end }] of TROUBLES.entries()) {
    await t.test(name, async (t) => {
      const channel = `trouble-${index}`;
      const [listener, client] = await Promise.all([RawClient.connect(node.url), RawClient.connect(node.url)]);
      listener.send({ op: 'sub', id: 1, channel });
      await until('the subscription', () => listener.answers.length === 1);
      const publisher = new Publisher(client, channel);
      await until('some messages', () => publisher.acknowledged.size >= 10);
      await begin(redis);
      await until('a refusal', () => publisher.refusals.length > 0);
      await until('that the load balancer is told', async () => (await node.ready()).status === 503);
      t.match((await node.ready()).text, /"reason":"/, 'with the reason');
      await end(redis);
      const before = publisher.acknowledged.size;
      await until('messages again', () => publisher.acknowledged.size >= before + 10);
      await until('readiness', async () => (await node.ready()).status === 200);
      await publisher.stop();
      for (const refusal of publisher.refusals) t.match(refusal, { op: 'err', code: 1013, retry_after_ms: Number }, 'worth repeating');
      t.ok(publisher.slowestMs < BOUND_MS, `answered within ${publisher.slowestMs} ms`);
      const count = publisher.acknowledged.size;
      await until('every message', () => listener.delivered.length >= count);
      const expected = Array.from({ length: count }, (_, i) => [i + 1, `k${i}`]);
      t.same([...publisher.acknowledged].map(([key, seq]) => [seq, key]), expected, 'each acknowledged as one');
      t.same(listener.delivered.map(({ seq, body }) => [seq, body]), expected, 'once, in order');
      t.same([listener.closed, client.closed], [null, null], 'the connections stay');
      for (const one of [listener, client]) one.close();
    });
  }
  t.equal(await node.stop(), 0);
});

/** How Redis is gone. */
const GONE: readonly Pick<Trouble, 'name' | 'begin'>[] = [
  { name: 'killed', begin: (redis) => redis.stop() },
  { name: 'standing still', begin: (redis) => redis.signal('SIGSTOP') },
];

t.test('a stop while Redis is gone', { skip: noRedis, timeout: 560_000 }, async (t) => {
  for (const { name, begin } of GONE) {
    await t.test(name, async (t) => {
      const redis = await RedisServer.start(['--appendonly', 'yes', '--appendfsync', 'always']);
      t.teardown(() => redis.remove());
      // Whoever waits for Redis waits for longer than a stop may take: its own bound (exit 1) comes after 15 s.
      const config = { store: { timeoutMs: 120_000 }, drain: { deadlineMs: 1000, graceMs: 200 }, session: { closeTimeoutMs: 1000 } };
      const node = await ClusterNode.start(t, { name: 'n1', redis: redis.url, config });
      const client = await RawClient.connect(node.url);
      client.send({ op: 'sub', id: 1, channel: 'room' });
      client.send({ op: 'pub', id: 2, channel: 'room', key: 'k0' }, 'k0');
      await until('the answers', () => client.answers.length === 2);
      await begin(redis);
      client.send({ op: 'pub', id: 3, channel: 'room', key: 'k1' }, 'k1');
      client.send({ op: 'nonsense', id: 4 });
      await until('an answer to what came behind it', () => client.answers.some(({ id }) => id === 4));
      const { process: stopping } = node;
      t.equal(await node.stop(), 0, 'within its bound');
      await until('the end of the connection', () => client.closed !== null);
      t.equal(client.closed, 1012);
      await until('what it could not write', () => stopping.stderr().includes('stopped while the store did not answer'));
      t.match(stopping.stderr(), /publishes without an answer: 1, which their clients repeat/);
      t.match(stopping.stderr(), /what was stored of them before: 1; the other nodes take this one for alive for up to 3 s/);
      if (name !== 'killed') return;
      await redis.start();
      await node.start();
      const again = await RawClient.connect(node.url);
      again.send({ op: 'sub', id: 1, channel: 'room', since: { ts: 0 } });
      await until('what was acknowledged', () => again.delivered.length >= 1);
      t.match(again.delivered[0], { seq: 1, body: 'k0' });
      again.close();
      t.equal(await node.stop(), 0);
    });
  }
});

t.test('nobody there at the start', { skip: noRedis, timeout: 560_000 }, async (t) => {
  const settings = (port: number): Parameters<typeof ClusterNode.start>[1] =>
    ({ name: 'n1', redis: `redis://127.0.0.1:${port}`, config: { store: { timeoutMs: TIMEOUT_MS } } });
  await t.rejects(ClusterNode.start(t, settings(await freePort())), { message: /exit 1[^]*no answer in 1 s/ });
  // Somebody who takes connections and says nothing.
  const mute = createServer();
  await new Promise<void>((resolve) => mute.listen(0, '127.0.0.1', resolve));
  t.teardown(() => mute.close());
  const { port } = mute.address() as { port: number };
  await t.rejects(ClusterNode.start(t, settings(port)), { message: /exit 1[^]*no answer in 1 s/ });
});
