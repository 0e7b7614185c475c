/** The memory for what is published comes round while cores on threads of their own are a little behind, as they always are. */
import { once } from 'node:events';
import { WebSocket } from 'ws';
import t from 'tap';

import { BusyError, createEngine, type Engine } from '../../../src/index.js';
import { sleep } from '../../support/wait.js';

t.setTimeout(120_000);

const ARENA = 16 << 20;
const SIZE = 32 << 10;
/** Published in one turn, and awaited. */
const BURST = 8;
const TOTAL = (3 * ARENA) / SIZE;

/** A core that gets no CPU for a while has not let go of the arena yet, which is said; it does once it runs. */
async function publish(engine: Engine, body: Buffer): Promise<boolean> {
  for (const deadline = Date.now() + 60_000; ;) {
    try {
      return engine.publish('all', body);
    } catch (error) {
      if (!(error instanceof BusyError) || Date.now() > deadline) throw error;
      await sleep(error.retryAfterMs);
    }
  }
}

for (const cores of [1, 2]) {
  t.test(`what is published three times around the arena arrives as it was, with ${cores} cores`, async (t) => {
    const engine = await createEngine({
      listen: '127.0.0.1:0', cores, arenaBytes: ARENA, sendBudget: 4 << 20,
      open: (connection) => void engine.subscribe(connection, 'all'),
      message: () => undefined,
    });
    t.teardown(() => engine.stop());
    const client = new WebSocket(`ws://127.0.0.1:${engine.port}/`);
    t.teardown(() => client.terminate());
    let got = 0;
    let wrong = 0;
    let onBurst: () => void = () => undefined;
    client.on('message', (data: Buffer) => {
      if (data.length !== SIZE || data.readUInt32LE(0) !== got || data.readUInt32LE(SIZE - 4) !== got) wrong += 1;
      got += 1;
      if (got % BURST === 0) onBurst();
    });
    await once(client, 'open');
    const body = Buffer.alloc(SIZE);
    for (let published = 0; published < TOTAL;) {
      const arrived = new Promise<void>((resolve) => (onBurst = resolve));
      for (const end = published + BURST; published < end; published += 1) {
        body.writeUInt32LE(published, 0);
        body.writeUInt32LE(published, SIZE - 4);
        if (!(await publish(engine, body))) t.fail('nobody is subscribed');
      }
      await arrived;
    }
    t.equal(got, TOTAL);
    t.equal(wrong, 0);
  });
}

t.test('a message larger than a chunk of the arena is refused for good', async (t) => {
  const engine = await createEngine({
    listen: '127.0.0.1:0', cores: 1, arenaBytes: ARENA,
    open: (connection) => void engine.subscribe(connection, 'all'),
  });
  t.teardown(() => engine.stop());
  const client = new WebSocket(`ws://127.0.0.1:${engine.port}/`);
  t.teardown(() => client.terminate());
  await once(client, 'open');
  t.throws(() => engine.publish('all', Buffer.alloc(ARENA)), { name: 'TooBigError', code: 'SLUICE_TOO_BIG', retryable: false });
});
