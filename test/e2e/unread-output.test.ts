/** Whoever reads what a server prints may end before it: a terminal, a collector of logs, the head of a pipe. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';

import { DetachedSetup } from '../support/detached.js';
import { freePort } from '../support/free-port.js';
import { RawClient } from '../support/raw-client.js';
import { launchSluice } from '../support/sluice-process.js';
import { sleep, until } from '../support/wait.js';

t.setTimeout(590_000);

t.test('an engine whose standard error nobody reads any more keeps its connections, and takes the next control plane', async (t) => {
  const setup = new DetachedSetup();
  t.teardown(() => setup.end());
  await setup.start();
  const client = await RawClient.connect(setup.engine.url);
  t.teardown(() => client.close());
  await until('welcome', () => client.others.length > 0);
  setup.engine.child.stderr?.destroy();
  setup.engine.child.stdout?.destroy();
  // It says that nobody is attached, and then who is.
  t.equal(await setup.control.stop('SIGTERM'), 0);
  setup.control = await setup.serve();
  client.send({ op: 'sub', id: 1, channel: 'heard' });
  await until('the answer', () => client.answers.length > 0);
  t.equal(client.closed, null);
  t.equal(setup.engine.child.exitCode, null);
  t.equal(await setup.engine.stop('SIGTERM'), 0);
});

t.test('a gateway whose ready line nobody reads serves', async (t) => {
  const data = mkdtempSync(join(tmpdir(), 'sluice-unread-'));
  const port = await freePort();
  const server = launchSluice(['serve', '--listen', `127.0.0.1:${port}`, '--admin', '127.0.0.1:0', '--data', data]);
  t.teardown(async () => {
    await server.stop('SIGKILL');
    rmSync(data, { recursive: true, force: true });
  });
  server.child.stdout?.destroy();
  const isServing = (): Promise<boolean> => fetch(`http://127.0.0.1:${port}/healthz`).then(({ status }) => status === 200, () => false);
  await until('the gateway serves', isServing);
  const client = await RawClient.connect(`ws://127.0.0.1:${port}/v1`);
  t.teardown(() => client.close());
  await until('welcome', () => client.others.length > 0);
  // The line may be written a moment behind this.
  await sleep(500);
  client.send({ op: 'sub', id: 1, channel: 'heard' });
  await until('the answer', () => client.answers.length > 0);
  t.equal(client.closed, null);
  t.equal(server.child.exitCode, null);
  client.close();
  t.equal(await server.stop('SIGTERM'), 0);
});
