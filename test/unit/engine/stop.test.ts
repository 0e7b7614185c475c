/** Calls of a plain server that cannot be carried out, also because it has stopped. */
import { readdirSync } from 'node:fs';
import { connect } from 'node:net';
import t from 'tap';

import { createEngine, InvalidError, StoppedError, type Connection } from '../../../src/index.js';

const REQUEST = [
  'GET / HTTP/1.1', 'Host: a', 'Upgrade: websocket', 'Connection: Upgrade', 'Sec-WebSocket-Version: 13',
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==', '', '',
].join('\r\n');

t.test('its region is gone with it, and not with the process some time', async (t) => {
  const mine = (): readonly string[] => readdirSync('/dev/shm').filter((name) => name.startsWith(`sluice-${process.pid}-`));
  const before = mine().length;
  const engine = await createEngine({ listen: '127.0.0.1:0' });
  t.equal(mine().length, before + 1);
  await engine.stop();
  t.equal(mine().length, before);
});

t.test('a client that does not answer the close is told closed, and its handle is good for nothing', async (t) => {
  const closed: (readonly [Connection, number])[] = [];
  let opened: (connection: Connection) => void = () => undefined;
  const open = new Promise<Connection>((resolve) => (opened = resolve));
  const engine = await createEngine({
    listen: '127.0.0.1:0',
    open: (connection) => opened(connection),
    close: (connection, code) => void closed.push([connection, code]),
  });
  const client = connect(engine.port, '127.0.0.1');
  t.teardown(() => client.destroy());
  client.on('error', () => undefined);
  client.write(REQUEST);
  const connection = await open;
  t.equal(engine.send(undefined as unknown as Connection, 'x'), false, 'no connection');
  for (const data of [undefined, null, 5, [1, 2], new DataView(new ArrayBuffer(4)), new ArrayBuffer(4)]) {
    t.throws(() => engine.send(connection, data as unknown as Uint8Array), InvalidError, 'no data');
  }
  t.throws(() => engine.subscribe(connection, undefined as unknown as string), InvalidError);
  t.equal(engine.subscribe(connection, 'topic'), true);
  t.throws(() => engine.publish('topic', [1] as unknown as Uint8Array), InvalidError);
  let first = false;
  const stopping = engine.stop(1001, 50).then(() => (first = true));
  await engine.stop();
  t.ok(first, 'a second call waits for the first');
  await stopping;
  t.same(closed, [[connection, 1006]]);
  t.equal(engine.send(connection, 'x'), false);
  t.equal(engine.subscribe(connection, 'x'), false);
  t.equal(engine.close(connection), false);
  t.throws(() => engine.publish('x', 'x'), StoppedError);
});
