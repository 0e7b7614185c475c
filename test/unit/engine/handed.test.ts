/** What message() is handed is sent back whole and to whom it is meant, however much of it comes in one turn. */
import { once } from 'node:events';
import { WebSocket } from 'ws';
import t, { type Test } from 'tap';

import { createEngine, type Connection, type CreateEngineOptions, type Engine } from '../../../src/index.js';

t.setTimeout(60_000);

async function start(t: Test, options: Omit<CreateEngineOptions, 'listen'>): Promise<Engine> {
  const engine = await createEngine({ listen: '127.0.0.1:0', ...options });
  t.teardown(() => engine.stop());
  return engine;
}

/** A client and what it has got: "t:" or "b:" and the bytes. */
class Client {
  readonly got: string[] = [];
  readonly socket: WebSocket;
  #wanted = Infinity;
  #whenGot: () => void = () => undefined;

  constructor(engine: Engine) {
    this.socket = new WebSocket(`ws://127.0.0.1:${engine.port}/`);
    this.socket.on('message', (data: Buffer, isBinary) => {
      if (this.got.push(`${isBinary ? 'b' : 't'}:${data.toString('latin1')}`) >= this.#wanted) this.#whenGot();
    });
  }

  async opened(): Promise<this> {
    await once(this.socket, 'open');
    return this;
  }

  async has(count: number): Promise<readonly string[]> {
    if (this.got.length < count) {
      this.#wanted = count;
      await new Promise<void>((resolve) => (this.#whenGot = resolve));
    }
    return this.got;
  }
}

for (const cores of [1, 2]) {
  t.test(`many clients with many messages out, with ${cores} cores`, async (t) => {
    const engine: Engine = await start(t, { cores, message: (connection, data, isText) => engine.send(connection, data, isText) });
    const clients = await Promise.all(Array.from({ length: 8 }, async () => new Client(engine).opened()));
    const expected = clients.map((_, client) => Array.from({ length: 600 }, (_, i) => {
      // Empty, below and above what fits the shortest header, and larger than what is copied behind its header.
      const length = i % 97 === 0 ? 0 : i % 50 === 0 ? 5000 : (i * 31 + client) % 300;
      return `${i % 3 === 0 ? 'b' : 't'}:${`${client} ${i} `.repeat(1000).slice(0, length)}`;
    }));
    for (let i = 0; i < 600; i += 1) {
      for (const [client, { socket }] of clients.entries()) {
        const [kind, body] = [expected[client]![i]![0], expected[client]![i]!.slice(2)];
        socket.send(kind === 'b' ? Buffer.from(body, 'latin1') : body);
      }
    }
    for (const [client, one] of clients.entries()) {
      t.same(await one.has(600), expected[client]);
      one.socket.terminate();
    }
  });

  t.test(`to others, in part, once more and of a message before, with ${cores} cores`, async (t) => {
    const connections: Connection[] = [];
    let before: Uint8Array | null = null;
    const results: boolean[] = [];
    const engine: Engine = await start(t, {
      cores,
      open: (connection) => void connections.push(connection),
      message: (connection, data, isText) => {
        const other = connections.find((one) => one !== connection)!;
        results.push(engine.send(other, data, isText), engine.send(connection, data.subarray(1), isText));
        if (before !== null && data[0] === 0x32) results.push(engine.send(connection, before, isText));
        results.push(engine.send(connection, data, false), engine.send(connection, data));
        results.push(engine.send(connection + 2 ** 32, data), engine.send(-connection, data), engine.send(connection + 0.5, data));
        before = data;
      },
    });
    const [first, second] = [await new Client(engine).opened(), await new Client(engine).opened()];
    // In one segment, so in one turn: the view of the first is valid until the turn ends.
    const raw = (first.socket as unknown as { _socket: { cork(): void; uncork(): void } })._socket;
    raw.cork();
    first.socket.send('1one');
    first.socket.send('2two');
    raw.uncork();
    t.same(await first.has(7), ['t:one', 'b:1one', 'b:1one', 't:two', 't:1one', 'b:2two', 'b:2two']);
    t.same(await second.has(2), ['t:1one', 't:2two']);
    const once = [true, true, true, true, false, false, false];
    t.same(results, [...once, true, ...once]);
    for (const { socket } of [first, second]) socket.terminate();
  });
}

t.test('a handle is no good once its connection is closed, also for what it was handed last', async (t) => {
  const handed: (readonly [Connection, Uint8Array])[] = [];
  const sends: boolean[] = [];
  const engine: Engine = await start(t, {
    message: (connection, data) => {
      for (const [former] of handed) sends.push(engine.send(former, data));
      handed.push([connection, data]);
      engine.send(connection, data, true);
    },
    close: (connection) => {
      const last = handed.at(-1);
      if (last?.[0] === connection) sends.push(engine.send(...last));
    },
  });
  for (let round = 0; round < 3; round += 1) {
    const client = await new Client(engine).opened();
    // Behind the message, mostly in the same turn; the row goes to the next client.
    client.socket.send(`round ${round}`);
    client.socket.close();
    t.same(await client.has(1), [`t:round ${round}`]);
    await once(client.socket, 'close');
  }
  t.equal(new Set(handed.map(([connection]) => connection)).size, 3);
  t.ok(sends.length >= 3, `${sends.length} sends`);
  t.same(sends.filter((sent) => sent), []);
});
