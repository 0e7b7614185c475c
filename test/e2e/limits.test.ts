/**
 * What a server bears without those who behave noticing: more clients than files, handshakes that never end, clients that never
 * read. SLUICE_CONNECTIONS sets how many connections fill the file limit (18,000 where this machine's limit allows it).
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { WebSocket } from 'ws';

import { createClient, type WebSocketConstructor } from '../../src/client/index.js';
import { Bystander } from '../support/bystander.js';
import { KERNEL_DRIVERS, lacking, type Driver } from '../support/drivers.js';
import { startLoad } from '../support/load.js';
import { startSluice } from '../support/sluice-process.js';
import { sleep } from '../support/wait.js';

const FILES = Number(execFileSync('bash', ['-c', 'ulimit -Hn'], { encoding: 'utf8' }).replace('unlimited', '1048576'));
const CONNECTIONS = Math.min(Number(process.env['SLUICE_CONNECTIONS'] ?? 18_000), FILES - 1000);
const MIB = 2 ** 20;

/**
 * A busy machine delays everybody, so the same server without the crowd is asked at the same time. The load generator itself, which
 * has one of two CPUs, is worth 10 ms.
 */
function unchanged(before: number, during: number, elsewhere: number): boolean {
  return during <= Math.max(before, elsewhere) * 2 + 10;
}

function residentBytes(pid: number | undefined): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024;
}

function told(before: number, during: number, elsewhere: number): string {
  return `${before.toFixed(1)} ms before, ${during.toFixed(1)} ms during, ${elsewhere.toFixed(1)} ms elsewhere`;
}

/** The same server with one client and no crowd. */
async function startControl(driver: Driver, t: Test): Promise<Bystander> {
  const server = await startSluice(['echo', '--driver', driver, '--listen', '127.0.0.1:0']);
  t.teardown(() => server.stop('SIGKILL'));
  const control = await Bystander.connect(server.url);
  t.teardown(() => control.close());
  return control;
}

t.setTimeout(300_000);

