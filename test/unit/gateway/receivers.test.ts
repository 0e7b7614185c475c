import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import t from 'tap';
import { LoadMeter } from '../../../src/gateway/drain/load.js';
import { Receivers } from '../../../src/gateway/drain/receivers.js';
import { until } from '../../support/wait.js';

async function node(answer: () => string): Promise<{ readonly address: string; readonly server: Server }> {
  const server = createServer((request, response) => response.end(request.url === '/load' ? answer() : ''));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { server, address: `127.0.0.1:${(server.address() as AddressInfo).port}` };
}

t.test('the fullest receiver counts; a silent one counts as full while others answer', async (t) => {
  let now = 0;
  let load = 0.3;
  const a = await node(() => JSON.stringify({ load }));
  const b = await node(() => '{"load":0.6}');
  const receivers = new Receivers([a.address, `http://${b.address}/`], () => now);
  t.equal(receivers.load, null, 'nothing is known yet');
  receivers.start();
  t.teardown(() => {
    receivers.stop();
    a.server.close();
    b.server.close();
  });
  await until('both', () => receivers.load === 0.6);
  t.equal(receivers.load, 0.6);
  load = 0.9;
  await until('the fullest', () => receivers.load === 0.9);
  t.equal(receivers.load, 0.9);
  b.server.close();
  b.server.closeAllConnections();
  now = 5000;
  await until('a silent one', () => receivers.load === 1);
  t.equal(receivers.load, 1);
  a.server.close();
  a.server.closeAllConnections();
  now = 10_000;
  t.equal(receivers.load, null, 'when nobody answers nothing is known');
});

t.test('what is no load is not believed', async (t) => {
  const { server, address } = await node(() => '{"load":7}');
  const receivers = new Receivers([address], () => 0);
  receivers.start();
  await new Promise((resolve) => setTimeout(resolve, 100));
  t.equal(receivers.load, null);
  receivers.stop();
  server.close();
});

t.test('the load of a node is whatever is nearest to its end', async (t) => {
  const meter = new LoadMeter();
  const stats = { connections: 10, event_ring: { used: 1, capacity: 10 }, command_ring: { used: 0, capacity: 10 } };
  t.equal(meter.read(stats, 1000), 0.1);
  t.equal(meter.read({ ...stats, connections: 700 }, 1000), 0.7);
  t.equal(meter.read({ ...stats, command_ring: { used: 9, capacity: 10 } }, 1000), 0.9);
  meter.start();
  for (const end = Date.now() + 700; Date.now() < end; );
  await new Promise((resolve) => setTimeout(resolve, 600));
  t.ok(meter.read({ ...stats, event_ring: stats.command_ring }, 1000) > 0.3, 'a busy event loop');
  meter.stop();
});

t.test('a node that waits for a CPU is busy, however little it does', async (t) => {
  const began = Date.now();
  const meter = new LoadMeter(() => (Date.now() - began) * 0.9);
  const stats = { connections: 0, event_ring: { used: 0, capacity: 1 }, command_ring: { used: 0, capacity: 1 } };
  t.equal(meter.read(stats, 1000), 0);
  meter.start();
  while (meter.read(stats, 1000) === 0) await new Promise((resolve) => setTimeout(resolve, 20));
  t.ok(meter.read(stats, 1000) > 0.8);
  meter.stop();
  const unknown = new LoadMeter(() => null);
  unknown.start();
  await new Promise((resolve) => setTimeout(resolve, 1200));
  t.ok(unknown.read(stats, 1000) <= 1, 'where the system does not say, the event loop alone counts');
  unknown.stop();
});
