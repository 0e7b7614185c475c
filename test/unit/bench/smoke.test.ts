import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import t from 'tap';

import { runBench } from '../../../build/bench/cli.js';
import { runLoad } from '../../../build/bench/lib/load.js';
import { LOAD, SERVERS } from '../../../build/bench/lib/paths.js';
import type { Run } from '../../../build/bench/lib/results.js';
import { Server } from '../../../build/bench/lib/server.js';

const lacking = existsSync(LOAD) ? false : `there is no ${LOAD}: run npm run build`;

async function withServer(role: string, use: (server: Server) => Promise<void>): Promise<void> {
  const server = await Server.start([process.execPath, `${SERVERS}ws.mjs`, role]);
  try {
    await use(server);
  } finally {
    await server.stop();
  }
}

t.test('the load generator checks ws', { skip: lacking }, async (t) => {
  // Long enough for the server's CPU time, which is counted in hundredths of a second, on a busy machine too.
  const short = ['--duration', '0.4', '--warmup', '0.05', '--deadline', '90'];
  await withServer('echo', async ({ url, pid }) => {
    for (const size of ['1', '64', '200', '70000']) {
      const load = ['echo', '--url', `${url}/`, '--connections', '3', '--depth', '3', '--size', size, '--server-pid', String(pid)];
      const result = await runLoad([...load, ...short], 100);
      t.ok((result.count ?? 0) > 0, `${result.count} replies of ${size} bytes`);
      t.ok((result.cpu?.server_s ?? 0) > 0, 'the server\'s CPU time was read');
      t.equal(result.latency?.count, result.count);
    }
    const rated = ['echo', '--url', `${url}/`, '--connections', '2', '--depth', '8', '--rate', '500', ...short];
    const rates: number[] = [];
    // A machine that stands still at the end of the time makes it fewer.
    while (rates.length < 5 && !rates.some((rate) => Math.abs(rate - 500) < 150)) rates.push((await runLoad(rated, 100)).per_second ?? 0);
    t.ok(Math.abs((rates.at(-1) ?? 0) - 500) < 150, `${rates.join(', ')} messages a second where 500 were asked for`);
    const opened = await runLoad(['connect', '--url', `${url}/`, '--connections', '4', ...short], 100);
    t.ok((opened.count ?? 0) > 0, `${opened.count} openings`);
  });
  await withServer('fanout', async ({ url }) => {
    const result = await runLoad(['fanout', '--url', `${url}/`, '--connections', '20', '--batch', '4', ...short], 100);
    t.ok((result.count ?? 0) > 0, `${result.count} deliveries`);
  });
});

t.test('the load generator refuses to believe', { skip: lacking }, async (t) => {
  await withServer('fanout', async ({ url }) => {
    // This server does not echo.
    await t.rejects(runLoad(['echo', '--url', `${url}/`, '--connections', '1', '--stall', '1', '--warmup', '0'], 30), /nothing arrived/);
  });
  await t.rejects(runLoad(['echo', '--url', 'ws://127.0.0.1:1/', '--connections', '1'], 30), /refused/);
  await t.rejects(runLoad(['echo', '--connections', '1'], 30), /--url/);
});

t.test('a smoke run over ws and Socket.IO', { skip: lacking }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-bench-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const json = join(folder, 'run.json');
  const html = join(folder, 'run.html');
  t.equal(await runBench(['compare', '--smoke', '--arms', 'ws,socket-io', '--json', json, '--html', html, '--quiet']), 0);
  const run = JSON.parse(readFileSync(json, 'utf8')) as Run;
  t.equal(run.rounds.length, run.cases.length * 2);
  for (const round of run.rounds) t.ok(Number.isFinite(round.value), `${round.case}: ${round.value}`);
  t.match(readFileSync(html, 'utf8'), /<\/html>/);
});

t.test('the gateway is churned and drained, and nothing is lost', { skip: lacking }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-bench-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const json = join(folder, 'run.json');
  for (const scenario of ['churn', 'drain']) {
    t.equal(await runBench([scenario, '--smoke', '--arms', 'sluice-epoll', '--json', json, '--quiet']), 0, scenario);
    const { rounds } = JSON.parse(readFileSync(json, 'utf8')) as Run;
    t.ok(rounds.length > 0 && rounds.every(({ value }) => value > 0), rounds.map((one) => `${one.case}: ${one.value}`).join(', '));
  }
});

t.test('bad arguments are status 2', async (t) => {
  t.equal(await runBench(['no-such-scenario']), 2);
  t.equal(await runBench(['echo', '--rounds', 'many']), 2);
  t.equal(await runBench(['echo', 'fanout']), 2);
});
