/** What an engine does by itself while no control plane is attached. */
import { once } from 'node:events';
import { statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { WebSocket } from 'ws';

import { RegionReader } from '../../src/engine/index.js';
import { DetachedSetup } from '../support/detached.js';
import { RawClient } from '../support/raw-client.js';
import { sleep, until } from '../support/wait.js';

t.setTimeout(590_000);

/** An engine with these limits that a control plane was attached to. */
async function unattended(t: Test, limits: Record<string, number>): Promise<DetachedSetup> {
  const setup = new DetachedSetup();
  t.teardown(() => setup.end());
  const config = join(setup.folder, 'engine.json');
  writeFileSync(config, JSON.stringify({ limits }));
  await setup.start('--config', config);
  return setup;
}

/** The control plane dies, and the engine has noticed. */
async function leave({ control, name }: DetachedSetup): Promise<void> {
  await control.stop('SIGKILL');
  const region = RegionReader.attach(name);
  await until('the engine is alone', () => region.counter('detached') === 1);
}

function connect(t: Test, url: string): WebSocket {
  const socket = new WebSocket(url, 'sluice.v1', { perMessageDeflate: false });
  t.teardown(() => socket.terminate());
  return socket;
}

t.test('heartbeats, pings and close handshakes go on', async (t) => {
  const setup = await unattended(t, { heartbeatMs: 2000 });
  const socket = connect(t, setup.control.url);
  const heard: string[] = [];
  socket.on('message', (data) => {
    heard.push(String(data));
    if (String(data).includes('"hb"')) socket.send('{"op":"hb"}');
  });
  await once(socket, 'open');
  socket.send('{"op":"hello"}');
  await until('welcome', () => heard.length > 0);
  await leave(setup);
  heard.length = 0;
  socket.ping('still there?');
  const [pong] = (await once(socket, 'pong')) as [Buffer];
  t.equal(String(pong), 'still there?');
  await until('heartbeats', () => heard.length >= 2);
  t.same([...new Set(heard)], ['{"op":"hb"}']);
  socket.close(1000, 'enough');
  const [code] = (await once(socket, 'close')) as [number];
  t.equal(code, 1000);
});

t.test('a client that is silent is told that it missed its heartbeats', async (t) => {
  const setup = await unattended(t, { heartbeatMs: 1000 });
  const socket = connect(t, setup.control.url);
  await once(socket, 'open');
  socket.send('{"op":"hello"}');
  await once(socket, 'message');
  await leave(setup);
  const [code] = (await once(socket, 'close')) as [number];
  t.equal(code, 4002);
});

t.test('messages are held up to the bound of the rings, and no more is read; each is answered once', async (t) => {
  const setup = await unattended(t, {});
  const client = await RawClient.connect(setup.control.url);
  t.teardown(() => client.close());
  await until('welcome', () => client.others.length > 0);
  await leave(setup);
  const region = RegionReader.attach(setup.name);
  const count = 40_000;
  for (let id = 1; id <= count; id++) client.send({ op: 'pub', id, channel: 'c', key: `${id}` }, 'x'.repeat(200));
  // Nothing more is taken out of the socket: the kernel's buffers and the window have the rest, and then the client.
  let before = -1;
  await until('the rings are full', () => {
    const now = region.counter('messages_in');
    const still = now === before && now > 10_000;
    before = now;
    return still;
  });
  await sleep(500);
  const held = region.counter('messages_in');
  t.ok(held < count, `${held} of ${count} held`);
  setup.control = await setup.serve('--publish-rate', '0');
  await until('answers', () => client.answers.length >= count, 120_000);
  t.same(client.answers.filter(({ header }) => header['op'] !== 'ok').slice(0, 3), []);
  t.equal(new Set(client.answers.map(({ header }) => header['server_seq'])).size, count);
  t.equal(client.answers.length, count);
  t.equal(client.closed, null);
});

t.test('an upgrade that waited for too long is told when to come back', async (t) => {
  const setup = await unattended(t, { attachWaitMs: 100 });
  await leave(setup);
  const socket = connect(t, setup.control.url);
  socket.on('error', () => undefined);
  const [, response] = (await once(socket, 'unexpected-response')) as [unknown, { statusCode: number; headers: Record<string, string> }];
  t.equal(response.statusCode, 503);
  t.match(response.headers['retry-after'], /^[1-9]\d*$/);
});

t.test('the region and the socket beside it are for the service user alone', async (t) => {
  const setup = await unattended(t, {});
  for (const path of [`/dev/shm/sluice-${setup.name}`, `/dev/shm/sluice-${setup.name}.sock`]) {
    const { mode, uid } = statSync(path);
    t.equal(mode & 0o777, 0o600, path);
    t.equal(uid, process.getuid?.());
  }
});
