/**
 * Our own stack with Linux as its peer. SLUICE_BULK_MB sets how much is echoed in the transfer, 64 by default. The full run takes minutes:
 * SLUICE_BULK_MB=10000 SLUICE_DRIVERS="dpdk on af_xdp" node build-test/test/e2e/dpdk.test.js
 */
import '../support/own-namespace.js';

import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { WebSocket as UndiciSocket } from 'undici';
import { WebSocket } from 'ws';

import { createClient, type WebSocketConstructor } from '../../src/client/index.js';
import {
  connectLink, DPDK_DRIVERS, lacking, linkArgs, makeLink, selectedDrivers, startOn, type DpdkDriver, type Link,
} from '../support/drivers.js';
import { idleCpuMs } from '../support/cpu-time.js';
import { pingsAnswered } from '../support/ping.js';
import { FREED_IS_OVERWRITTEN, runSluice, startSluice, type SluiceProcess } from '../support/sluice-process.js';
import { until } from '../support/wait.js';

const BULK_MB = Number(process.env['SLUICE_BULK_MB'] ?? 64);
/** Every byte twice, which a disk does not hold of a full run. */
const IS_CAPTURED = BULK_MB <= 1000;
t.setTimeout(300_000 + BULK_MB * 60);

const READY_WITHIN_MS = 3000;
/** What a virtio device of most VMs has, and one of virtio-user for which nothing else is asked. */
const VM_RING = 256;

/** Standard output of a program that must end well. */
async function output(program: string, args: readonly string[]): Promise<string> {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], timeout: 560_000 });
  let out = '';
  let err = '';
  child.stdout.on('data', (chunk: Buffer) => (out += String(chunk)));
  child.stderr.on('data', (chunk: Buffer) => (err += String(chunk)));
  const status = await new Promise<number | null>((resolve) => child.once('close', resolve));
  if (status !== 0) throw new Error(`${program} ended with ${status}: ${out}${err}`);
  return out;
}

function installed(program: string, ...args: readonly string[]): false | string {
  return spawnSync(program, args).status !== 0 && `${program} ${args.join(' ')} does not work here`;
}

/** Debian's, which has Debian's packages, rather than another one that comes first in PATH. */
const PYTHON = existsSync('/usr/bin/python3') ? '/usr/bin/python3' : 'python3';

async function stat(server: SluiceProcess): Promise<Record<string, number>> {
  const { out } = await runSluice(['stat', '--name', `${server.child.pid}-0`, '--json']);
  return (JSON.parse(out) as { counters: Record<string, number> }).counters;
}

for (const driver of selectedDrivers(DPDK_DRIVERS, DPDK_DRIVERS)) {
  t.test(driver, { skip: lacking(driver) }, async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'sluice-dpdk-'));
    t.teardown(() => rmSync(folder, { recursive: true, force: true }));
    await echoTests(t, driver, join(folder, 'frames.pcap'));
    await gatewayTests(t, driver, join(folder, 'data'));
  });
}

async function echoTests(t: Test, driver: DpdkDriver, pcap: string): Promise<void> {
  const link = await makeLink(driver, VM_RING);
  t.teardown(() => link.stop());
  const plainMs = await plainStartMs();
  const begin = Date.now();
  const server = await startSluice(['echo', ...linkArgs(link, 9000), ...(IS_CAPTURED ? ['--pcap', pcap] : [])]);
  t.teardown(() => server.stop('SIGKILL'));
  const readyMs = Date.now() - begin;
  // The machine may have got busy only behind the first look.
  const startMs = Math.max(plainMs, readyMs > READY_WITHIN_MS ? await plainStartMs() : 0);
  connectLink(link);
  const url = `ws://${link.own}:9000/`;

  await t.test('it is ready soon and says on what', async (t) => {
    t.ok(readyMs < READY_WITHIN_MS + 3 * startMs, `${readyMs} ms (on kernel sockets ${startMs} ms)`);
    t.match(server.ready, / driver dpdk /);
  });

  await clientTests(t, link, url);

  await t.test(`${BULK_MB} MB there and back`, async (t) => {
    await bulk(url, BULK_MB);
    let counters: Record<string, number> = {};
    await until('all of it is counted', async () => ((counters = await stat(server))['tcp_bytes_in'] ?? 0) >= BULK_MB * 1e6);
    t.equal(counters['net_dropped_checksum'], 0);
    t.equal(counters['dropped_memory'] ?? 0, 0);
  });

  await t.test('idle, it leaves the CPU alone', async (t) => {
    const pid = server.child.pid ?? 0;
    const used = await idleCpuMs(pid, 60);
    t.ok(used <= 60, `${used} ms of CPU in 3 s`);
  });

  await t.test('it stops, and the capture holds what passed', async (t) => {
    t.equal(await server.stop('SIGTERM'), 0);
    if (!IS_CAPTURED) return;
    t.equal(readFileSync(pcap).readUInt32LE(0), 0xa1b23c4d, 'a capture with nanoseconds');
    t.ok(statSync(pcap).size > BULK_MB * 2e6);
  });
}

/** What a start takes on this machine, as busy as it is. */
async function plainStartMs(): Promise<number> {
  const begin = Date.now();
  const server = await startSluice(['echo', '--driver', 'epoll', '--listen', '127.0.0.1:0']);
  const took = Date.now() - begin;
  await server.stop('SIGKILL');
  return took;
}

