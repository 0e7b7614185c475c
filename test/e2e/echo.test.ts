import '../support/own-namespace.js';

import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, existsSync, readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { WebSocket } from 'ws';

import { lacking, selectedDrivers, startOn } from '../support/drivers.js';
import { projectRoot, runSluice, startSluice, type SluiceProcess } from '../support/sluice-process.js';

async function open(url: string): Promise<WebSocket> {
  const socket = new WebSocket(url, { perMessageDeflate: false });
  await new Promise<void>((resolve, reject) => {
    socket.once('open', () => resolve());
    socket.once('error', reject);
  });
  return socket;
}

function echoed(socket: WebSocket, data: Buffer | string): Promise<{ data: Buffer; binary: boolean }> {
  return new Promise((resolve, reject) => {
    socket.once('message', (bytes, binary) => resolve({ data: bytes as Buffer, binary }));
    socket.once('close', (code) => reject(new Error(`closed ${code}`)));
    socket.send(data);
  });
}

/** Sends raw bytes and returns everything that comes until the server ends the stream. */
function rawExchange(url: string, bytes: string, isEnd = false): Promise<string> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const socket: Socket = connect({ port: Number(port), host: hostname, allowHalfOpen: true }, () => {
      socket.write(bytes, 'latin1');
      if (isEnd) socket.end();
    });
    socket.on('end', () => socket.end());
    let got = '';
    socket.setEncoding('latin1').on('data', (text: string) => (got += text));
    socket.on('close', () => resolve(got));
    socket.on('error', reject);
    socket.setTimeout(60_000, () => socket.destroy());
  });
}

async function describesConnections(t: Test, server: SluiceProcess): Promise<void> {
  const first = await open(server.url);
  const second = await open(server.url);
  await echoed(second, 'hello');
  const ports = [first, second].map((socket) => (socket as unknown as { _socket: Socket })._socket.localPort!);
  const ask = async (...args: readonly string[]): Promise<readonly Record<string, unknown>[]> => {
    const { out } = await runSluice(['stat', '--name', `${server.child.pid}-0`, '--json', ...args]);
    return JSON.parse(out) as Record<string, unknown>[];
  };
  const all = await ask('--connections', '100');
  t.ok(ports.every((port) => all.some((each) => String(each['remote']).endsWith(`:${port}`))), 'both are there');
  const [one, ...others] = await ask('--peer', `:${ports[1]}`);
  t.equal(others.length, 0, 'one alone by its port');
  t.match(one, { state: 'ESTABLISHED', websocket: 'open', core: 0, paused: false, lost: 0 });
  t.equal(new URL(`ws://${String(one?.['local'])}`).port, new URL(server.url).port);
  for (const field of ['mss', 'cwnd', 'rto_us', 'srtt_us', 'send_window', 'receive_window']) {
    t.ok(Number(one?.[field]) > 0, `${field} ${String(one?.[field])}`);
  }
  t.same(await ask('--peer', '192.0.2.99'), []);
  const lines = await runSluice(['stat', '--name', `${server.child.pid}-0`, '--connections', '1']);
  t.match(lines.out, /ESTABLISHED[^]*retransmits:\d+[^]*1 connections/);
  const wrong = await runSluice(['stat', '--name', `${server.child.pid}-0`, '--connections', 'all']);
  t.match(wrong.err, /1 to 100000/);
  first.terminate();
  second.terminate();
}

/** Whole conversations in one segment: what stands behind a message must not cut its answer off. */
async function answersFirst(t: Test, url: string): Promise<void> {
  const upgrade = 'GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n'
    + 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n';
  const hello = '\x81\x85\0\0\0\0hello';
  const close = await rawExchange(url, `${upgrade}${hello}\x88\x82\0\0\0\0\x03\xe8`);
  t.match(close, /^HTTP\/1\.1 101 [^]*\r\n\r\n\x81\x05hello\x88\x02\x03\xe8$/, 'a close frame');
  const broken = await rawExchange(url, `${upgrade}${hello}\x83\x80\0\0\0\0`, true);
  t.match(broken, /\r\n\r\n\x81\x05hello\x88.\x03\xea/, 'a broken rule');
  const ended = await rawExchange(url, `${upgrade}${hello}`, true);
  t.match(ended, /\r\n\r\n\x81\x05hello$/, 'the end of its stream');
}

