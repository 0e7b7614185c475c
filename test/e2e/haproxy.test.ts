/** docs/examples/haproxy.cfg in a real HAProxy: the agent check, and clients that find the gateway that is left. */
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { WebSocket } from 'ws';
import { freePort } from '../support/free-port.js';
import { CLI, runSluice, startSluice, type SluiceProcess } from '../support/sluice-process.js';
import { until } from '../support/wait.js';

t.setTimeout(590_000);

const missing = spawnSync('haproxy', ['-v']).status === 0 ? false : 'haproxy is not installed';
const CONFIG = join(CLI, '..', '..', 'docs', 'examples', 'haproxy.cfg');

/** The node that a new client is welcomed by, or why not. */
async function nodeBehind(url: string): Promise<string> {
  const socket = new WebSocket(url, 'sluice.v1');
  return new Promise((resolve) => {
    socket.on('error', (error) => resolve(error.message)).on('open', () => socket.send('{"op":"hello"}'));
    socket.on('close', (code) => resolve(`closed with ${code}`));
    socket.on('message', (data) => {
      socket.close();
      resolve(String((JSON.parse(String(data)) as { readonly node?: unknown }).node));
    });
  });
}

async function nodes(url: string, count: number): Promise<ReadonlySet<string>> {
  const found = new Set<string>();
  for (let i = 0; i < count; i += 1) found.add(await nodeBehind(url));
  return found;
}

t.test('a gateway that drains gets no more clients, and comes back', { skip: missing, timeout: 560_000 }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-haproxy-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const ports = { a: await freePort(), b: await freePort(), agentA: await freePort(), agentB: await freePort(), front: await freePort() };
  const begin = (name: 'a' | 'b', agent: number): Promise<SluiceProcess> => startSluice([
    'serve', '--listen', `127.0.0.1:${ports[name]}`, '--admin', '127.0.0.1:0', '--data', join(folder, name), '--node', name,
    '--agent', `127.0.0.1:${agent}`,
  ]);
  let a = await begin('a', ports.agentA);
  t.teardown(() => a.stop('SIGKILL'));
  const b = await begin('b', ports.agentB);
  t.teardown(() => b.stop('SIGKILL'));
  t.match(a.ready, new RegExp(` agent 127\\.0\\.0\\.1:${ports.agentA}$`));
  const env = {
    A: `127.0.0.1:${ports.a}`, B: `127.0.0.1:${ports.b}`, A_AGENT_PORT: String(ports.agentA), B_AGENT_PORT: String(ports.agentB),
    FRONT: `127.0.0.1:${ports.front}`,
  };
  const haproxy = spawn('haproxy', ['-db', '-f', CONFIG], { env: { ...process.env, ...env }, stdio: 'ignore', timeout: 555_000 });
  t.teardown(() => void haproxy.kill('SIGKILL'));
  const url = `ws://127.0.0.1:${ports.front}/v1`;
  const eventually = async (wanted: string, count: number): Promise<string> => {
    let seen = '';
    const look = async (): Promise<boolean> => (seen = [...(await nodes(url, count))].sort().join(' ')) === wanted;
    await until(`clients at ${wanted}`, look, 60_000, 100).catch(() => undefined);
    return seen;
  };
  t.equal(await eventually('a b', 6), 'a b', 'both take clients');
  t.equal((await runSluice(['drain', '--admin', a.admin, '--deadline', '10s'])).code, 0);
  t.equal(await eventually('b', 6), 'b', 'the drained one takes none');
  t.equal([...(await nodes(url, 30))].join(' '), 'b', 'and no client is refused');
  t.equal(await a.stop(), 0);
  t.equal([...(await nodes(url, 10))].join(' '), 'b');
  a = await begin('a', ports.agentA);
  t.equal(await eventually('a b', 6), 'a b', 'it is back');
});