/** Programs of others, over IPv4 and IPv6. */
async function clientTests(t: Test, link: Link, url: string): Promise<void> {
  // With -w it waits for as many answers; without, for the last ones only twice as long as one took, which a busy machine exceeds.
  await t.test('ping', { skip: installed('ping', '-V') }, async (t) => {
    const usual = ['-i', '0.01', '-w', '30'];
    const answered = async (...args: readonly string[]): Promise<number> => pingsAnswered(await output('ping', [...usual, ...args]));
    t.ok((await answered('-c', '50', link.own)) >= 50);
    t.ok((await answered('-c', '20', '-s', '1400', link.own6)) >= 20);
    t.ok((await answered('-c', '3', '-M', 'do', '-s', '1472', link.own)) >= 3);
  });

  await t.test('a port that nobody listens on refuses', async (t) => {
    const code = await new Promise((resolve) => {
      const socket = connect(9001, link.own);
      socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code));
    });
    t.equal(code, 'ECONNREFUSED');
  });

  await t.test('curl, over IPv4 and IPv6', { skip: installed('curl', '--version') }, async (t) => {
    for (const host of [link.own, `[${link.own6}]`]) {
      t.match(await output('curl', ['-sS', '-g', '-i', '--max-time', '60', `http://${host}:9000/healthz`]), /^HTTP\/1\.1 200 /);
    }
  });

  await t.test('undici', async (t) => {
    const socket = new UndiciSocket(url);
    const got = await new Promise((resolve, reject) => {
      socket.addEventListener('open', () => socket.send('from undici'));
      socket.addEventListener('message', ({ data }) => resolve(data));
      socket.addEventListener('error', () => reject(new Error('undici could not connect')));
    });
    socket.close();
    t.equal(got, 'from undici');
  });

  await t.test('python3-websockets', { skip: installed(PYTHON, '-c', 'import websockets') }, async (t) => {
    const script = `import asyncio, sys, websockets
async def main():
    async with websockets.connect(sys.argv[1], max_size=None, compression=None) as ws:
        for size in (0, 1, 125, 126, 70000, 1000000):
            data = bytes(i % 251 for i in range(size))
            await ws.send(data)
            assert await ws.recv() == data
        await ws.ping()
    print('all came back')
asyncio.run(main())`;
    t.match(await output(PYTHON, ['-c', script, `ws://[${link.own6}]:9000/`]), /all came back/);
  });
}

/** Messages of 1 MB, four at a time, each checked. */
async function bulk(url: string, megabytes: number): Promise<void> {
  const socket = new WebSocket(url, { perMessageDeflate: false, maxPayload: 1 << 24 });
  const data = Buffer.alloc(1_000_000);
  let sent = 0;
  let received = 0;
  const send = (): void => {
    data.writeUInt32LE(sent, 0);
    for (let at = 4096; at < data.length; at += 4096) data.writeUInt32LE((sent * 2_654_435_761 + at) >>> 0, at);
    socket.send(Buffer.from(data));
    sent++;
  };
  await new Promise<void>((resolve, reject) => {
    socket.once('open', () => {
      while (sent < Math.min(4, megabytes)) send();
    });
    socket.on('message', (message: Buffer) => {
      for (let at = 4096; at < message.length; at += 4096) {
        if (message.readUInt32LE(at) !== (received * 2_654_435_761 + at) >>> 0) reject(new Error(`message ${received} differs at ${at}`));
      }
      if (message.length !== data.length || message.readUInt32LE(0) !== received) reject(new Error(`message ${received} is another`));
      received++;
      if (sent < megabytes) send();
      if (received === megabytes) resolve();
    });
    socket.once('error', reject);
    socket.once('close', () => reject(new Error(`closed after ${received}`)));
  });
  socket.terminate();
}

async function gatewayTests(t: Test, driver: DpdkDriver, data: string): Promise<void> {
  await t.test('two clients of the gateway talk, in order and without a loss', async (t) => {
    const args = ['serve', '--admin', '127.0.0.1:0', '--data', data, '--publish-rate', '0'];
    const server = await startOn(driver, args, { under: FREED_IS_OVERWRITTEN });
    t.teardown(() => server.stop('SIGKILL'));
    const make = () => createClient({ url: server.url, WebSocket: WebSocket as unknown as WebSocketConstructor });
    const [publisher, subscriber] = [make(), make()];
    await Promise.all([publisher.connect(), subscriber.connect()]);
    const subscription = subscriber.subscribe('room');
    const got: string[] = [];
    const all = new Promise<void>((resolve) => {
      subscription.on('message', (message) => {
        got.push(String(message.body));
        if (got.length === 500) resolve();
      });
    });
    await subscription.ready;
    const published = Array.from({ length: 500 }, (_, i) => publisher.publish('room', `message ${i}`));
    // A delivery may come before the acknowledgement of its publish: the publisher closes when it has them all.
    await Promise.all([all, ...published]);
    t.same(got, Array.from({ length: 500 }, (_, i) => `message ${i}`));
    publisher.close();
    subscriber.close();
    t.equal(await server.stop('SIGTERM'), 0);
  });
}

t.test('without a port it says what to do and exits 1', { skip: lacking('dpdk on af_packet') }, async (t) => {
  const none = await runSluice(['echo', '--driver', 'dpdk', '--eal', '--no-huge -m 64 --no-pci', '--ip', '10.9.0.1/24']);
  t.equal(none.code, 1);
  t.match(none.err, /EAL found no port: name a virtual device/);
  const gone = ['--eal', '--no-huge -m 64 --no-pci --vdev=net_af_packet0,iface=nosuch'];
  const absent = await runSluice(['echo', '--driver', 'dpdk', ...gone, '--ip', '10.9.0.1/24']);
  t.equal(absent.code, 1);
  t.match(absent.err, /EAL found no port: the virtual device of the EAL arguments could not be made/);
  const bad = await runSluice(['echo', '--driver', 'dpdk', '--eal', '--no-huge --nonsense', '--ip', '10.9.0.1/24']);
  t.equal(bad.code, 1);
  t.match(bad.err, /EAL does not start/);
  t.equal(bad.out, '');
});
