/**
 * The death of the control plane between any two steps of any operation. Every call of the engine's port and of the stores is a step; the
 * scenario is played once for each, with a control plane that dies there and another one that goes on. What the clients saw is checked.
 */
import t from 'tap';

import { RawClient } from '../support/raw-client.js';
import { TakeoverWorld as World, until } from '../support/takeover-world.js';

const STEPS_MAX = 2000;

type Scenario = (world: World, watch: (client: RawClient) => void) => Promise<() => string[]>;

/** Plays the scenario while control planes die; returns false when step `dieAt` was never reached. */
async function play(scenario: Scenario, dieAt: number): Promise<{ reached: boolean; faults: string[] }> {
  const world = new World();
  const clients: RawClient[] = [];
  let running = true;
  try {
    await world.attach(dieAt);
    let reached = false;
    const gravedigger = (async () => {
      while (running) {
        if (world.life.dead) {
          reached = true;
          world.bury();
          await world.attach(Infinity);
        }
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
    })();
    try {
      const check = await scenario(world, (client) => clients.push(client));
      return { reached, faults: check() };
    } finally {
      running = false;
      await gravedigger;
    }
  } catch (error) {
    return { reached: true, faults: [error instanceof Error ? error.message : String(error)] };
  } finally {
    for (const client of clients) client.close();
    await world.end();
  }
}

/** Every operation was answered once; the deliveries of the channel are these, each once. */
function account(client: RawClient, ids: readonly number[], seqs: readonly number[]): string[] {
  const faults: string[] = [];
  const answers = client.answers.map(({ id }) => id).sort((a, b) => a - b);
  if (JSON.stringify(answers) !== JSON.stringify(ids)) faults.push(`answers ${answers.join()} instead of ${ids.join()}`);
  for (const { header } of client.answers) if (header['op'] === 'err') faults.push(JSON.stringify(header));
  const delivered = client.delivered.map(({ seq }) => seq);
  if (JSON.stringify(delivered) !== JSON.stringify(seqs)) faults.push(`delivered ${delivered.join()} instead of ${seqs.join()}`);
  return faults;
}

const range = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, i) => from + i);

const publishing: Scenario = async (world, watch) => {
  const reader = await RawClient.connect(world.url);
  watch(reader);
  reader.send({ op: 'sub', id: 1, channel: 'c' });
  await until('sub', () => reader.answers.length === 1);
  const writer = await RawClient.connect(world.url);
  watch(writer);
  // Behind its `hello`, without waiting for the welcome.
  for (let id = 1; id <= 3; id++) writer.send({ op: 'pub', id, channel: 'c', key: `k${id}` }, 'x');
  await until('answers', () => writer.answers.length >= 3);
  for (let id = 4; id <= 6; id++) writer.send({ op: 'pub', id, channel: 'c', key: `k${id}` }, 'x');
  reader.send({ op: 'pub', id: 2, channel: 'c', key: 'mine' }, 'x');
  await until('answers', () => writer.answers.length >= 6 && reader.answers.length >= 2);
  await until('deliveries', () => reader.delivered.length >= 7);
  return () => {
    const seqs = writer.answers.map(({ header }) => Number(header['server_seq'])).concat(Number(reader.answers[1]?.header['server_seq']));
    const dense = JSON.stringify([...seqs].sort((a, b) => a - b)) === JSON.stringify(range(1, 7));
    return [...(dense ? [] : [`given were ${seqs.join()}`]), ...account(reader, [1, 2], range(1, 7)), ...account(writer, range(1, 6), [])];
  };
};

const subscribing: Scenario = async (world, watch) => {
  const writer = await RawClient.connect(world.url);
  watch(writer);
  for (let id = 1; id <= 4; id++) writer.send({ op: 'pub', id, channel: 'c', key: `k${id}` }, 'y'.repeat(2000));
  await until('publishes', () => writer.answers.length >= 4);
  const reader = await RawClient.connect(world.url);
  watch(reader);
  reader.send({ op: 'sub', id: 1, channel: 'c', since: { seq: 1 } });
  reader.send({ op: 'presence', id: 2, channel: 'c' });
  await until('the delta', () => reader.delivered.length >= 3 && reader.answers.length >= 2);
  writer.send({ op: 'pub', id: 5, channel: 'c', key: 'k5' }, 'x');
  await until('live', () => reader.delivered.length >= 4);
  reader.send({ op: 'unsub', id: 3, channel: 'c' });
  await until('unsub', () => reader.answers.length >= 3);
  writer.send({ op: 'pub', id: 6, channel: 'c', key: 'k6' }, 'x');
  reader.send({ op: 'history', id: 4, channel: 'c', limit: 2 });
  await until('history', () => reader.answers.length >= 4 && writer.answers.length >= 6);
  return () => [...account(reader, range(1, 4), range(2, 5)), ...account(writer, range(1, 6), [])];
};

