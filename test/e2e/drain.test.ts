/** `sluice drain` and SIGTERM on a real process, and what Kubernetes runs. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { WebSocket } from 'ws';
import { CLI, runSluice, startSluice, type SluiceProcess } from '../support/sluice-process.js';
import { binFolder, runShell } from '../support/shell.js';
import { until } from '../support/wait.js';

t.setTimeout(590_000);

interface Peer {
  readonly socket: WebSocket;
  readonly headers: Record<string, unknown>[];
  readonly closed: Promise<number>;
}

async function start(t: Test, ...more: string[]): Promise<SluiceProcess> {
  const data = mkdtempSync(join(tmpdir(), 'sluice-drain-'));
  const server = await startSluice(['serve', '--listen', '127.0.0.1:0', '--admin', '127.0.0.1:0', '--data', data, ...more]);
  t.teardown(async () => {
    await server.stop('SIGKILL');
    rmSync(data, { recursive: true, force: true });
  });
  return server;
}

async function open(url: string): Promise<Peer> {
  const socket = new WebSocket(url, 'sluice.v1', { perMessageDeflate: false });
  const headers: Record<string, unknown>[] = [];
  socket.on('message', (data) => headers.push(JSON.parse(String(data).split('\n')[0] ?? '') as Record<string, unknown>));
  const closed = new Promise<number>((resolve) => socket.on('close', resolve));
  await new Promise<void>((resolve, reject) => socket.once('open', () => resolve()).once('error', reject));
  socket.send('{"op":"hello"}');
  while (headers.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  return { socket, headers, closed };
}

t.test('sluice drain lets clients go and waits for it', { timeout: 560_000 }, async (t) => {
  const server = await start(t);
  const peers = await Promise.all(Array.from({ length: 30 }, () => open(server.url)));
  const drain = runSluice(['drain', '--admin', server.admin, '--deadline', '20s', '--target', 'ws://127.0.0.1:1/v1']);
  for (const { headers, closed } of peers) {
    t.equal(await closed, 1012, 'it did not go by itself');
    const notice = headers.find(({ op }) => op === 'drain');
    t.match(notice, { deadline_ms: Number, reconnect_in_ms: Number, target: 'ws://127.0.0.1:1/v1', reason: String });
  }
  const refused = await new Promise((resolve) => {
    new WebSocket(server.url, 'sluice.v1').on('unexpected-response', (_request, response) => resolve(response)).on('error', resolve);
  });
  t.match(refused, { statusCode: 503, headers: { 'retry-after': '1' } });
  const { code, out } = await drain;
  t.equal(code, 0);
  t.match(out, /drained: 0 of 30 connections left, 30 closed\n$/);
  const metrics = await (await fetch(`${server.admin}metrics`)).text();
  t.match(metrics, /sluice_drain_state 3\n/);
  t.match(metrics, /sluice_drain_forced_total 30\n/);
  t.equal((await fetch(`${server.admin}readyz`)).status, 503);
  t.equal(await server.stop(), 0, 'and then it stops');
});

t.test('SIGTERM drains, a later one ends it at once', { timeout: 560_000 }, async (t) => {
  const server = await start(t);
  const peer = await open(server.url);
  const began = performance.now();
  t.equal(await server.stop(), 0);
  t.equal(await peer.closed, 1012);
  t.ok(peer.headers.some(({ op }) => op === 'drain'));
  t.ok(performance.now() - began < 30_000, 'long before the deadline of a drain, which is a minute');
  const other = await start(t);
  await open(other.url);
  other.child.kill('SIGTERM');
  await until('the first one is obeyed', async () => (await fetch(`${other.admin}readyz`)).status === 503);
  // Within a second it would be the first one again.
  await new Promise((resolve) => setTimeout(resolve, 1100));
  t.equal(await other.stop('SIGTERM'), 1);
});

t.test('what cannot be done is said', { timeout: 560_000 }, async (t) => {
  const server = await start(t);
  const cases: readonly (readonly [string[], number, RegExp])[] = [
    [['--admin', '127.0.0.1:1'], 1, /nothing answers at/],
    [['--admin', server.admin, '--token', 'wrong-wrong-wrong-wrong'], 1, /does not accept the admin token/],
    [['--admin', server.admin, '--deadline', 'soon'], 2, /--deadline: expected a duration/],
    [['--admin', server.admin, '--target', 'http://x'], 2, /--target: expected a ws: or wss: URL/],
    [['--nonsense'], 2, /nonsense/],
  ];
  for (const [args, code, message] of cases) {
    const result = await runSluice(['drain', ...args]);
    t.equal(result.code, code, args.join(' '));
    t.match(result.err, message);
  }
  t.equal((await fetch(`${server.admin}readyz`)).status, 200, 'and nothing was drained');
});

t.test('the preStop hook of docs/examples/kubernetes.yaml', { timeout: 560_000 }, async (t) => {
  const yaml = readFileSync(join(CLI, '..', '..', 'docs', 'examples', 'kubernetes.yaml'), 'utf8');
  const command = JSON.parse(/command: (\[.*\])/.exec(yaml)?.[1] ?? '') as string[];
  t.same(command.slice(0, 2), ['sluice', 'drain']);
  const grace = Number(/terminationGracePeriodSeconds: (\d+)/.exec(yaml)?.[1]);
  t.ok(grace > Number.parseInt(command.at(-1) ?? '', 10), 'the pod lives longer than the drain');
  const server = await start(t);
  const peer = await open(server.url);
  const folder = mkdtempSync(join(tmpdir(), 'sluice-hook-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  // In the pod the admin server is on its default address.
  const hook = [...command, '--admin', server.admin].map((word) => `'${word}'`).join(' ');
  t.match(await runShell(hook, folder, binFolder(folder), {}, 30_000), { code: 0, out: /drained: 0 of 1/ });
  t.equal(await peer.closed, 1012);
});
