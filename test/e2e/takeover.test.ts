/**
 * Control planes die and are replaced under load, on an engine in a process of its own: killed and started again, killed with another one
 * standing by, replaced as planned. For the full run: SLUICE_TAKEOVERS (of each kind, 2 by default) 100, SLUICE_CONNECTIONS (clients that
 * publish and subscribe, 200 by default) 15000, SLUICE_PUBLISH_EVERY_MS (each, 500 by default) 15000, SLUICE_TAKEOVER_KINDS.
 */
import { cpSync, mkdirSync, readFileSync, realpathSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';

import { RegionReader } from '../../src/engine/index.js';
import { DetachedSetup } from '../support/detached.js';
import { freePort } from '../support/free-port.js';
import { RawClient } from '../support/raw-client.js';
import { projectRoot } from '../support/sluice-process.js';
import { TakeoverLoad } from '../support/takeover-load.js';
import { percentile, Traffic } from '../support/traffic.js';
import { sleep, until } from '../support/wait.js';

const TAKEOVERS = Number(process.env['SLUICE_TAKEOVERS'] ?? 2);
const CONNECTIONS = Number(process.env['SLUICE_CONNECTIONS'] ?? 200);
const PUBLISH_EVERY_MS = Number(process.env['SLUICE_PUBLISH_EVERY_MS'] ?? 500);
const ALL_KINDS = ['killed', 'killed with a standby', 'replaced'] as const;
const chosen = process.env['SLUICE_TAKEOVER_KINDS']?.split(',') ?? ALL_KINDS;
const KINDS = ALL_KINDS.filter((kind) => chosen.includes(kind));
/** For clients that come back by themselves, on a machine with much else to do. */
const PATIENCE_MS = 180_000;
const ROUNDS = TAKEOVERS * KINDS.length;

/** One takeover; what it returns ends when messages may flow again. */
const TAKE_OVER: Readonly<Record<(typeof ALL_KINDS)[number], (setup: DetachedSetup) => Promise<() => Promise<void>>>> = {
  killed: async (setup) => async () => {
    void setup.control.stop('SIGKILL');
    setup.control = await setup.serve();
  },
  'killed with a standby': async (setup) => {
    const standby = await setup.standBy();
    return async () => {
      void setup.control.stop('SIGKILL');
      setup.control = await standby.ready();
    };
  },
  replaced: async (setup) => async () => {
    const former = setup.control;
    setup.control = await setup.serve('--replace');
    if ((await former.stop('SIGCONT')) !== 1 || !/has taken over engine/.test(former.stderr())) {
      throw new Error(`the former control plane does not say that it was replaced: ${former.stderr()}`);
    }
  },
};

function distribution(times: readonly number[]): string {
  const [p50, p90, p99, most] = [0.5, 0.9, 0.99, 1].map((share) => percentile(times, share).toFixed(0));
  return `p50 ${p50}, p90 ${p90}, p99 ${p99}, longest ${most} ms`;
}

t.setTimeout(300_000 + ROUNDS * 30_000 + CONNECTIONS * 50);

t.test('control planes are killed and replaced: no client notices', async (t) => {
  const setup = new DetachedSetup();
  const load = new TakeoverLoad({ connections: CONNECTIONS, perChannel: 20, publishEveryMs: PUBLISH_EVERY_MS });
  t.teardown(async () => {
    load.end();
    await setup.end();
  });
  await setup.start('--connections', String(CONNECTIONS + 100));
  await load.start(setup.control.url);
  const region = RegionReader.attach(setup.name);
  const seen = new Map<string, number[]>(KINDS.map((kind) => [kind, []]));
  const counted = new Map<string, number[]>(KINDS.map((kind) => [kind, []]));
  for (let round = 0; round < ROUNDS; round++) {
    const kind = KINDS[round % KINDS.length]!;
    await sleep(200 + Math.random() * 400);
    const takeOver = await TAKE_OVER[kind](setup);
    const before = region.counter('takeover_pause_us');
    seen.get(kind)!.push(await load.pause(takeOver));
    counted.get(kind)!.push((region.counter('takeover_pause_us') - before) / 1000);
  }
  await load.finish();
  t.same(load.check(), []);
  t.ok(load.acks > 10 * ROUNDS, `${load.acks} acknowledged`);
  const { counters, ownerEpoch } = region.read();
  t.equal(ownerEpoch, ROUNDS + 1);
  t.equal(counters['takeovers'], ROUNDS);
  t.equal(counters['takeovers_planned'], KINDS.includes('replaced') ? TAKEOVERS : 0);
  t.equal(counters['connections_open'], CONNECTIONS);
  for (const kind of KINDS) {
    t.comment(`${kind}: as clients see it ${distribution(seen.get(kind)!)}; as the engine counts it ${distribution(counted.get(kind)!)}`);
  }
});

/** This release with another word in its welcome; returns its command line. */
function nextRelease(folder: string): string {
  const root = join(folder, 'next');
  const dist = realpathSync(join(projectRoot(), 'dist'));
  mkdirSync(root);
  cpSync(dist, join(root, 'dist'), { recursive: true });
  for (const name of ['build', 'node_modules', 'package.json']) symlinkSync(join(dist, '..', name), join(root, name));
  const welcome = join(root, 'dist', 'gateway', 'opening', 'welcome-texts.js');
  const text = readFileSync(welcome, 'utf8');
  const changed = text.replaceAll('heartbeat_ms:', "release: 'next', heartbeat_ms:");
  if (changed === text) throw new Error('the welcome is not where it was');
  writeFileSync(welcome, changed);
  return join(root, 'dist', 'cli.js');
}

t.test('a new release takes over under load', async (t) => {
  const setup = new DetachedSetup();
  const load = new TakeoverLoad({ connections: 40, perChannel: 10, publishEveryMs: 200 });
  t.teardown(async () => {
    load.end();
    await setup.end();
  });
  await setup.start();
  await load.start(setup.control.url);
  const welcome = async (): Promise<unknown> => {
    const client = await RawClient.connect(setup.control.url);
    await until('welcome', () => client.others.length > 0);
    client.close();
    return client.others[0]?.['release'];
  };
  t.equal(await welcome(), undefined);
  const release = nextRelease(setup.folder);
  await load.pause(() => setup.upgrade(release));
  t.equal(await welcome(), 'next');
  await load.finish();
  t.same(load.check(), []);
});

t.test('the engine is killed under load: clients resume on the next one, nothing is lost, doubled or out of order', async (t) => {
  const setup = new DetachedSetup();
  t.teardown(() => setup.end());
  const listen = ['--listen', `127.0.0.1:${await freePort()}`];
  await setup.start(...listen);
  const { url } = setup.control;
  const traffic = new Traffic({ url: () => url, clients: 20, channels: 4, pauseMs: 20 });
  await traffic.start();
  for (let round = 0; round < 2; round++) {
    const { acknowledged, resumes } = traffic;
    await until('traffic', () => traffic.acknowledged > acknowledged + 100, PATIENCE_MS);
    await setup.engine.stop('SIGKILL');
    await setup.control.stop('SIGCONT');
    await setup.start(...listen);
    await until('the sessions go on', () => traffic.resumes >= resumes + 20, PATIENCE_MS);
  }
  await sleep(100);
  t.same(await traffic.finish(), []);
});
