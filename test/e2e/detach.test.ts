/** Control planes come and go on an engine in a process of its own. */
import { closeSync, openSync, readSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';

import { RegionReader } from '../../src/engine/index.js';
import { DetachedSetup as Setup } from '../support/detached.js';
import { RawClient } from '../support/raw-client.js';
import { runSluice } from '../support/sluice-process.js';
import { sleep, until } from '../support/wait.js';

t.setTimeout(590_000);

/** A file of options; upgrades wait for a control plane for `attachWaitMs`. */
function waiting(setup: Setup, attachWaitMs: number): string {
  const path = join(setup.folder, 'engine.json');
  writeFileSync(path, JSON.stringify({ limits: { attachWaitMs } }));
  return path;
}

t.test('without a control plane connections stay and upgrades wait for one', async (t) => {
  const setup = new Setup();
  t.teardown(() => setup.end());
  await setup.start('--config', waiting(setup, 60_000));
  const { url } = setup.control;
  const health = `${url.replace('ws:', 'http:').replace('/v1', '')}/healthz`;
  const client = await RawClient.connect(url);
  t.teardown(() => client.close());
  await until('welcome', () => client.others.length > 0);
  t.equal((await fetch(health)).status, 200);
  t.equal(await setup.control.stop('SIGTERM'), 0);
  t.equal(client.closed, null, 'SIGTERM leaves the connections to the next control plane');
  let unattended = await fetch(health);
  await until('the engine notices', async () => (unattended = await fetch(health)).status !== 200);
  t.equal(unattended.status, 503);
  t.match(await unattended.text(), /no control plane/);
  client.send({ op: 'sub', id: 1, channel: 'held' });
  const late = RawClient.connect(url);
  await sleep(100);
  setup.control = await setup.serve();
  await until('the answer', () => client.answers.length > 0);
  t.equal(client.answers.length, 1);
  const second = await late;
  t.teardown(() => second.close());
  await until('the welcome of the one that waited', () => second.others.length > 0);
});

t.test('an upgrade that waited for too long is told to come back', async (t) => {
  const setup = new Setup();
  t.teardown(() => setup.end());
  await setup.start('--config', waiting(setup, 100));
  await setup.control.stop('SIGTERM');
  await t.rejects(RawClient.connect(setup.control.url), /Unexpected server response: 503/);
  const region = RegionReader.attach(setup.name);
  await until('it is counted', () => region.counter('upgrades_unattended') > 0);
  t.equal(region.counter('upgrades_unattended'), 1);
});

t.test('an owner that is attached is not pushed aside unless it is asked for', async (t) => {
  const setup = new Setup();
  t.teardown(() => setup.end());
  await setup.start();
  const refused = await runSluice(['serve', '--attach', setup.name, '--data', join(setup.folder, 'other'), '--admin', '127.0.0.1:0']);
  t.equal(refused.code, 1);
  t.match(refused.err, /is attached: --replace/);
  const client = await RawClient.connect(setup.control.url);
  t.teardown(() => client.close());
  await until('welcome', () => client.others.length > 0);
  t.match((await runSluice(['serve', '--attach', `${setup.name}-not`])).err, /sluice engine|gateway running/);
  t.equal((await runSluice(['serve', '--replace'])).code, 2);
  t.equal((await runSluice(['engine'])).code, 2);
});

t.test('an owner that hangs is killed when another one replaces it', async (t) => {
  const setup = new Setup();
  t.teardown(() => setup.end());
  await setup.start();
  const client = await RawClient.connect(setup.control.url);
  t.teardown(() => client.close());
  await until('welcome', () => client.others.length > 0);
  const former = setup.control;
  former.child.kill('SIGSTOP');
  client.send({ op: 'sub', id: 7, channel: 'after' });
  setup.control = await setup.serve('--replace');
  await until('its death', () => former.child.signalCode === 'SIGKILL');
  await until('the answer', () => client.answers.length > 0);
  t.same(client.answers.map(({ id }) => id), [7]);
  t.equal(client.closed, null);
});

t.test('a release with another memory layout is refused, and the one that is attached goes on', async (t) => {
  const setup = new Setup();
  t.teardown(() => setup.end());
  await setup.start();
  const client = await RawClient.connect(setup.control.url);
  t.teardown(() => client.close());
  await until('welcome', () => client.others.length > 0);
  // As if the engine were of another release: its hash stands behind magic and version.
  const region = openSync(`/dev/shm/sluice-${setup.name}`, 'r+');
  const hash = Buffer.alloc(4);
  readSync(region, hash, 0, 4, 12);
  writeSync(region, Buffer.from([1, 2, 3, 4]), 0, 4, 12);
  const refused = await runSluice([
    'serve', '--attach', setup.name, '--replace', '--data', join(setup.folder, 'data'), '--admin', '127.0.0.1:0',
  ]);
  writeSync(region, hash, 0, 4, 12);
  closeSync(region);
  t.equal(refused.code, 1);
  t.match(refused.err, /another release/);
  client.send({ op: 'sub', id: 1, channel: 'c' });
  await until('the answer of the one that is attached', () => client.answers.length === 1);
  t.equal(RegionReader.attach(setup.name).read().ownerEpoch, 1);
});

t.test('the engine is killed: clients resume on the next one, and what was acknowledged is there once', async (t) => {
  const setup = new Setup();
  t.teardown(() => setup.end());
  await setup.start();
  const client = await RawClient.connect(setup.control.url);
  client.send({ op: 'sub', id: 1, channel: 'c' });
  for (let id = 2; id <= 5; id++) client.send({ op: 'pub', id, channel: 'c', key: `k${id}` }, `k${id}`);
  await until('acknowledgements', () => client.answers.length === 5 && client.delivered.length === 4);
  await setup.engine.stop('SIGKILL');
  t.equal(await setup.control.stop('SIGCONT'), 1, 'the control plane ends with its engine');
  t.match(setup.control.stderr(), /engine .* has ended/);
  await until('the end of the connection', () => client.closed !== null);
  await setup.start();
  const again = await RawClient.connect(setup.control.url, { resume: client.others[0]?.['resume'] });
  t.teardown(() => again.close());
  await until('welcome', () => again.others.length > 0);
  t.equal(again.others[0]?.['resumed'], true);
  again.send({ op: 'pub', id: 1, channel: 'c', key: 'k5' }, 'k5');
  again.send({ op: 'pub', id: 2, channel: 'c', key: 'new' }, 'new');
  await until('answers', () => again.answers.length === 2 && again.delivered.some(({ body }) => body === 'new'));
  t.equal(again.answers[0]?.header['duplicate'], true);
  t.equal(again.answers[1]?.header['server_seq'], 5);
  t.same([...new Set(again.delivered.map(({ seq }) => seq))], again.delivered.map(({ seq }) => seq));
});
