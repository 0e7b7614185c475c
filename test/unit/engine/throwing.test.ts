/** An application that survives what its handlers throw: nobody's messages are lost or left lying. */
import { on, once } from 'node:events';
import { WebSocket } from 'ws';
import t from 'tap';

import { createEngine } from '../../../src/index.js';

t.setTimeout(60_000);

for (const cores of [1, 2]) {
  t.test(`messages behind one whose handler throws are handled, with ${cores} cores`, async (t) => {
    const thrown: string[] = [];
    // tap listens as well: what is thrown on purpose must not end the test.
    const others = process.listeners('uncaughtException');
    process.removeAllListeners('uncaughtException');
    process.on('uncaughtException', (error) => void thrown.push(error.message));
    t.teardown(() => {
      process.removeAllListeners('uncaughtException');
      for (const listener of others) process.on('uncaughtException', listener);
    });
    const engine = await createEngine({
      listen: '127.0.0.1:0', cores,
      message: (connection, data, isText) => {
        const text = Buffer.from(data).toString();
        engine.send(connection, data, isText);
        if (text.startsWith('throw')) throw new Error(text);
      },
    });
    t.teardown(() => engine.stop());
    const client = new WebSocket(`ws://127.0.0.1:${engine.port}/`);
    await once(client, 'open');
    const sent = ['a', 'throw 1', 'b', 'throw 2', 'throw 3', 'c'];
    const answers = on(client, 'message');
    for (const text of sent) client.send(text);
    const got: string[] = [];
    for await (const [data] of answers) if (got.push(String(data)) === sent.length) break;
    t.same(got, sent);
    t.same(thrown, ['throw 1', 'throw 2', 'throw 3']);
    client.terminate();
  });
}
