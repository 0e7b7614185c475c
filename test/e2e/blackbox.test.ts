/**
 * Our own TCP/IP seen from outside, by a peer that is no TCP but frames as each check wants them (test/blackbox/, a file for each part of
 * the RFCs), over a TAP device, IPv4 and IPv6. SLUICE_BLACKBOX takes part of a check's name.
 */
import '../support/own-namespace.js';

import { execFileSync, spawn } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';

import { lacking, linkArgs, makeLink, type Link } from '../support/drivers.js';
import { projectRoot, startSluice } from '../support/sluice-process.js';

const PYTHON = existsSync('/usr/bin/python3') ? '/usr/bin/python3' : 'python3';
const SUITE = join(projectRoot(), 'test', 'blackbox', 'run.py');
/** Of some 25 s. */
const DEADLINE_MS = 270_000;
t.setTimeout(DEADLINE_MS + 20_000);

/** The kernel has no address on its end, or it would answer as well. */
function silenceKernel({ device }: Link): void {
  const ipv6 = `/proc/sys/net/ipv6/conf/${device}/disable_ipv6`;
  if (existsSync(ipv6)) writeFileSync(ipv6, '1');
  execFileSync('ip', ['link', 'set', device, 'up']);
}

/** Every line that the suite says; it is ended where it goes on for too long. */
async function examine({ device, peer, peer6, own, own6 }: Link, pid: number, part: string): Promise<readonly string[]> {
  const args = ['-B', SUITE, device, peer, peer6, own, own6, String(pid), part];
  const child = spawn(PYTHON, args, { stdio: ['ignore', 'pipe', 'inherit'], timeout: DEADLINE_MS, killSignal: 'SIGKILL' });
  let out = '';
  child.stdout.on('data', (chunk: Buffer) => (out += String(chunk)));
  await new Promise<void>((resolve, reject) => {
    child.once('close', () => resolve());
    child.once('error', reject);
  });
  return out.split('\n').filter((line) => line !== '');
}

t.test('seen from outside', { skip: lacking('dpdk on tap') }, async (t) => {
  const link = await makeLink('dpdk on tap');
  const server = await startSluice(['echo', ...linkArgs(link, 9000), '--max-message', '65535']);
  t.teardown(() => server.stop('SIGKILL'));
  silenceKernel(link);
  const lines = await examine(link, server.child.pid ?? 0, process.env['SLUICE_BLACKBOX'] ?? '');
  for (const line of lines) {
    const [, not, name = '', why] = /^(not )?ok (\S+ IPv[46])(?:: (.*))?$/.exec(line) ?? [];
    if (name !== '') await t.test(name, async (t) => t.ok(not === undefined, why ?? 'as the RFCs have it'));
  }
  await t.test('the suite came to its end', async (t) => t.equal(lines.at(-1), 'done', `behind ${lines.at(-2) ?? 'nothing'}`));
  await t.test('the server lived on until it was stopped', async (t) => {
    const { child } = server;
    if (child.exitCode === null && child.signalCode === null) await new Promise((resolve) => child.once('exit', resolve));
    t.equal(child.exitCode, 0);
  });
});
