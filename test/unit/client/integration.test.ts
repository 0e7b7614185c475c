/** The client over real sockets: ws and undici against the mini server. */
import t from 'tap';
import { WebSocket as UndiciSocket } from 'undici';
import { WebSocket as WsSocket } from 'ws';
import { createClient } from '../../../src/client/index.js';
import { startMiniServer } from '../../support/mini-server.js';
import { until } from '../../support/wait.js';
import type { Client, ClientOptions, WebSocketConstructor } from '../../../src/client/index.js';

const FAST = { backoffBaseMs: 5, backoffCapMs: 40 };

function client(url: string, options: Partial<ClientOptions> = {}): Client {
  return createClient({ url, WebSocket: WsSocket, ...FAST, ...options });
}

for (const [name, WebSocket] of [['ws', WsSocket], ['undici', UndiciSocket as unknown as WebSocketConstructor]] as const) {
  t.test(`text, binary, history and presence over ${name}`, async (t) => {
    const server = await startMiniServer();
    t.teardown(() => server.kill());
    const a = client(server.url, { WebSocket });
    t.teardown(() => a.close());
    await a.connect();
    const subscription = a.subscribe('room');
    const head = await subscription.ready;
    t.same(head, { seq: 0, epoch: 'e1' });
    const text = await a.publish('room', 'line\nwith 😀');
    const binary = await a.publish('room', Uint8Array.of(0, 10, 255));
    t.same([text.serverSeq, binary.serverSeq], [1, 2]);
    t.same(await a.presence('room'), { count: 1, members: ['user1'] });
    const got = [];
    for await (const message of subscription) {
      got.push(message.body);
      if (got.length === 2) break;
    }
    t.equal(got[0], 'line\nwith 😀');
    t.same(got[1], Uint8Array.of(0, 10, 255));
    const history = await a.history('room', { after: { seq: 1 } });
    t.same(history.map(({ serverSeq }) => serverSeq), [2]);
  });
}

t.test('a server that is killed and comes back: nothing missing, doubled or out of order', async (t) => {
  let server = await startMiniServer();
  t.teardown(() => server.kill());
  const clients = [client(server.url), client(server.url), client(server.url)];
  t.teardown(() => clients.forEach((each) => each.close()));
  const subscriptions = clients.map((each) => each.subscribe('room'));
  const seen = subscriptions.map((subscription) => {
    const seqs: string[] = [];
    subscription.on('message', ({ serverSeq, body }) => seqs.push(`${serverSeq}:${String(body)}`));
    return seqs;
  });
  await Promise.all(clients.map((each) => each.connect()));
  await Promise.all(subscriptions.map(({ ready }) => ready));
  const results: Promise<unknown>[] = [];
  for (let round = 0; round < 5; round += 1) {
    for (let n = 0; n < 20; n += 1) clients.forEach((each, index) => results.push(each.publish('room', `${index}-${round}-${n}`)));
    await new Promise((resolve) => setTimeout(resolve, 3));
    const { port, store } = server;
    await server.kill();
    clients.forEach((each, index) => results.push(each.publish('room', `${index}-${round}-offline`)));
    server = await startMiniServer({ port, store });
    await until('all to be open', () => clients.every(({ state }) => state === 'open'));
  }
  await Promise.all(results);
  await until('all messages', () => seen.every(({ length }) => length === results.length));
  t.equal(results.length, 5 * 21 * 3);
  t.same(seen[1], seen[0]);
  t.same(seen[2], seen[0]);
  t.ok(seen[0]?.every((line, index) => line.startsWith(`${index + 1}:`)), 'dense');
  for (let index = 0; index < 3; index += 1) {
    const own = seen[0]?.map((line) => line.split(':')[1] ?? '').filter((body) => body.startsWith(`${index}-`)) ?? [];
    const order = own.map((body) => {
      const [, round, n] = body.split('-');
      return Number(round) * 100 + (n === 'offline' ? 99 : Number(n));
    });
    t.same(order, [...order].sort((x, y) => x - y), `order of publisher ${index}`);
  }
});

t.test('a gap made by a lossy server is filled', async (t) => {
  let isLossy = true;
  const server = await startMiniServer({
    intercept: (frame, connection) => {
      if (frame.op !== 'hello') return false;
      const { send } = connection;
      // The second delivery is lost on its way, once.
      Object.assign(connection, {
        send: (header: Record<string, unknown>, body?: string) => {
          if (isLossy && header['op'] === 'msg' && header['server_seq'] === 2) isLossy = false;
          else send(header, body);
        },
      });
      return false;
    },
  });
  t.teardown(() => server.kill());
  const a = client(server.url);
  t.teardown(() => a.close());
  const seqs: number[] = [];
  const subscription = a.subscribe('room');
  subscription.on('message', ({ serverSeq }) => seqs.push(serverSeq));
  await a.connect();
  await subscription.ready;
  for (let n = 0; n < 5; n += 1) void a.publish('room', 'x');
  await until('five messages', () => seqs.length === 5);
  t.same(seqs, [1, 2, 3, 4, 5]);
  t.notOk(isLossy);
});

t.test('a slow iterator gets everything through a small queue', async (t) => {
  const server = await startMiniServer();
  t.teardown(() => server.kill());
  const a = client(server.url, { queueMessages: 8 });
  t.teardown(() => a.close());
  const subscription = a.subscribe('room');
  await a.connect();
  await subscription.ready;
  const published = Array.from({ length: 200 }, (_, n) => a.publish('room', String(n)));
  await Promise.all(published);
  let expected = 1;
  for await (const { serverSeq } of subscription) {
    if (serverSeq !== expected) t.fail(`${serverSeq} where ${expected} was expected`);
    if (expected % 50 === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    expected += 1;
    if (serverSeq === 200) break;
  }
  t.equal(expected, 201);
});

t.test('heartbeats keep a silent connection', async (t) => {
  const server = await startMiniServer({ heartbeatMs: 20 });
  t.teardown(() => server.kill());
  const a = client(server.url);
  t.teardown(() => a.close());
  let closes = 0;
  a.on('close', () => (closes += 1));
  await a.connect();
  await new Promise((resolve) => setTimeout(resolve, 200));
  t.equal(closes, 0);
  a.close();
  t.equal(closes, 1);
});

t.test('a gateway that is not there yet is waited for', async (t) => {
  const first = await startMiniServer();
  const { port, url } = first;
  await first.kill();
  const a = client(url);
  t.teardown(() => a.close());
  const connected = a.connect();
  await new Promise((resolve) => setTimeout(resolve, 50));
  const server = await startMiniServer({ port });
  t.teardown(() => server.kill());
  t.equal((await connected).node, 'mini');
});