const resuming: Scenario = async (world, watch) => {
  const first = await RawClient.connect(world.url, { device: 'd' });
  watch(first);
  first.send({ op: 'sub', id: 1, channel: 'c' });
  await until('sub', () => first.answers.length === 1 && first.others.length === 1);
  first.send({ op: 'pub', id: 2, channel: 'c', key: 'a' }, 'x');
  await until('own message', () => first.delivered.length >= 1 && first.answers.length >= 2);
  const second = await RawClient.connect(world.url, { resume: first.others[0]?.['resume'] });
  watch(second);
  await until('taken over', () => first.closed !== null && second.others.length >= 1);
  second.send({ op: 'pub', id: 1, channel: 'c', key: 'b' }, 'x');
  await until('live again', () => second.delivered.length >= 1 && second.answers.length >= 1);
  second.send({ op: 'bye' });
  await until('bye', () => second.closed !== null);
  return () => [
    ...(first.closed === 4001 && second.closed === 1000 ? [] : [`closed with ${first.closed} and ${second.closed}`]),
    ...(second.others.length === 1 && second.others[0]?.['resumed'] === true ? [] : [JSON.stringify(second.others)]),
    ...account(second, [1], [2]),
  ];
};

/** What a device says of itself, and what it asks for all at once; of the answer that is begun anew it may get messages twice. */
const syncing: Scenario = async (world, watch) => {
  const writer = await RawClient.connect(world.url);
  watch(writer);
  for (let id = 1; id <= 3; id++) writer.send({ op: 'pub', id, channel: 'c', key: `k${id}` }, 'x');
  await until('publishes', () => writer.answers.length >= 3);
  const reader = await RawClient.connect(world.url, { device: 'd' });
  watch(reader);
  reader.send({ op: 'sub', id: 1, channel: 'c' });
  await until('sub', () => reader.answers.length >= 1);
  reader.send({ op: 'seen', channel: 'c', seq: 2, epoch: reader.answers[0]?.header['epoch'] });
  reader.send({ op: 'sync', id: 2 });
  await until('sync', () => reader.answers.length >= 2);
  const synced = reader.delivered.length;
  writer.send({ op: 'pub', id: 4, channel: 'c', key: 'k4' }, 'x');
  await until('live', () => reader.delivered.length > synced && writer.answers.length >= 4);
  return () => {
    const answers = reader.answers.map(({ id }) => id).join();
    const live = reader.delivered.slice(synced).map(({ seq }) => seq).join();
    return [
      ...(answers === '1,2' ? [] : [`answers ${answers}`]), ...(live === '4' ? [] : [`live ${live}`]),
      ...(typeof reader.answers[1]?.header['sync_cursor'] === 'string' ? [] : [JSON.stringify(reader.answers[1]?.header)]),
      ...account(writer, range(1, 4), []),
    ];
  };
};

/** A channel that is not stored: nobody's log says afterwards what was published. */
const ephemeral: Scenario = async (world, watch) => {
  const reader = await RawClient.connect(world.url);
  watch(reader);
  reader.send({ op: 'sub', id: 1, channel: 'live.c' });
  await until('sub', () => reader.answers.length === 1);
  const writer = await RawClient.connect(world.url);
  watch(writer);
  for (let id = 1; id <= 3; id++) writer.send({ op: 'pub', id, channel: 'live.c', key: `k${id}` }, 'x');
  await until('answers', () => writer.answers.length >= 3 && reader.delivered.length >= 3);
  writer.send({ op: 'pub', id: 4, channel: 'live.c', key: 'k4' }, 'x');
  await until('deliveries', () => writer.answers.length >= 4 && reader.delivered.length >= 4);
  return () => {
    const [first = 0] = writer.answers.map(({ header }) => Number(header['server_seq']));
    return [...account(writer, range(1, 4), []), ...account(reader, [1], range(first, first + 3))];
  };
};

t.setTimeout(600_000);

for (const [name, scenario] of Object.entries({ publishing, subscribing, resuming, syncing, ephemeral })) {
  t.test(`${name}: a death at any step is not noticed`, async (t) => {
    let step = 0;
    const faults: string[] = [];
    for (; step < STEPS_MAX && faults.length < 10; step++) {
      const played = await play(scenario, step);
      faults.push(...played.faults.map((fault) => `death at step ${step}: ${fault}`));
      if (!played.reached) break;
    }
    t.same(faults, []);
    t.ok(step > 10, `${step} steps`);
    t.comment(`${step} steps`);
  });
}
