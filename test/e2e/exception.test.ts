/**
 * The exception path: the kernel behind the port keeps its own services there while Sluice serves on it. Sluice and that kernel are in a
 * network namespace of their own; the clients are in the test's, at the other end of a veth.
 */
import '../support/own-namespace.js';

import { execFileSync, spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { existsSync, readlinkSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import t, { type Test } from 'tap';
import { WebSocket } from 'ws';

import { connectLink, lacking, linkArgs, makeLink, type Link } from '../support/drivers.js';
import { pingsAnswered } from '../support/ping.js';
import { runSluice, startSluice } from '../support/sluice-process.js';

t.setTimeout(590_000);

const LIFETIME_SECONDS = 580;
const PINGS = 5;
const skip = lacking('dpdk on af_xdp') || (!existsSync('/dev/net/tun') && 'there is no /dev/net/tun');

/** The machine that Sluice runs on: a namespace that lives until stop(). */
class Machine {
  readonly #holder: ChildProcess;

  constructor() {
    this.#holder = spawn('unshare', ['--net', 'sleep', String(LIFETIME_SECONDS)], { stdio: 'ignore' });
    process.once('exit', () => this.stop());
  }

  /** The holder begins in the test's namespace. */
  async ready(): Promise<this> {
    const own = readlinkSync('/proc/self/ns/net');
    const theirs = (): string => (existsSync(`/proc/${this.#holder.pid}/ns/net`) ? readlinkSync(`/proc/${this.#holder.pid}/ns/net`) : own);
    while (theirs() === own) await new Promise((resolve) => setTimeout(resolve, 10));
    this.run('ip', 'link', 'set', 'lo', 'up');
    return this;
  }

  get pid(): number {
    return this.#holder.pid ?? 0;
  }

  /** What runs a program on this machine. */
  get enter(): readonly string[] {
    return ['nsenter', `--net=/proc/${this.pid}/ns/net`];
  }

  run(...command: readonly string[]): string {
    const [program = '', ...args] = [...this.enter, ...command];
    return execFileSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], timeout: 60_000 });
  }

  stop(): void {
    this.#holder.kill('SIGKILL');
  }
}

/** Gives the machine Sluice's end of the link. */
function moveLink(link: Link, machine: Machine): void {
  const own = /iface=(\w+)/.exec(link.eal)?.[1] ?? '';
  execFileSync('ip', ['link', 'set', own, 'netns', String(machine.pid)]);
  machine.run('ip', 'link', 'set', own, 'addrgenmode', 'none', 'up');
}

/** A TCP server on the machine's own kernel, which says what it is and then gives back what it is sent. */
async function startKernelServer(machine: Machine, port: number): Promise<ChildProcess> {
  const script = `require('net').createServer((socket) => { socket.write('kernel '); socket.pipe(socket); socket.on('error', () => {}); })
    .listen(${port}, '::', () => console.log('listening'))`;
  const [program = '', ...args] = [...machine.enter, process.execPath, '-e', script];
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  await new Promise((resolve) => child.stdout.once('data', resolve));
  return child;
}

/** What comes back over a connection of the kernel's when `text` is sent. */
async function talk(host: string, port: number, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, host, () => socket.end(text));
    let got = '';
    socket.setEncoding('utf8').on('data', (data: string) => (got += data));
    socket.once('end', () => resolve(got)).once('error', reject);
  });
}

async function echo(url: string, text: string): Promise<string> {
  const socket = new WebSocket(url);
  const got = await new Promise<string>((resolve, reject) => {
    socket.once('open', () => socket.send(text));
    socket.once('message', (data: Buffer) => resolve(String(data)));
    socket.once('error', reject);
  });
  socket.terminate();
  return got;
}

async function refusal(host: string, port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    connect(port, host).once('error', (error: NodeJS.ErrnoException) => resolve(error.code));
  });
}

