/**
 * A rolling deploy: three nodes over one Redis behind HAProxy, each drained, stopped and started again in turn, under clients that publish
 * all the time. SLUICE_ROLLING_CLIENTS, _CHANNELS, _ROUNDS and _PROCESSES set its size (60, 3, 1 and 1 by default; the full run is
 * 6000, 300, 10 and 4), SLUICE_ROLLING_PAUSE_MS the time between two publishes of a client.
 */
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { ClusterNode } from '../support/cluster.js';
import { freePort } from '../support/free-port.js';
import { expectToLast } from '../support/lifetime.js';
import { noRedis, RedisServer } from '../support/redis-server.js';
import { CLI, runSluice } from '../support/sluice-process.js';
import { startTraffic } from '../support/traffic-process.js';
import { percentile } from '../support/traffic.js';
import { sleep, until } from '../support/wait.js';

const setting = (name: string, fallback: number): number => Number(process.env[`SLUICE_ROLLING_${name}`] ?? fallback);
const CLIENTS = setting('CLIENTS', 60);
const CHANNELS = setting('CHANNELS', 3);
const ROUNDS = setting('ROUNDS', 1);
const PROCESSES = setting('PROCESSES', 1);
const PAUSE_MS = setting('PAUSE_MS', 200);
/** Clients that a drain lets go in a second, at most. Half of them all are on one node at times, and go well within its deadline. */
const RATE_MAX = Math.max(50, CLIENTS / 40);
const DEADLINE_S = 60;
const TIMEOUT_MS = 180_000 + ROUNDS * 3 * 60_000;
/** Few clients on a machine that does other things besides say nothing about the time that delivery takes. */
const JUDGED = CLIENTS >= 1000;
/** Everybody comes at once; then it is measured how long delivery takes. */
const SETTLE_MS = JUDGED ? 8000 : 500;
const BEFORE_MS = JUDGED ? 15_000 : 2500;

t.setTimeout(TIMEOUT_MS + 60_000);
expectToLast(TIMEOUT_MS);
const missing = spawnSync('haproxy', ['-v']).status === 0 ? noRedis : 'haproxy is not installed';

/** docs/examples/haproxy.cfg with a third gateway. Returns the URL for clients. */
async function startProxy(t: Test, nodes: readonly { readonly url: string; readonly agent: number }[]): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-rolling-'));
  const example = readFileSync(join(CLI, '..', '..', 'docs', 'examples', 'haproxy.cfg'), 'utf8');
  const front = await freePort();
  const third = '    server c "${C}" agent-port "${C_AGENT_PORT}"\n';
  writeFileSync(join(folder, 'haproxy.cfg'), example.replace('maxconn 5000', 'maxconn 9000').trimEnd() + `\n${third}`);
  const env: Record<string, string> = { FRONT: `127.0.0.1:${front}` };
  for (const [i, name] of ['A', 'B', 'C'].entries()) {
    const node = nodes[i];
    env[name] = new URL(node?.url ?? '').host;
    env[`${name}_AGENT_PORT`] = String(node?.agent);
  }
  const haproxy = spawn('haproxy', ['-db', '-f', join(folder, 'haproxy.cfg')], {
    env: { ...process.env, ...env }, stdio: 'ignore', timeout: TIMEOUT_MS,
  });
  t.teardown(() => {
    haproxy.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  });
  const url = `ws://127.0.0.1:${front}/v1`;
  await until('HAProxy', async () => (await fetch(url.replace('ws:', 'http:')).catch(() => null)) !== null);
  return url;
}

function mostInASecond(times: readonly number[]): number {
  const sorted = [...times].sort((a, b) => a - b);
  let most = 0;
  for (let first = 0, next = 0; next < sorted.length; next += 1) {
    while ((sorted[next] as number) - (sorted[first] as number) >= 1000) first += 1;
    most = Math.max(most, next - first + 1);
  }
  return most;
}

/** What part of the machine was used between two looks. */
class Machine {
  #last = Machine.#times();

