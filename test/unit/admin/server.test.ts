import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { startAgentCheck } from '../../../src/admin/agent-check.js';
import { buildAdmin, prepareAdmin, type AdminOptions, type AdminServer } from '../../../src/admin/server.js';
import { FakeBackend } from '../../support/fake-backend.js';
import type { FastifyInstance } from 'fastify';

const TOKEN = 'a-token-of-the-tests';
const AUTH = { authorization: `Bearer ${TOKEN}` };

interface Setup {
  readonly backend: FakeBackend;
  readonly server: FastifyInstance;
}

function setup(t: { teardown(callback: () => unknown): void }, options: Partial<AdminOptions> = {}): Setup {
  const backend = new FakeBackend();
  const server = buildAdmin(backend, { gatewayUrl: 'ws://127.0.0.1:9000/v1', token: TOKEN, dataFolder: '/nonexistent', ...options });
  t.teardown(() => server.close());
  return { backend, server };
}

async function startAdmin(options: AdminOptions): Promise<AdminServer> {
  return (await prepareAdmin(options)).open(new FakeBackend());
}

t.test('health and readiness', async (t) => {
  const { backend, server } = setup(t);
  t.same((await server.inject('/healthz')).json(), { status: 'serving' });
  t.same((await server.inject('/readyz')).json(), { status: 'ready' });
  backend.reason = 'the disk is full: /data';
  const notReady = await server.inject('/readyz');
  t.equal(notReady.statusCode, 503);
  t.same(notReady.json(), { status: 'not ready', reason: 'the disk is full: /data' });
  t.equal((await server.inject('/healthz')).statusCode, 200, 'a full disk is no reason to be killed');
  backend.reason = null;
  backend.health = 'draining';
  t.same((await server.inject('/readyz')).json(), { status: 'not ready', reason: 'draining' });
  t.same((await server.inject('/healthz')).json(), { status: 'draining' });
});