for (const driver of KERNEL_DRIVERS) {
  t.test(`${CONNECTIONS} connections on ${driver}: the next are refused and nobody else notices`, { skip: lacking(driver) }, async (t) => {
    const files = CONNECTIONS + 500;
    const under = ['prlimit', `--nofile=${files}:${files}`];
    const server = await startSluice(['echo', '--driver', driver, '--listen', '127.0.0.1:0'], { under });
    t.teardown(() => server.stop('SIGKILL'));
    const bystander = await Bystander.connect(server.url);
    const control = await startControl(driver, t);
    const crowd = startLoad(['idle', '--url', server.url, '--connections', String(CONNECTIONS), '--hold', '8'], 90);
    t.teardown(() => crowd.stop());
    await crowd.open;
    bystander.p99();
    await sleep(1000);
    const before = bystander.p99();
    control.p99();
    // They do not read, but are answered or refused all the same.
    const flood = startLoad(['neverread', '--url', server.url, '--connections', '3000', '--hold', '3'], 60);
    const { held, cut_off: cutOff } = await flood.result;
    const during = bystander.p99();
    const elsewhere = control.p99();
    t.comment(`p99 ${told(before, during, elsewhere)}; ${held} got in, ${cutOff} were refused`);
    t.ok(Number(held) > 0 && Number(held) < 500, 'as many get in as there are files');
    t.equal(Number(held) + Number(cutOff), 3000, 'everyone else is told at once instead of waiting in the backlog');
    t.ok(unchanged(before, during, elsewhere), `p99 ${told(before, during, elsewhere)}`);
    const { ok, open } = await crowd.result;
    t.same({ ok, open }, { ok: true, open: CONNECTIONS }, 'none of those connected was lost');
    t.equal(bystander.lost, null);
    const late = await Bystander.connect(server.url);
    t.equal(late.lost, null, 'there are files again');
    late.close();
    bystander.close();
  });

  t.test(`1,000 handshakes that never end on ${driver}`, { skip: lacking(driver) }, async (t) => {
    const server = await startSluice(['echo', '--driver', driver, '--listen', '127.0.0.1:0']);
    t.teardown(() => server.stop('SIGKILL'));
    const bystander = await Bystander.connect(server.url);
    const control = await startControl(driver, t);
    await sleep(1000);
    const before = bystander.p99();
    control.p99();
    const memory = residentBytes(server.child.pid);
    const slow = startLoad(['slowloris', '--url', server.url, '--connections', '1000', '--interval-ms', '100', '--hold', '6.5'], 60);
    const result = await slow.result;
    const during = bystander.p99();
    const elsewhere = control.p99();
    const grown = residentBytes(server.child.pid) - memory;
    t.comment(`p99 ${told(before, during, elsewhere)}; ${(grown / MIB).toFixed(1)} MiB more`);
    t.equal(result['cut_off'], 1000, 'all were cut off at the deadline');
    t.ok(Number(result['earliest_cut_s']) > 4.5, 'and not before');
    t.ok(unchanged(before, during, elsewhere), `p99 ${told(before, during, elsewhere)}`);
    t.ok(grown < 32 * MIB, `${grown} bytes more`);
    t.equal(bystander.lost, null);
    bystander.close();
  });

  t.test(`1,000 subscribers that never read on ${driver}`, { skip: lacking(driver) }, async (t) => {
    const data = mkdtempSync(join(tmpdir(), 'sluice-limits-'));
    t.teardown(() => rmSync(data, { recursive: true, force: true }));
    const budget = 64 * 1024;
    const config = join(data, 'config.json');
    writeFileSync(config, JSON.stringify({ limits: { sendBudgetBytes: budget } }));
    const where = ['--listen', '127.0.0.1:0', '--admin', '127.0.0.1:0', '--data', join(data, 'log'), '--publish-rate', '0'];
    const server = await startSluice(['serve', '--driver', driver, '--config', config, ...where]);
    t.teardown(() => server.stop('SIGKILL'));
    const url = server.url;
    const make = (): ReturnType<typeof createClient> => createClient({ url, WebSocket: WebSocket as unknown as WebSocketConstructor });
    const reader = make();
    const publisher = make();
    t.teardown(() => [reader, publisher].forEach((each) => each.close()));
    const seen: number[] = [];
    const subscription = reader.subscribe('load');
    subscription.on('message', ({ serverSeq }) => seen.push(serverSeq));
    await reader.connect();
    await subscription.ready;
    await publisher.connect();
    const session = ['--subprotocol', 'sluice.v1', '--channel', 'load'];
    const deaf = startLoad(['neverread', '--url', url, '--connections', '1000', '--hold', '30', ...session], 60);
    t.teardown(() => deaf.stop());
    await sleep(1500);
    const memory = residentBytes(server.child.pid);
    const times: Record<'load' | 'elsewhere', number[]> = { load: [], elsewhere: [] };
    const body = Buffer.alloc(8000, 'x').toString();
    const count = 600;
    for (let i = 0; i < count; i++) {
      for (const channel of ['load', 'elsewhere'] as const) {
        const begin = performance.now();
        await publisher.publish(channel, body);
        times[channel].push(performance.now() - begin);
      }
    }
    const grown = residentBytes(server.child.pid) - memory;
    const p99 = (each: number[]): number => each.sort((a, b) => a - b)[Math.floor(count * 0.99)] ?? 0;
    const [there, elsewhere] = [p99(times.load), p99(times.elsewhere)];
    t.comment(`p99 of a publish ${there} ms, ${elsewhere} ms where nobody listens; ${(grown / MIB).toFixed(1)} MiB more`);
    // The budgets are filled by the first eight messages, each of which is sent a thousand times.
    t.ok(there <= 2 * elsewhere + 25, `p99 ${there} ms, ${elsewhere} ms where nobody listens`);
    t.ok(grown < 1000 * budget * 2 + 64 * MIB, `${grown} bytes more, where the budgets are ${1000 * budget}`);
    for (let i = 0; i < 200 && seen.length < count; i++) await sleep(25);
    t.same(seen, Array.from({ length: count }, (_, i) => i + 1), 'who reads has got every message once, in order');
  });
}