  look(): number {
    const { idle, all } = Machine.#times();
    const used = 1 - (idle - this.#last.idle) / Math.max(1, all - this.#last.all);
    this.#last = { idle, all };
    return used;
  }

  static #times(): { readonly idle: number; readonly all: number } {
    const times = cpus().map((cpu) => cpu.times);
    const sum = (of: (cpu: (typeof times)[number]) => number): number => times.reduce((total, cpu) => total + of(cpu), 0);
    return { idle: sum(({ idle }) => idle), all: sum(({ idle, user, nice, sys, irq }) => idle + user + nice + sys + irq) };
  }
}

interface Phase {
  readonly name: string;
  readonly from: number;
  readonly to: number;
  readonly used: number;
}

t.test('nobody notices', { skip: missing, timeout: TIMEOUT_MS }, async (t) => {
  const redis = await RedisServer.start(['--appendonly', 'yes', '--appendfsync', 'always']);
  t.teardown(() => redis.remove());
  const nodes: { readonly node: ClusterNode; readonly url: string; readonly agent: number }[] = [];
  for (const name of ['n1', 'n2', 'n3']) {
    const agent = await freePort();
    const config = { agent: `127.0.0.1:${agent}`, drain: { rate: RATE_MAX, rateMax: RATE_MAX }, cluster: { url: null } };
    const node = await ClusterNode.start(t, { name, redis: redis.url, config });
    nodes.push({ node, url: node.url, agent });
  }
  const url = await startProxy(t, nodes);
  const traffic = await startTraffic({ url, clients: CLIENTS, channels: CHANNELS, pauseMs: PAUSE_MS, processes: PROCESSES });
  t.teardown(() => traffic.kill());
  await sleep(SETTLE_MS);
  const machine = new Machine();
  const phases: Phase[] = [];
  let from = Date.now();
  const ends = (name: string): void => {
    const to = Date.now();
    phases.push({ name, from, to, used: machine.look() });
    from = to;
  };
  await sleep(BEFORE_MS);
  ends('before');
  const began = from;
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const { node } of nodes) {
      const { code, err } = await runSluice(['drain', '--admin', node.process.admin, '--deadline', `${DEADLINE_S}s`], undefined, 90_000);
      t.equal(code, 0, err);
      ends(`${node.name} drains`);
      t.equal(await node.stop(), 0);
      await node.start();
      // As a deploy does: the next one when this one takes clients.
      await until('the node to be ready', async () => (await node.ready()).status === 200);
      ends(`${node.name} starts`);
    }
  }
  const ended = from;
  await sleep(2000);
  const { problems, acknowledged, opens, resumes, openedAt, delivered } = await traffic.finish();
  const times = (from: number, to: number): number[] => delivered.filter(({ at }) => at >= from && at < to).map(({ ms }) => ms);
  for (const { name, from, to, used } of phases) {
    const all = times(from, to);
    const [p50, p90, p99] = [0.5, 0.9, 0.99].map((share) => percentile(all, share));
    const opened = openedAt.filter((at) => at >= from && at < to);
    t.comment(`${name}: ${((to - from) / 1000).toFixed(1)} s, machine ${Math.round(used * 100)}% used, ${opened.length} connections, ` +
      `${mostInASecond(opened)} in a second; delivery p50 ${p50} p90 ${p90} p99 ${p99} ms of ${all.length}`);
  }
  const before = percentile(times(began - BEFORE_MS, began), 0.99);
  const during = percentile(times(began, ended), 0.99);
  const most = mostInASecond(openedAt.filter((at) => at > began));
  t.comment(`${acknowledged} publishes, ${opens - CLIENTS} reconnects in ${((ended - began) / 1000).toFixed(0)} s, ${resumes} resumed`);
  t.comment(`at most ${most} reconnects in a second, paced at ${RATE_MAX}; delivery p99 ${before} ms before, ${during} ms during`);
  t.same(problems, []);
  t.ok(opens - CLIENTS >= CLIENTS * ROUNDS, 'everybody was moved');
  t.equal(resumes, opens - CLIENTS, 'every session went on');
  t.ok(most <= 2 * RATE_MAX, `${most} reconnects in a second`);
  if (JUDGED) t.ok(during <= 3 * before, `delivery p99 ${during} ms in the deploy, ${before} ms before`);
});
