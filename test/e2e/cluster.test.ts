/** Several nodes over one Redis, as clients see them. */
import t from 'tap';
import { ClusterNode } from '../support/cluster.js';
import { RawClient } from '../support/raw-client.js';
import { noRedis, RedisServer } from '../support/redis-server.js';
import { until } from '../support/wait.js';

t.setTimeout(590_000);

/** Sends and waits for the answer. */
async function ask(client: RawClient, header: Record<string, unknown>, body?: string): Promise<Readonly<Record<string, unknown>>> {
  const id = client.answers.length + 1_000_000 * Math.random();
  client.send({ ...header, id }, body);
  await until(`the answer to ${String(header['op'])}`, () => client.answers.some((answer) => answer.id === id));
  return client.answers.find((answer) => answer.id === id)?.header ?? {};
}

const welcomeOf = async (client: RawClient): Promise<Record<string, unknown>> => {
  await until('the welcome', () => client.others.some(({ op }) => op === 'welcome'));
  return client.others.find(({ op }) => op === 'welcome') ?? {};
};

const redis = noRedis === false ? await RedisServer.start(['--appendonly', 'yes', '--appendfsync', 'always']) : null;
t.teardown(() => redis?.remove());
const started = redis === null ? [] : await Promise.all(['n1', 'n2'].map((name) => ClusterNode.start(t, { name, redis: redis.url })));
const [n1, n2] = started as [ClusterNode, ClusterNode];

t.test('a channel has one order, whoever publishes where', { skip: noRedis, timeout: 560_000 }, async (t) => {
  const [a, b] = await Promise.all([RawClient.connect(n1.url), RawClient.connect(n2.url)]);
  await Promise.all([a, b].map((client) => ask(client, { op: 'sub', channel: 'order' })));
  const count = 300;
  for (let i = 0; i < count; i++) {
    a.send({ op: 'pub', id: i, channel: 'order', key: `a${i}` }, `a${i}`);
    b.send({ op: 'pub', id: i, channel: 'order', key: `b${i}` }, `b${i}`);
  }
  await until('all messages at both', () => a.delivered.length >= 2 * count && b.delivered.length >= 2 * count);
  t.same(a.delivered, b.delivered);
  t.same(a.delivered.map(({ seq }) => seq), Array.from({ length: 2 * count }, (_, i) => i + 1));
  for (const name of ['a', 'b']) {
    const bodies = a.delivered.map(({ body }) => body).filter((body) => body.startsWith(name));
    t.same(bodies, Array.from({ length: count }, (_, i) => `${name}${i}`), 'and each sender’s own order');
  }
  a.close();
  b.close();
});

t.test('a key is answered with its first result on the other node too', { skip: noRedis, timeout: 560_000 }, async (t) => {
  const a = await RawClient.connect(n1.url);
  const first = await ask(a, { op: 'pub', channel: 'keys', key: 'k' }, 'x');
  const b = await RawClient.connect(n2.url, { resume: (await welcomeOf(a))['resume'] });
  const again = await ask(b, { op: 'pub', channel: 'keys', key: 'k' }, 'x');
  t.match(again, { op: 'ok', server_seq: first['server_seq'], msg_id: first['msg_id'], duplicate: true });
  t.equal(first['duplicate'], undefined);
  a.close();
  b.close();
});

t.test('a session goes on at the other node, from where it was', { skip: noRedis, timeout: 560_000 }, async (t) => {
  const a = await RawClient.connect(n1.url);
  const { resume, session, node } = await welcomeOf(a);
  t.equal(node, 'n1');
  await ask(a, { op: 'sub', channel: 'moves' });
  await ask(a, { op: 'pub', channel: 'moves', key: 'k1' }, 'one');
  await until('the first message', () => a.delivered.length === 1);
  a.close();
  const other = await RawClient.connect(n1.url);
  await ask(other, { op: 'pub', channel: 'moves', key: 'k2' }, 'two');
  const { server_seq: seq, epoch } = await ask(other, { op: 'sub', channel: 'moves' });
  const b = await RawClient.connect(n2.url, { resume, cursors: { moves: { seq: Number(seq) - 1, epoch } } });
  t.match(await welcomeOf(b), { node: 'n2', session, resumed: true });
  await ask(other, { op: 'pub', channel: 'moves', key: 'k3' }, 'three');
  await until('what was missed, and live', () => b.delivered.length >= 2);
  t.same(b.delivered.map(({ body }) => body), ['two', 'three']);
  for (const client of [other, b]) client.close();
});

t.test('who takes the session over at another node ends the connection at the first', { skip: noRedis, timeout: 560_000 }, async (t) => {
  const a = await RawClient.connect(n1.url);
  const { resume } = await welcomeOf(a);
  const b = await RawClient.connect(n2.url, { resume });
  t.match(await welcomeOf(b), { resumed: true });
  await until('the end of the first', () => a.closed !== null);
  t.equal(a.closed, 4001);
  t.equal(b.closed, null);
  b.close();
});

t.test('presence counts both nodes', { skip: noRedis, timeout: 560_000 }, async () => {
  const clients = await Promise.all([n1, n1, n2].map(({ url }) => RawClient.connect(url)));
  await Promise.all(clients.map((client) => ask(client, { op: 'sub', channel: 'here' })));
  const count = async (client: RawClient): Promise<unknown> => (await ask(client, { op: 'presence', channel: 'here' }))['count'];
  for (const client of clients) await until('everybody', async () => (await count(client)) === 3);
  clients[2]?.close();
  await until('two', async () => (await count(clients[0] as RawClient)) === 2);
  for (const client of clients) client.close();
});

