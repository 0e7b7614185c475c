import '../support/own-namespace.js';

import t from 'tap';
import { WebSocket } from 'ws';

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { lacking, selectedDrivers, startOn, type Driver } from '../support/drivers.js';
import { until } from '../support/wait.js';

const CONNECTIONS = 16;

interface Peer {
  readonly socket: WebSocket;
  readonly ops: string[];
}

async function open(url: string): Promise<Peer> {
  const socket = new WebSocket(url, 'sluice.v1', { perMessageDeflate: false });
  const ops: string[] = [];
  socket.on('message', (data) => ops.push(String((JSON.parse(String(data).split('\n')[0] ?? '{}') as { op?: string }).op)));
  await new Promise<void>((resolve, reject) => {
    socket.once('open', () => resolve());
    socket.once('error', reject);
  });
  socket.send('{"op":"hello"}');
  await until('welcome', () => ops.includes('welcome'));
  return { socket, ops };
}

for (const driver of selectedDrivers(['epoll', 'uring', 'dpdk on af_packet'])) {
  for (const how of ['close', 'terminate'] as const) check(driver, how);
}

function check(driver: Driver, how: 'close' | 'terminate'): void {
  const name = `a connection never inherits the channels of the one before it (${how}, ${driver})`;
  t.test(name, { skip: lacking(driver) }, async (t) => {
    const data = mkdtempSync(join(tmpdir(), 'sluice-isolation-'));
    t.teardown(() => rmSync(data, { recursive: true, force: true }));
    const server = await startOn(driver, ['serve', '--admin', '127.0.0.1:0', '--data', data]);
    t.teardown(() => server.stop('SIGKILL'));

    const first = await Promise.all(Array.from({ length: CONNECTIONS }, () => open(server.url)));
    for (const { socket } of first) socket.send('{"op":"sub","id":1,"channel":"private"}');
    await until('ok for all', () => first.every(({ ops }) => ops.includes('ok')));
    const gone = first.map(({ socket }) => new Promise((resolve) => socket.once('close', resolve)));
    for (const { socket } of first) socket[how]();
    await Promise.all(gone);
    await new Promise((resolve) => setTimeout(resolve, 100));

    const second = await Promise.all(Array.from({ length: CONNECTIONS }, () => open(server.url)));
    const publisher = await open(server.url);
    const listener = await open(server.url);
    listener.socket.send('{"op":"sub","id":1,"channel":"private"}');
    await until('ok', () => listener.ops.includes('ok'));
    publisher.socket.send('{"op":"pub","id":1,"channel":"private","key":"a"}\nsecret');
    await until('ok and the message', () => publisher.ops.includes('ok') && listener.ops.includes('msg'));
    await new Promise((resolve) => setTimeout(resolve, 50));
    t.same(second.map(({ ops }) => ops.filter((op) => op === 'msg').length), Array<number>(CONNECTIONS).fill(0));
    for (const { socket } of [...second, publisher, listener]) socket.terminate();
  });
}
