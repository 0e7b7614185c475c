/** Clients that leave right behind what they say, in the same segment, are answered first: over every store, on the kernel's drivers. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { ClusterNode } from '../support/cluster.js';
import { DetachedSetup } from '../support/detached.js';
import { KERNEL_DRIVERS, lacking } from '../support/drivers.js';
import { closeFrame, RawFrames, textFrame } from '../support/raw-frames.js';
import { noRedis, RedisServer } from '../support/redis-server.js';
import { startSluice } from '../support/sluice-process.js';
import { until } from '../support/wait.js';

t.setTimeout(590_000);

const COUNT = 5;

interface Place {
  readonly name: string;
  readonly skip: string | false;
  start(t: Test): Promise<string>;
}

const embedded: Place[] = KERNEL_DRIVERS.map((driver) => ({
  name: `embedded, ${driver}`,
  skip: lacking(driver),
  start: async (t) => {
    const data = mkdtempSync(join(tmpdir(), 'sluice-leaving-'));
    const server = await startSluice(['serve', '--driver', driver, '--listen', '127.0.0.1:0', '--admin', '127.0.0.1:0', '--data', data]);
    t.teardown(async () => {
      await server.stop('SIGKILL');
      rmSync(data, { recursive: true, force: true });
    });
    return server.url;
  },
}));

const places: Place[] = [
  ...embedded,
  {
    name: 'detached',
    skip: false,
    start: async (t) => {
      const setup = new DetachedSetup();
      await setup.start();
      t.teardown(() => setup.end());
      return setup.engine.url;
    },
  },
  {
    name: 'over Redis',
    skip: noRedis,
    start: async (t) => {
      const redis = await RedisServer.start(['--appendonly', 'yes', '--appendfsync', 'always']);
      t.teardown(() => redis.remove());
      const node = await ClusterNode.start(t, { name: 'leaving', redis: redis.url });
      return node.url;
    },
  },
];

const HELLO = textFrame({ op: 'hello' });
const publishes = (channel: string): Buffer[] =>
  Array.from({ length: COUNT }, (_, id) => textFrame({ op: 'pub', id, channel, key: `k${id}` }, `message ${id}`));

/** Headers of what was told, and the code of the close frame behind it; null where none came. */
function heard(client: RawFrames): { readonly headers: Record<string, unknown>[]; readonly code: number | null } {
  const headers = client.frames.filter(({ opcode }) => opcode === 1)
    .map(({ payload }) => JSON.parse(payload.toString().split('\n', 1)[0] as string) as Record<string, unknown>);
  const close = client.frames.find(({ opcode }) => opcode === 8);
  return { headers, code: close === undefined ? null : close.payload.readUInt16BE(0) };
}

async function welcomed(url: string): Promise<RawFrames> {
  const client = await RawFrames.connect(url);
  client.send(HELLO);
  await until('the welcome', () => client.frames.length > 0);
  return client;
}

/** How it leaves behind its publishes, and the code of the close that it gets. */
const WAYS = [
  { way: 'bye', frames: [textFrame({ op: 'bye' })], fin: false, code: 1000 },
  { way: 'a close frame', frames: [closeFrame(1001)], fin: false, code: 1001 },
  { way: 'bye and a close frame', frames: [textFrame({ op: 'bye' }), closeFrame(1000)], fin: false, code: 1000 },
  {
    way: 'what is answered at once, and a close frame',
    frames: [textFrame({ op: 'sub', id: 99, channel: 'other' }), closeFrame(1000)], fin: false, code: 1000,
  },
  { way: 'the end of its side', frames: [], fin: true, code: null },
] as const;

for (const { name, skip, start } of places) {
  t.test(name, { skip, timeout: 560_000 }, async (t) => {
    const url = await start(t);
    for (const pipelined of [false, true]) {
      for (const { way, frames, fin, code } of WAYS) {
        const client = pipelined ? await RawFrames.connect(url) : await welcomed(url);
        client.send(...(pipelined ? [HELLO] : []), ...publishes(`${way} ${String(pipelined)}`), ...frames);
        if (fin) client.end();
        await until(`the end after ${way}`, () => client.ended || heard(client).code !== null);
        if (fin) await until('the end of the stream', () => client.ended);
        t.test(`${pipelined ? 'hello, ' : ''}publishes, ${way}`, async (t) => {
          const told = heard(client);
          const ids = told.headers.filter(({ op, id }) => op === 'ok' && id !== 99).map(({ id }) => id);
          t.same(ids, Array.from({ length: COUNT }, (_, id) => id), 'every publish is answered');
          t.equal(told.code, code, 'before the close');
        });
        client.close();
      }
    }
  });
}
