/**
 * Sticky placement: a new session is sent to its user's node of the region, and a node that drains sends its clients to the
 * `cluster.url` of another.
 */
import { SignJWT } from 'jose';
import t from 'tap';
import { WebSocket } from 'ws';
import { createClient, type Client, type WebSocketConstructor } from '../../src/client/index.js';
import { rendezvous } from '../../src/cluster/rendezvous.js';
import { ClusterNode } from '../support/cluster.js';
import { noRedis, RedisServer } from '../support/redis-server.js';
import { runSluice } from '../support/sluice-process.js';
import { until } from '../support/wait.js';

t.setTimeout(590_000);

const SECRET = 'a secret of this test, of 32 bytes and more';
const USERS = Array.from({ length: 16 }, (_, i) => `user-${i}`);
const NODES = { e1: 'eu', e2: 'eu', u1: 'us' } as const;

interface Someone {
  readonly user: string;
  readonly client: Client;
  /** Where it was welcomed, one after another, and where it was sent. */
  readonly nodes: string[];
  readonly targets: (string | null)[];
  readonly heard: number[];
}

async function someone(user: string, url: string): Promise<Someone> {
  const key = new TextEncoder().encode(SECRET);
  const token = await new SignJWT({ read: ['**'], write: ['**'] }).setProtectedHeader({ alg: 'HS256' })
    .setSubject(user).setExpirationTime('1h').sign(key);
  const client = createClient({ url, token, WebSocket: WebSocket as unknown as WebSocketConstructor });
  const it: Someone = { user, client, nodes: [], targets: [], heard: [] };
  client.on('open', ({ node }) => it.nodes.push(node));
  client.on('drain', ({ target }) => it.targets.push(target));
  client.on('error', () => undefined);
  client.subscribe('room', { since: { ts: 0 } }).on('message', ({ serverSeq }) => it.heard.push(serverSeq));
  await client.connect();
  return it;
}

t.test('sessions go to their node, and to another when it drains', { skip: noRedis, timeout: 560_000 }, async (t) => {
  const redis = await RedisServer.start();
  t.teardown(() => redis.remove());
  const nodes = new Map<string, ClusterNode>();
  for (const [name, region] of Object.entries(NODES)) {
    const config = {
      region, auth: { keys: [{ alg: 'HS256', secret: SECRET }] }, cluster: { sticky: true, leaseMs: 30_000 }, drain: { deadlineMs: 60_000 },
    };
    nodes.set(name, await ClusterNode.start(t, { name, redis: redis.url, config }));
  }
  const urlOf = (name: string): string => nodes.get(name)?.url ?? '';
  await until('the nodes to know of each other', async () => {
    const known = await Promise.all([...nodes.values()].map(async (node) => ((await node.stats())['cluster'] as { nodes: number }).nodes));
    return known.every((count) => count === 3);
  });

  const home = (user: string): string => rendezvous(user, [{ node: 'e1' }, { node: 'e2' }])?.node ?? '';
  const all = await Promise.all(USERS.map((user) => someone(user, urlOf('e1'))));
  t.teardown(() => all.forEach(({ client }) => client.close()));
  await until('everybody at home', () => all.every(({ user, nodes: places, client }) => {
    return client.state === 'open' && places.at(-1) === home(user);
  }));
  for (const { user, nodes: places, targets } of all) {
    const isHere = home(user) === 'e1';
    t.same([places, targets], isHere ? [['e1'], []] : [['e1', 'e2'], [urlOf('e2')]], `${user} belongs to ${home(user)}`);
  }
  t.ok(all.some(({ user }) => home(user) === 'e1') && all.some(({ user }) => home(user) === 'e2'), 'both are somebody\'s');

  const publishing = all.flatMap(({ client, user }) => [1, 2, 3].map((n) => client.publish('room', `${user} ${n}`)));
  const admin = nodes.get('e2')?.process.admin ?? '';
  const drain = runSluice(['drain', '--admin', admin, '--deadline', '60s']);
  await until('nobody at the node that drains', () => all.every(({ nodes: places, client }) => {
    return client.state === 'open' && places.at(-1) === 'e1';
  }));
  t.equal((await drain).code, 0);
  for (const { user, targets, nodes: places } of all) {
    if (home(user) !== 'e2') continue;
    t.equal(targets.at(-1), urlOf('e1'), `${user} was sent to the node of the same region`);
    t.same(places, ['e1', 'e2', 'e1']);
  }
  await Promise.all(publishing);
  const expected = Array.from({ length: publishing.length }, (_, i) => i + 1);
  await until('every message', () => all.every(({ heard }) => heard.length >= expected.length));
  for (const { user, heard } of all) t.same(heard, expected, `${user} heard each once, in order`);
});