t.test('members of a node that was killed are gone with its lease', { skip: noRedis, timeout: 560_000 }, async (t) => {
  const n3 = await ClusterNode.start(t, { name: 'n3', redis: redis?.url ?? '' });
  const [here, there] = await Promise.all([RawClient.connect(n1.url), RawClient.connect(n3.url)]);
  await Promise.all([here, there].map((client) => ask(client, { op: 'sub', channel: 'mortal' })));
  const count = async (): Promise<unknown> => (await ask(here, { op: 'presence', channel: 'mortal' }))['count'];
  await until('both', async () => (await count()) === 2);
  await n3.stop('SIGKILL');
  await until('one', async () => (await count()) === 1);
  t.equal(redis?.cli('HEXISTS', '{sluice:mortal}:p', 'n3'), '1', 'though what it had told was good for longer');
  await n3.start();
  t.equal(await count(), 1, 'and is not its next process’s');
  const again = await RawClient.connect(n3.url);
  await ask(again, { op: 'sub', channel: 'mortal' });
  await until('both again', async () => (await count()) === 2);
  t.equal(await n3.stop(), 0);
  for (const client of [here, there, again]) client.close();
});

t.test('history and places in it are the same at both', { skip: noRedis, timeout: 560_000 }, async (t) => {
  const [a, b] = await Promise.all([RawClient.connect(n1.url), RawClient.connect(n2.url)]);
  const results = [];
  for (let i = 0; i < 5; i++) results.push(await ask(a, { op: 'pub', channel: 'past', key: `k${i}` }, `${i}`));
  t.match(await ask(b, { op: 'history', channel: 'past', limit: 10 }), { count: 5, server_seq: 5, oldest_seq: 1 });
  t.match(await ask(b, { op: 'history', channel: 'past', after: { msg_id: results[1]?.['msg_id'] }, limit: 10 }), { count: 3 });
  t.match(await ask(b, { op: 'history', channel: 'past', before: { ts: results[0]?.['server_ts'] }, limit: 10 }), { count: 0 });
  t.match(await ask(b, { op: 'history', channel: 'never', limit: 10 }), { count: 0, epoch: null });
  await ask(b, { op: 'sub', channel: 'past', since: { msg_id: results[2]?.['msg_id'] } });
  await until('the two behind it', () => b.delivered.length === 2);
  t.same(b.delivered.map(({ body }) => body), ['3', '4']);
  for (const client of [a, b]) client.close();
});

t.test('a second node of the same name is refused and says why', { skip: noRedis, timeout: 560_000 }, async (t) => {
  const twin = ClusterNode.start(t, { name: 'n1', redis: redis?.url ?? '', config: { cluster: { leaseMs: 60_000 } } });
  await t.rejects(twin, { message: /exit 1[^]*node: another process \(ws:\/\/127[^)]*\) is node n1[^]*--node NAME/ });
  t.equal((await n1.ready()).status, 200, 'the first goes on');
  const client = await RawClient.connect(n1.url);
  t.match(await welcomeOf(client), { node: 'n1' });
  client.close();
});

t.test('what sharded pub/sub loses costs nobody a message', { skip: noRedis, timeout: 560_000 }, async (t) => {
  const [a, b] = await Promise.all([RawClient.connect(n1.url), RawClient.connect(n2.url)]);
  await Promise.all([a, b].map((client) => ask(client, { op: 'sub', channel: 'deaf' })));
  const count = 400;
  let killed = 0;
  for (let i = 0; i < count; i++) {
    if (i % 100 === 50) {
      await until('both to listen', () => (redis?.cli('CLIENT', 'LIST', 'TYPE', 'pubsub') ?? '').split('\n').length >= 2);
      killed += Number(redis?.cli('CLIENT', 'KILL', 'TYPE', 'pubsub'));
    }
    await ask(a, { op: 'pub', channel: 'deaf', key: `d${i}` }, `${i}`);
  }
  t.ok(killed >= 8, `${killed} subscriptions were cut`);
  await until('all of them at both', () => [a, b].every(({ delivered }) => delivered.length >= count));
  const all = Array.from({ length: count }, (_, i) => [i + 1, String(i)]);
  for (const { delivered } of [a, b]) t.same(delivered.map(({ seq, body }) => [seq, body]), all);
  for (const client of [a, b]) client.close();
});

t.test('a node that dies takes nothing with it', { skip: noRedis, timeout: 560_000 }, async (t) => {
  const a = await RawClient.connect(n1.url);
  const b = await RawClient.connect(n2.url);
  await ask(a, { op: 'sub', channel: 'death' });
  await ask(b, { op: 'sub', channel: 'death' });
  const { resume } = await welcomeOf(b);
  await ask(b, { op: 'pub', channel: 'death', key: 'k1' }, 'before');
  await until('the first at both', () => a.delivered.length === 1 && b.delivered.length === 1);
  await n2.stop('SIGKILL');
  await ask(a, { op: 'pub', channel: 'death', key: 'k2' }, 'meanwhile');
  const again = await RawClient.connect(n1.url, { resume, cursors: { death: { seq: 1 } } });
  t.match(await welcomeOf(again), { resumed: true, node: 'n1' });
  t.match(await ask(again, { op: 'pub', channel: 'death', key: 'k1' }, 'before'), { server_seq: 1, duplicate: true });
  t.match(await ask(again, { op: 'pub', channel: 'death', key: 'k3' }, 'after'), { server_seq: 3 });
  await until('what was missed', () => again.delivered.length >= 2);
  t.same(again.delivered.map(({ seq, body }) => [seq, body]), [[2, 'meanwhile'], [3, 'after']]);
  await n2.start();
  const back = await RawClient.connect(n2.url);
  await ask(back, { op: 'sub', channel: 'death', since: { seq: 0 } });
  await until('all of it at the node that came back', () => back.delivered.length === 3);
  for (const client of [a, again, back]) client.close();
});
