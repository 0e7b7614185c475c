/** Control planes of a detached engine that come and go, with what several nodes share in Redis: the connections stay and lose nothing. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { WebSocket } from 'ws';
import { createClient, type Client, type WebSocketConstructor } from '../../src/client/index.js';
import { ClusterNode } from '../support/cluster.js';
import { noRedis, RedisServer } from '../support/redis-server.js';
import { startSluice, type SluiceProcess } from '../support/sluice-process.js';
import { until } from '../support/wait.js';

t.setTimeout(590_000);

interface Talker {
  readonly client: Client;
  readonly heard: string[];
  readonly seqs: number[];
  opened: number;
  acknowledged: number;
}

async function talker(url: string): Promise<Talker> {
  const client = createClient({ url, WebSocket: WebSocket as unknown as WebSocketConstructor });
  const it: Talker = { client, heard: [], seqs: [], opened: 0, acknowledged: 0 };
  client.on('open', () => (it.opened += 1));
  client.on('error', () => undefined);
  const decoder = new TextDecoder();
  client.subscribe('room').on('message', ({ serverSeq, body }) => {
    it.seqs.push(serverSeq);
    it.heard.push(typeof body === 'string' ? body : decoder.decode(body));
  });
  await client.connect();
  return it;
}

t.test('control planes over Redis are killed and replaced', { skip: noRedis, timeout: 560_000 }, async (t) => {
  const redis = await RedisServer.start(['--appendonly', 'yes', '--appendfsync', 'always']);
  t.teardown(() => redis.remove());
  const folder = mkdtempSync(join(tmpdir(), 'sluice-detach-redis-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const config = join(folder, 'sluice.json');
  const options = { node: 'n1', store: { redis: redis.url }, limits: { publishRate: 0 }, cluster: { leaseMs: 3000 } };
  writeFileSync(config, JSON.stringify(options));
  const name = `redis-${process.pid}`;
  const engine = await startSluice(['engine', '--name', name, '--listen', '127.0.0.1:0']);
  t.teardown(() => engine.stop('SIGKILL'));
  const serve = (...more: string[]): Promise<SluiceProcess> =>
    startSluice(['serve', '--attach', name, '--config', config, '--data', join(folder, 'data'), '--admin', '127.0.0.1:0', ...more]);
  let control = await serve();
  t.teardown(() => control.stop('SIGKILL'));
  const other = await ClusterNode.start(t, { name: 'n2', redis: redis.url });

  const talkers = await Promise.all([...Array.from({ length: 4 }, () => talker(control.url)), talker(other.url)]);
  t.teardown(() => talkers.forEach(({ client }) => client.close()));
  // Nothing is published in here: where it stood, only its note says.
  const quiet = await talker(control.url);
  t.teardown(() => quiet.client.close());
  const silent: string[] = [];
  quiet.client.subscribe('silent').on('message', ({ body }) => void silent.push(String(body)));
  await quiet.client.publish('other', 'so that the subscription has been answered');

  let published = 0;
  let over = false;
  const publishing = talkers.map(async (one, index) => {
    for (let i = 0; !over; i++) {
      published += 1;
      await one.client.publish('room', `${index} ${i}`);
      one.acknowledged += 1;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  });
  const progress = async (): Promise<void> => {
    const before = talkers.map(({ acknowledged }) => acknowledged);
    await until('everybody to be acknowledged', () => talkers.every(({ acknowledged }, i) => acknowledged > (before[i] as number) + 3));
  };
  await progress();
  for (let round = 0; round < 3; round++) {
    await control.stop('SIGKILL');
    control = await serve();
    await progress();
  }
  const former = control;
  control = await serve('--replace');
  await former.stop('SIGCONT');
  await progress();
  over = true;
  await Promise.all(publishing);
  const everything = Array.from({ length: published }, (_, i) => i + 1);
  await until('every message', () => [...talkers, quiet].every(({ seqs }) => seqs.length >= published));
  for (const { seqs, heard, opened } of [...talkers, quiet]) {
    t.same(seqs, everything, 'every message once, in order');
    t.equal(new Set(heard).size, published);
    t.equal(opened, 1, 'over one connection');
  }
  await talkers[0]?.client.publish('silent', 'at last');
  await until('the first message', () => silent.length > 0);
  t.same(silent, ['at last']);
});
