/**
 * Clients whose network breaks all the time, and a gateway that is killed: each application message once and in order, at everybody.
 * SLUICE_FLAKY_SECONDS and SLUICE_FLAKY_CLIENTS set how long and how many (10 and 60 by default; the full run is 1800 and 5000).
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { startFlakyProxy } from '../support/flaky-proxy.js';
import { freePort } from '../support/free-port.js';
import { expectToLast } from '../support/lifetime.js';
import { startSluice, type SluiceProcess } from '../support/sluice-process.js';
import { startTraffic } from '../support/traffic-process.js';
import { percentile, Traffic } from '../support/traffic.js';
import { sleep } from '../support/wait.js';

const SECONDS = Number(process.env['SLUICE_FLAKY_SECONDS'] ?? 10);
const CLIENTS = Number(process.env['SLUICE_FLAKY_CLIENTS'] ?? 60);
/** Many clients each break and publish less often, so that the machine bears it; only then the time of an answer says something. */
const JUDGED = CLIENTS >= 1000;
const LIFE_MS = JUDGED ? 8000 : 2000;
const PAUSE_MS = JUDGED ? 20_000 : 200;
const PROCESSES = JUDGED ? 4 : 1;
const RESUME_MS = 50;

t.setTimeout(SECONDS * 2000 + 240_000);
expectToLast(SECONDS * 1000 + 180_000);

function folder(t: Test): string {
  const data = mkdtempSync(join(tmpdir(), 'sluice-flaky-'));
  t.teardown(() => rmSync(data, { recursive: true, force: true }));
  return data;
}

t.test('a network that breaks every few seconds', { timeout: SECONDS * 1000 + 180_000 }, async (t) => {
  const server = await startSluice(['serve', '--listen', '127.0.0.1:0', '--admin', '127.0.0.1:0', '--data', folder(t)]);
  t.teardown(() => server.stop('SIGKILL'));
  const { hostname, port } = new URL(server.url);
  const proxy = await startFlakyProxy({ host: hostname, port: Number(port) }, LIFE_MS);
  t.teardown(() => proxy.close());
  const url = `ws://127.0.0.1:${proxy.port}`;
  const channels = Math.ceil(CLIENTS / 10);
  const traffic = await startTraffic({ url, clients: CLIENTS, channels, pauseMs: PAUSE_MS, processes: PROCESSES });
  t.teardown(() => traffic.kill());
  const began = Date.now();
  await sleep(SECONDS * 1000);
  proxy.calm();
  const { problems, opens, resumes, resumed, acknowledged } = await traffic.finish();
  // Not while the clients of the first hour are still being started.
  const resumeMs = resumed.filter(({ at }) => at >= began).map(({ ms }) => ms);
  const [p50, p99] = [0.5, 0.99].map((share) => percentile(resumeMs, share).toFixed(1));
  t.comment(`${proxy.cuts} cuts, ${resumes} of ${opens} connections resumed, from hello to welcome p50 ${p50} p99 ${p99} ms`);
  t.comment(`${acknowledged} publishes`);
  t.same(problems, []);
  t.ok(proxy.cuts > CLIENTS);
  t.ok(resumes > opens * 0.5, 'sessions go on');
  t.ok(resumeMs.length > opens * 0.5, 'answers were measured');
  if (JUDGED) t.ok(percentile(resumeMs, 0.99) < RESUME_MS, `answers to those who resume: p99 ${p99} ms`);
});

t.test('a gateway that is killed and started again', { timeout: 560_000 }, async (t) => {
  const config = ['serve', '--data', folder(t), '--admin', '127.0.0.1:0'];
  const listen = `127.0.0.1:${await freePort()}`;
  let server: SluiceProcess = await startSluice([...config, '--listen', listen]);
  t.teardown(() => server.stop('SIGKILL'));
  const traffic = new Traffic({ url: () => server.url, clients: 40, channels: 4, pauseMs: 50 });
  await traffic.start();
  for (let round = 0; round < 4; round += 1) {
    await sleep(500 + Math.random() * 500);
    await server.stop('SIGKILL');
    server = await startSluice([...config, '--listen', listen]);
  }
  await sleep(1000);
  const problems = await traffic.finish();
  t.comment(`${traffic.resumes} of ${traffic.opens} connections resumed, ${traffic.acknowledged} publishes`);
  t.same(problems, []);
  t.ok(traffic.resumes > 40, 'sessions outlive the process');
});