for (const driver of selectedDrivers(['epoll', 'uring', 'dpdk on tap', 'dpdk on virtio-user'])) {
  t.test(`echo on ${driver}`, { skip: lacking(driver) }, async (t) => {
    const server = await startOn(driver, ['echo', '--max-message', '8MiB']);
    t.teardown(() => server.stop('SIGKILL'));

    await t.test('every size class comes back as it was, text as text', async (t) => {
      const socket = await open(server.url);
      for (const size of [0, 1, 125, 126, 65_535, 65_536, 300_000, 8 << 20]) {
        const body = Buffer.alloc(size, 'abcdefghijklm');
        const binary = await echoed(socket, body);
        t.ok(binary.binary && binary.data.equals(body), `binary ${size}`);
        const text = await echoed(socket, body.toString());
        t.ok(!text.binary && text.data.equals(body), `text ${size}`);
      }
      socket.close(3000, 'done');
      const code = await new Promise((resolve) => socket.once('close', resolve));
      t.equal(code, 3000, 'the close code is answered');
    });

    await t.test('stat describes connections on request', (t) => describesConnections(t, server));

    await t.test('a thousand pipelined messages keep their order', async (t) => {
      const socket = await open(server.url);
      const got: string[] = [];
      const all = new Promise<void>((resolve) => {
        socket.on('message', (data) => {
          got.push(String(data));
          if (got.length === 1000) resolve();
        });
      });
      for (let i = 0; i < 1000; i++) socket.send(`message ${i}`);
      await all;
      t.same(got, Array.from({ length: 1000 }, (_, i) => `message ${i}`));
      socket.terminate();
    });

    await t.test('a message is answered before what ends the connection behind it', (t) => answersFirst(t, server.url));

    await t.test('what is no WebSocket is answered with a status', async (t) => {
      t.match(await rawExchange(server.url, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'), /^HTTP\/1\.1 426 /);
      t.match(await rawExchange(server.url, 'GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'), /^HTTP\/1\.1 200 /);
      t.match(await rawExchange(server.url, 'nonsense\r\n\r\n'), /^HTTP\/1\.1 400 /);
      t.match(await rawExchange(server.url, `GET / HTTP/1.1\r\nHost: a\r\nX: ${'y'.repeat(9000)}\r\n\r\n`), /^HTTP\/1\.1 431 /);
    });

    await t.test('a message above the limit is closed with 1009 and the others stay', async (t) => {
      const bystander = await open(server.url);
      const socket = await open(server.url);
      const closed = new Promise((resolve) => socket.once('close', resolve));
      socket.on('error', () => undefined);
      socket.send(Buffer.alloc((8 << 20) + 1));
      t.equal(await closed, 1009);
      t.equal(String((await echoed(bystander, 'still here')).data), 'still here');
      bystander.terminate();
    });

    await t.test('SIGTERM closes with 1001 and exits 0', async (t) => {
      const socket = await open(server.url);
      const closed = new Promise((resolve) => socket.once('close', resolve));
      t.equal(await server.stop('SIGTERM'), 0);
      t.equal(await closed, 1001);
    });
  });
}

t.test('bad arguments exit 2 and say why', async (t) => {
  const unknown = await runSluice(['echo', '--nonsense']);
  t.equal(unknown.code, 2);
  t.match(unknown.err, /nonsense/);
  t.equal((await runSluice(['frobnicate'])).code, 2);
  for (const command of ['echo', 'serve']) {
    for (const args of [['--listen', 'nowhere'], ['--driver', 'dpdk'], ['--driver', 'epoll', '--ip', '10.9.0.1/24']]) {
      const refused = await runSluice([command, ...args]);
      t.equal(refused.code, 2, `${command} ${args.join(' ')}`);
      t.match(refused.err, new RegExp(`(listen|ip): `));
      t.equal(refused.out, '');
    }
  }
  for (const [said, ...args] of [
    // A mask of CPUs, as other programs take it, is no number of threads.
    [/--cores: expected a whole number from 1 to 14, got '0x2'/, 'echo', '--cores', '0x2'],
    [/--cores: .* got '1e1'/, 'echo', '--cores', '1e1'],
    [/--max-message: expected a size from 1 B to 256 MiB .* got '300MiB'/, 'echo', '--max-message', '300MiB'],
    [/--cores: expected a whole number from 1 to 64, got "0x2"/, 'serve', '--cores', '0x2'],
    [/--connections: expected a whole number from 1 to 100000, got '0x2'/, 'stat', '--connections', '0x2'],
    [/--admin: expected the admin address of a gateway .* got ''/, 'stat', '--admin', ''],
    [/--admin: expected the admin address of a gateway .* got '127.0.0.1:99999'/, 'drain', '--admin', '127.0.0.1:99999'],
  ] as const) {
    const refused = await runSluice([...args]);
    t.match(refused, { code: 2, out: '', err: said });
    t.match(refused.err, new RegExp(`sluice ${args[0]} --help`), 'and where to look');
  }
  const bench = await runSluice(['bench']);
  t.same([bench.code, bench.out], [2, ''], 'usage that was not asked for goes to standard error');
});

t.test('EAL arguments that would end the process as if all had gone well are refused', { skip: lacking('dpdk on tap') }, async (t) => {
  const asked = await runSluice(['echo', '--driver', 'dpdk', '--eal', '--no-huge -h', '--ip', '10.9.0.1/24', '--listen', '10.9.0.1:9000']);
  t.match(asked, { code: 1, out: '', err: /EAL arguments: -h/ });
});

t.test('the load programs tell their options', async (t) => {
  for (const program of ['sluice-load', 'sluice-wiregen']) {
    const path = join(projectRoot(), 'build', 'Release', program);
    // Without DPDK there is no second.
    if (existsSync(path)) t.match(execFileSync(path, ['--help'], { encoding: 'utf8' }), new RegExp(`^${program} SCENARIO`));
  }
});

t.test('without its addon, doctor says how to build it from where it was asked', (t) => {
  const folder = t.testdir({ node_modules: { sluice: {} } });
  const packed = join(folder, 'node_modules', 'sluice');
  cpSync(join(projectRoot(), 'dist'), join(packed, 'dist'), { recursive: true, dereference: true });
  cpSync(join(projectRoot(), 'package.json'), join(packed, 'package.json'), { dereference: true });
  const { status, stdout } = spawnSync(process.execPath, [join(packed, 'dist', 'cli.js'), 'doctor'], { cwd: folder, encoding: 'utf8' });
  t.equal(status, 1);
  t.match(stdout, /BAD .*addon could not be loaded\n +npm --prefix node_modules\/sluice run build:native\n/);
  t.end();
});

t.test('--version is that of the package', async (t) => {
  const { version } = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as { version: string };
  t.same(await runSluice(['--version']), { code: 0, out: `sluice ${version}\n`, err: '' });
});

t.test('a taken port exits 1 and names it', async (t) => {
  const server = await startSluice(['echo', '--listen', '127.0.0.1:0', '--driver', 'epoll']);
  t.teardown(() => server.stop('SIGKILL'));
  const { host, hostname, port } = new URL(server.url);
  const second = await runSluice(['echo', '--listen', host, '--driver', 'epoll']);
  t.equal(second.code, 1);
  t.match(second.err, new RegExp(`${hostname} port ${port}: Address already in use`));
});
