/**
 * Two cores on a port with one queue, which no device spreads flows over: the first core polls for both (native/nic/dpdk_distributor.hpp).
 * With Linux as the peer.
 */
import '../support/own-namespace.js';

import { connect } from 'node:net';
import t from 'tap';
import { WebSocket } from 'ws';

import { idleCpuMs } from '../support/cpu-time.js';
import { lacking, selectedDrivers, startOn, type DpdkDriver } from '../support/drivers.js';
import { runSluice } from '../support/sluice-process.js';

t.setTimeout(590_000);

const ONE_QUEUE: readonly DpdkDriver[] = ['dpdk on af_xdp', 'dpdk on virtio-user'];
const CONNECTIONS = 40;
const MESSAGES = 50;

/** Echoes messages of growing size over one connection, each after the last; rejects where one comes back otherwise. */
async function converse(url: string, number: number): Promise<WebSocket> {
  const socket = new WebSocket(url, { perMessageDeflate: false });
  const bytes = (i: number): Buffer => Buffer.alloc(1 + (i * i * 7) % 20_000, (number + i) & 0xff);
  await new Promise<void>((resolve, reject) => {
    let i = 0;
    socket.once('open', () => socket.send(bytes(0)));
    socket.once('error', reject);
    socket.once('close', (code) => reject(new Error(`connection ${number} closed with ${code} after ${i} messages`)));
    socket.on('message', (data: Buffer) => {
      if (!data.equals(bytes(i))) reject(new Error(`connection ${number}: message ${i} came back as another`));
      if (++i === MESSAGES) return resolve();
      socket.send(bytes(i));
    });
  });
  return socket;
}

async function coresOf(pid: number): Promise<ReadonlyMap<number, number>> {
  const { out } = await runSluice(['stat', '--name', `${pid}-0`, '--connections', '1000', '--json']);
  const counts = new Map<number, number>();
  for (const { core } of JSON.parse(out) as readonly { core: number }[]) counts.set(core, (counts.get(core) ?? 0) + 1);
  return counts;
}

for (const driver of selectedDrivers(ONE_QUEUE, ONE_QUEUE)) {
  t.test(driver, { skip: lacking(driver) }, async (t) => {
    const server = await startOn(driver, ['echo', '--cores', '2', '--packets', '8192']);
    t.teardown(() => server.stop('SIGKILL'));
    const pid = server.child.pid ?? 0;

    await t.test('it says that a core spreads the connections', async (t) => {
      t.match(server.stderr(), /driver dpdk: net_\w+ \(net_\w+\) spreads connections over 1 queue, so core 0 polls for all 2 /);
    });

    await t.test('every connection is served, and both cores have some', async (t) => {
      const sockets = await Promise.all(Array.from({ length: CONNECTIONS }, async (_, number) => converse(server.url, number)));
      const cores = await coresOf(pid);
      t.same([...cores.keys()].sort(), [0, 1]);
      t.equal((cores.get(0) ?? 0) + (cores.get(1) ?? 0), CONNECTIONS);
      await Promise.all(sockets.map(async (socket) => {
        socket.removeAllListeners('close');
        const closed = new Promise((resolve) => socket.once('close', resolve));
        socket.close();
        await closed;
      }));
    });

    await t.test('a port that nobody listens on refuses, whichever core it belongs to', async (t) => {
      const { hostname } = new URL(server.url);
      const codes = await Promise.all(Array.from({ length: 8 }, async () => new Promise((resolve) => {
        connect(9, hostname).once('error', (error: NodeJS.ErrnoException) => resolve(error.code));
      })));
      t.same(codes, Array(8).fill('ECONNREFUSED'));
    });

    await t.test('idle, both cores leave the CPU alone', async (t) => {
      // Two percent of a CPU for each.
      const used = await idleCpuMs(pid, 120);
      t.ok(used <= 120, `${used} ms of CPU in 3 s`);
    });

    await t.test('it stops', async (t) => t.equal(await server.stop('SIGTERM'), 0));
  });
}