for (const cores of [1, 2]) {
  t.test(`the kernel behind a port of ${cores} core(s)`, { skip }, async (t) => {
    const machine = await new Machine().ready();
    t.teardown(() => machine.stop());
    const link = await makeLink('dpdk on af_xdp');
    moveLink(link, machine);
    const args = ['echo', ...linkArgs(link, 9000), '--cores', String(cores), '--packets', '8192', '--exception', 'tap'];
    const server = await startSluice(args, { under: machine.enter });
    t.teardown(() => server.stop('SIGKILL'));
    connectLink(link);
    // The kernel there has Sluice's own addresses, and one of each family for itself.
    const third = link.own.replace(/\.1$/, '.3');
    const third6 = link.own6.replace(/::1$/, '::3');
    for (const address of [`${link.own}/24`, `${third}/24`]) machine.run('ip', 'address', 'add', address, 'dev', 'sluice0');
    for (const address of [`${link.own6}/64`, `${third6}/64`]) machine.run('ip', 'address', 'add', address, 'dev', 'sluice0', 'nodad');
    const kernel = await startKernelServer(machine, 2222);
    t.teardown(() => kernel.kill('SIGKILL'));
    await exceptionTests(t, link, machine, { third, third6 });
    const { out } = await runSluice(['stat', '--name', `${server.child.pid}-0`, '--json']);
    const { counters } = JSON.parse(out) as { counters: Record<string, number> };
    t.ok((counters['nic_kernel_in'] ?? 0) > 50 && (counters['nic_kernel_out'] ?? 0) > 50, 'both ways are counted');
    t.equal(await server.stop('SIGTERM'), 0);
    t.notOk(machine.run('ip', '-o', 'link').includes('sluice0'), 'its end in the kernel is gone');
  });
}

async function exceptionTests(t: Test, link: Link, machine: Machine, own: { third: string; third6: string }): Promise<void> {
  await t.test('Sluice serves, and the kernel serves on other ports of the same address', async (t) => {
    for (const host of [link.own, `[${link.own6}]`]) t.equal(await echo(`ws://${host}:9000/`, 'over our stack'), 'over our stack');
    for (const host of [link.own, link.own6]) t.equal(await talk(host, 2222, 'over the kernel'), 'kernel over the kernel');
    const long = 'x'.repeat(300_000);
    t.equal(await talk(link.own, 2222, long), `kernel ${long}`);
    const both = await Promise.all(Array.from({ length: 20 }, async (_, i) => (
      i % 2 === 0 ? talk(link.own, 2222, `${i}`) : echo(`ws://${link.own}:9000/`, `${i}`)
    )));
    t.same(both, both.map((_, i) => (i % 2 === 0 ? `kernel ${i}` : `${i}`)));
  });

  await t.test('addresses of the kernel\'s own answer, and Sluice\'s are pinged as before', async (t) => {
    const hosts = [link.own, own.third, link.own6, own.third6];
    for (const host of hosts) t.ok(answered([], host) >= PINGS, host);
    for (const host of [own.third, own.third6]) t.equal(await talk(host, 2222, 'there'), 'kernel there');
    t.equal(await refusal(own.third, 9000), 'ECONNREFUSED', 'Sluice listens on its own address only');
    t.equal(await refusal(link.own, 2223), 'ECONNREFUSED', 'it is the kernel that refuses');
  });

  await t.test('what the kernel begins itself goes out, and the answers come back to it', async (t) => {
    t.ok(answered(machine.enter, link.peer) >= PINGS);
    t.ok(answered(machine.enter, link.peer6) >= PINGS);
    const greeter = createServer((socket: Socket) => socket.end(`hello ${socket.remoteAddress}`));
    await new Promise<void>((resolve) => greeter.listen(0, link.peer, resolve));
    t.teardown(() => greeter.close());
    const { port } = greeter.address() as { port: number };
    const script = `require('net').connect(${port}, '${link.peer}').pipe(process.stdout)`;
    const [program = '', ...args] = [...machine.enter, process.execPath, '-e', script];
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'], timeout: 60_000 });
    let got = '';
    child.stdout.setEncoding('utf8').on('data', (data: string) => (got += data));
    await new Promise((resolve) => child.once('close', resolve));
    t.equal(got, `hello ${link.own}`);
  });
}

function answered(enter: readonly string[], host: string): number {
  const [program = '', ...args] = [...enter, 'ping', '-c', String(PINGS), '-i', '0.05', '-w', '30', host];
  return pingsAnswered(spawnSync(program, args, { encoding: 'utf8', timeout: 60_000 }).stdout);
}