t.test('metrics', async (t) => {
  const { backend, server } = setup(t);
  backend.onCommit?.(10, 0.003, 0.004);
  const lines = (await server.inject('/metrics')).body.split('\n');
  for (const line of [
    'sluice_connections 3',
    'sluice_messages_in_total 10',
    'sluice_messages_out_total 20',
    'sluice_bytes_in_total 1000',
    'sluice_bytes_out_total 2000',
    'sluice_ring_used{ring="event"} 7',
    'sluice_ring_capacity{ring="command"} 2048',
    'sluice_log_damaged_total 2',
    'sluice_history_damaged_total 3',
    'sluice_drops_total{reason="rate_limited"} 2',
    'sluice_commit_seconds_bucket{le="0.005"} 1',
    'sluice_commit_seconds_bucket{le="0.002"} 0',
    'sluice_publish_ack_seconds_count 1',
    'sluice_commit_batch_sum 10',
    'sluice_native{counter="messages_in"} 10',
    'sluice_memory_bytes{part="rows"} 256',
  ])
    t.ok(lines.includes(line), line);
  const named = lines.filter((line) => line !== '' && !line.startsWith('#'));
  t.ok(named.every((line) => line.startsWith('sluice_')), 'all names have the prefix');
  t.ok(named.some((line) => line.startsWith('sluice_nodejs_eventloop_lag')));
  const types = lines.flatMap((line) => [/^# TYPE (\S+) (\S+)$/.exec(line)?.slice(1) ?? []]).filter(({ length }) => length === 2);
  t.ok(types.length > 40);
  const misnamed = types.filter(([name, type]) => name?.endsWith('_total') !== (type === 'counter'));
  t.same(misnamed, [], 'counters, and nothing else, end in _total');
  backend.counters = { ...backend.counters, messages_in: 25 };
  t.match((await server.inject('/metrics')).body, /^sluice_messages_in_total 25$/m, 'totals follow the gateway');
});

t.test('stats have the recent acknowledgement latency', async (t) => {
  const { backend, server } = setup(t);
  t.match((await server.inject('/stats')).json(), { node: 'n1', ready: true, ack_seconds: { p50: null, p99: null } });
  for (let i = 0; i < 99; i += 1) backend.onCommit?.(1, 0.001, 0.001);
  backend.onCommit?.(2, 0.1, 0.1);
  const { ack_seconds: ack } = (await server.inject('/stats')).json();
  t.ok(ack.p50 >= 0.001 && ack.p50 < 0.0012, `p50 ${ack.p50}`);
  t.ok(ack.p99 >= 0.1 && ack.p99 < 0.12, `p99 ${ack.p99}`);
});

t.test('the API needs the token', async (t) => {
  const { backend, server } = setup(t);
  const wrong = ['', 'Bearer', 'Bearer ', 'Bearer wrong', TOKEN, `Basic ${TOKEN}`, `Bearer ${TOKEN}x`, `Bearer ${TOKEN} x`];
  for (const authorization of wrong) {
    const response = await server.inject({
      method: 'POST',
      url: '/api/publish',
      headers: { authorization },
      payload: { channel: 'a', body: 'b' },
    });
    t.equal(response.statusCode, 401, JSON.stringify(authorization));
    t.match(response.json(), { code: 'SLUICE_ADMIN_TOKEN', name: String, message: String, remedy: /admin-token/ });
  }
  for (const url of ['/api/history?channel=a', '/api/presence?channel=a', '/api/nothing']) {
    t.equal((await server.inject(url)).statusCode, url === '/api/nothing' ? 404 : 401, url);
  }
  t.same(backend.calls, []);
});

t.test('publish', async (t) => {
  const { backend, server } = setup(t);
  const publish = (payload: object) => server.inject({ method: 'POST', url: '/api/publish', headers: AUTH, payload });
  const response = await publish({ channel: 'room', body: 'hello', from: 'bot', key: 'k1' });
  t.equal(response.statusCode, 200);
  t.same(response.json(), { msg_id: '9', server_seq: 1, server_ts: 2, lamport: 3, duplicate: false });
  t.same(backend.calls.pop()?.args, ['room', 'bot', 'k1', 'hello']);
  await publish({ channel: 'room', body: 'AAH/', encoding: 'base64' });
  const [, from, key, body] = backend.calls.pop()?.args ?? [];
  t.equal(from, 'admin');
  t.match(key, /^[0-9a-f-]{36}$/);
  t.same(body, Buffer.from([0, 1, 255]));
});

t.test('bad input is refused with what is wrong', async (t) => {
  const { backend, server } = setup(t);
  for (const payload of [
    {}, { channel: '', body: 'x' }, { channel: 'a' }, { channel: 'a', body: 'x', colour: 1 }, { channel: 'a'.repeat(256), body: 'x' },
    { channel: 'a', body: null }, { channel: 'a', body: 5 }, { channel: 5, body: 'x' },
    { channel: 'a', body: '!!', encoding: 'base64' }, { channel: 'a', body: 'x', encoding: 'latin1' },
  ]) {
    const response = await server.inject({ method: 'POST', url: '/api/publish', headers: AUTH, payload });
    t.equal(response.statusCode, 400, JSON.stringify(payload).slice(0, 60));
    t.match(response.json(), { code: 'SLUICE_INVALID', name: 'InvalidError', message: String, remedy: String });
  }
  for (const url of [
    '/api/history',
    '/api/history?channel=a&limit=0',
    '/api/history?channel=a&limit=x',
    '/api/history?channel=a&limit=1001',
    '/api/history?channel=a&before=-1',
    '/api/history?channel=a&before=1&after=2',
  ]) {
    t.equal((await server.inject({ url, headers: AUTH })).statusCode, 400, url);
  }
  for (const code of [999, 1005, 1006, 1015, 2000, 5000]) {
    const response = await server.inject({ method: 'POST', url: '/api/disconnect', headers: AUTH, payload: { user: 'ada', code } });
    t.equal(response.statusCode, 400, String(code));
  }
  const text = await server.inject({
    method: 'POST',
    url: '/api/publish',
    headers: { ...AUTH, 'content-type': 'application/json' },
    payload: '{',
  });
  t.match(text.json(), { code: 'SLUICE_INVALID' });
  const big = await server.inject({
    method: 'POST',
    url: '/api/publish',
    headers: AUTH,
    payload: { channel: 'a', body: 'x'.repeat(2 ** 20) },
  });
  t.equal(big.statusCode, 413);
  t.same(backend.calls, []);
});

t.test('errors of the gateway keep their code and remedy', async (t) => {
  const { server } = setup(t);
  const publish = (channel: string) =>
    server.inject({ method: 'POST', url: '/api/publish', headers: AUTH, payload: { channel, body: 'x' } });
  const busy = await publish('busy');
  t.equal(busy.statusCode, 429);
  t.equal(busy.headers['retry-after'], '2');
  t.match(busy.json(), { code: 'SLUICE_RATE_LIMITED', name: 'RateLimitedError', message: '50 a second', remedy: String });
  const full = await publish('full');
  t.equal(full.statusCode, 500);
  t.match(full.json(), { code: 'SLUICE_STORE', message: /ENOSPC/ });
  const broken = await publish('broken');
  t.equal(broken.statusCode, 500);
  t.notMatch(broken.body, /secret/);
  t.match(broken.json(), { code: 'SLUICE_INTERNAL' });
});

t.test('history, presence, disconnect', async (t) => {
  const { backend, server } = setup(t);
  const history = await server.inject({ url: '/api/history?channel=a%2Fb&before=7', headers: AUTH });
  t.match(history.json(), { epoch: 'e1', server_seq: 1, messages: [{ body: 'hi' }] });
  t.same(backend.calls.pop()?.args, ['a/b', { before: 7, limit: 50 }]);
  t.same((await server.inject({ url: '/api/presence?channel=a', headers: AUTH })).json(), { count: 1, members: ['ada'] });
  const disconnect = await server.inject({ method: 'POST', url: '/api/disconnect', headers: AUTH, payload: { user: 'ada' } });
  t.same(disconnect.json(), { disconnected: 2 });
  t.same(backend.calls.pop()?.args, ['ada', 4003, 'disconnected by an operator']);
});

t.test('names in Host that a stranger could point here are refused', async (t) => {
  const { server } = setup(t, { allowedHosts: ['Admin.Example'] });
  for (const host of ['127.0.0.1:9090', '127.0.0.1', '[::1]:9090', 'localhost:9090', 'LOCALHOST', '10.1.2.3', 'admin.example:9090']) {
    t.equal((await server.inject({ url: '/stats', headers: { host } })).statusCode, 200, host);
  }
  for (const host of [
    'evil.example',
    'evil.example:9090',
    '127.0.0.1.evil.example',
    'localhost.evil.example',
    'localhost@evil',
    'a b',
    '[::1',
  ]) {
    const response = await server.inject({ url: '/stats', headers: { host } });
    t.equal(response.statusCode, 403, JSON.stringify(host));
    t.match(response.json(), { code: 'SLUICE_ADMIN_HOST', remedy: String });
  }
});

t.test('the page and the client, with a strict policy', async (t) => {
  const { server } = setup(t);
  const page = await server.inject({ url: '/?channel=a', headers: { host: 'localhost:9090' } });
  t.equal(page.statusCode, 200);
  t.match(page.headers['content-type'], /^text\/html/);
  const policy = String(page.headers['content-security-policy']);
  t.match(policy, /default-src 'none'/);
  t.match(policy, /connect-src 'self' ws:\/\/localhost:9000(;|$)/);
  t.notMatch(policy, /unsafe/);
  t.notMatch(page.body, /https?:\/\//, 'nothing from elsewhere');
  for (const [, url = ''] of page.body.matchAll(/(?:src|href)="([^"]+)"/g)) t.equal((await server.inject(url)).statusCode, 200, url);
  // Every import of the page, followed as a browser does.
  const todo = ['/admin/page/main.js'];
  const loaded = new Set(todo);
  for (let url = todo.pop(); url !== undefined; url = todo.pop()) {
    const script = await server.inject(url);
    t.match(script.headers['content-type'], /^text\/javascript/, url);
    for (const [, name = ''] of script.body.matchAll(/^(?:import|export)[^;]*? from '([^']+)'/gm)) {
      const next = new URL(name, `http://x${url}`).pathname;
      if (!loaded.has(next)) todo.push(next);
      loaded.add(next);
    }
  }
  t.ok(loaded.has('/client/connection.js'));
});

t.test('the page is told the gateway under the name that it was reached by', async (t) => {
  const { server } = setup(t);
  for (const [host, url] of [
    ['localhost:9090', 'ws://localhost:9000/v1'], ['127.0.0.1:9090', 'ws://127.0.0.1:9000/v1'], ['[::1]:9090', 'ws://[::1]:9000/v1'],
  ] as const) {
    t.same((await server.inject({ url: '/page-config.json', headers: { host } })).json(), { gateway_url: url, node: 'n1' });
  }
});

t.test('the page is told the gateway as it is where its address is not one of this machine', async (t) => {
  const { server } = setup(t, { gatewayUrl: 'ws://10.9.0.1:9000/v1', gatewayApart: true });
  const headers = { host: '127.0.0.1:9090' };
  t.same((await server.inject({ url: '/page-config.json', headers })).json(), { gateway_url: 'ws://10.9.0.1:9000/v1', node: 'n1' });
  const page = await server.inject({ url: '/', headers });
  t.match(String(page.headers['content-security-policy']), /connect-src 'self' ws:\/\/10\.9\.0\.1:9000/);
});

t.test('unknown paths', async (t) => {
  const { server } = setup(t);
  const response = await server.inject('/nothing?token=secret');
  t.equal(response.statusCode, 404);
  t.notMatch(response.body, /secret/);
  for (const url of ['/client/../../package.json', '/admin/page/%2e%2e/server.js', '/client/types.ts']) {
    t.equal((await server.inject(url)).statusCode, 404, url);
  }
});

t.test('the token is made once and kept with mode 0600', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-admin-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const started = await startAdmin({ port: 0, gatewayUrl: 'ws://127.0.0.1:9000', token: null, dataFolder: folder });
  t.match(started.url, /^http:\/\/127\.0\.0\.1:\d+$/);
  const path = join(folder, 'admin-token');
  const token = readFileSync(path, 'utf8').trim();
  t.match(token, /^[\w-]{43}$/);
  t.equal(statSync(path).mode & 0o777, 0o600);
  const answer = await fetch(`${started.url}/api/presence?channel=a`, { headers: { authorization: `Bearer ${token}` } });
  t.equal(answer.status, 200);
  await started.close();
  const again = await startAdmin({ port: 0, gatewayUrl: 'ws://127.0.0.1:9000', dataFolder: folder });
  await again.close();
  t.equal(readFileSync(path, 'utf8').trim(), token);
  writeFileSync(path, 'short\n');
  await t.rejects(startAdmin({ port: 0, gatewayUrl: 'ws://127.0.0.1:9000', dataFolder: folder }), {
    code: 'SLUICE_DATA_FOLDER', path, remedy: /Delete/,
  });
  writeFileSync(path, Buffer.alloc(44));
  await t.rejects(startAdmin({ port: 0, gatewayUrl: 'ws://127.0.0.1:9000', dataFolder: folder }), {
    code: 'SLUICE_DATA_FOLDER', path, message: /header/, remedy: /Delete/,
  });
});

t.test('a port that is taken and a folder that cannot be written are said with their names', async (t) => {
  const options = { gatewayUrl: 'ws://127.0.0.1:9000', token: TOKEN, dataFolder: '/nonexistent' };
  const first = await startAdmin({ ...options, port: 0 });
  t.teardown(() => first.close());
  const port = Number(new URL(first.url).port);
  await t.rejects(startAdmin({ ...options, port }), { code: 'SLUICE_LISTEN', message: /EADDRINUSE/ });
  await t.rejects(startAdmin({ ...options, token: null, dataFolder: '/proc/nothing' }), { code: 'SLUICE_DATA_FOLDER' });
});

t.test('drain: begun with the token, told to who has it', async (t) => {
  const { backend, server } = setup(t);
  t.equal((await server.inject({ method: 'POST', url: '/api/drain' })).statusCode, 401);
  const payload = { deadline_ms: 5000, target: 'wss://b/v1' };
  const begun = await server.inject({ method: 'POST', url: '/api/drain', headers: AUTH, payload });
  t.equal(begun.statusCode, 202);
  t.match(begun.json(), { state: 'draining', initial: 3 });
  t.same(backend.calls, [{ method: 'startDrain', args: [5000, 'wss://b/v1'] }]);
  t.match((await server.inject({ url: '/api/drain', headers: AUTH })).json(), { state: 'draining' });
  for (const payload of [{ deadline_ms: -1 }, { deadline_ms: 'soon' }, { target: 'http://b' }, { deadline: 5 }]) {
    t.equal((await server.inject({ method: 'POST', url: '/api/drain', headers: AUTH, payload })).statusCode, 400, JSON.stringify(payload));
  }
  t.match(await (await server.inject('/metrics')).body, /sluice_drain_state 1\n/);
  backend.calls.length = 0;
  t.equal((await server.inject({ method: 'POST', url: '/api/drain', headers: AUTH })).statusCode, 202, 'without a body');
  t.same(backend.calls, [{ method: 'startDrain', args: [null, null] }]);
});

t.test('load is one number; the token is named by its file only where it has one', async (t) => {
  const { server } = setup(t);
  t.same((await server.inject('/load')).json(), { load: 0.25 });
  t.equal((await server.inject('/stats')).json().token_file, null);
  const folder = mkdtempSync(join(tmpdir(), 'sluice-admin-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const stored = setup(t, { token: null, dataFolder: folder });
  const file: string = (await stored.server.inject('/stats')).json().token_file;
  t.ok(readFileSync(file, 'utf8').trim().length >= 16);
});

t.test('the agent check says drain, or how much is free', async (t) => {
  const backend = new FakeBackend();
  const agent = await startAgentCheck(backend, { host: '127.0.0.1', port: 0 });
  t.teardown(() => agent.close());
  const ask = async (): Promise<string> => {
    const socket = connect(Number(agent.address.split(':').at(-1)), '127.0.0.1');
    let line = '';
    for await (const chunk of socket) line += String(chunk);
    return line;
  };
  t.equal(await ask(), 'ready up 75%\n');
  backend.load = 1;
  t.equal(await ask(), 'ready up 1%\n');
  backend.reason = 'the disk is full';
  t.equal(await ask(), 'drain\n');
  backend.reason = null;
  backend.health = 'draining';
  t.equal(await ask(), 'drain\n');
  const taken = { host: '127.0.0.1', port: Number(agent.address.split(':').at(-1)) };
  await t.rejects(startAgentCheck(backend, taken), { code: 'SLUICE_LISTEN' });
});
