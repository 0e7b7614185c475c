/** What is neither a message nor an answer, and has to outlive a control plane all the same. */
import t, { type Test } from 'tap';

import { MemoryLog } from '../support/memory-log.js';
import { RawClient } from '../support/raw-client.js';
import { TakeoverWorld } from '../support/takeover-world.js';
import { until } from '../support/wait.js';
import { writeDelivery } from '../../src/sequence/frame.js';
import type { SessionRecord } from '../../src/store/sessions/session-store.js';
import type { LogEntry } from '../../src/store/types.js';

async function start(t: Test): Promise<TakeoverWorld> {
  const world = new TakeoverWorld();
  t.teardown(() => world.end());
  await world.attach(Infinity);
  return world;
}

async function connect(t: Test, world: TakeoverWorld, hello: Record<string, unknown> = {}): Promise<RawClient> {
  const client = await RawClient.connect(world.url, hello);
  t.teardown(() => client.close());
  await until('welcome', () => client.others.length > 0);
  return client;
}

async function publish(client: RawClient, ids: readonly number[]): Promise<void> {
  for (const id of ids) client.send({ op: 'pub', id, channel: 'c', key: `k${id}` }, 'x');
  await until('acknowledgements', () => ids.every((id) => client.answers.some((answer) => answer.id === id)));
}

function record(world: TakeoverWorld, client: RawClient): SessionRecord {
  return world.sessions.records.get(String(client.others[0]?.['session'])) as SessionRecord;
}

t.setTimeout(590_000);

t.test('a device that tells how far it has a channel gets the rest after a takeover', async (t) => {
  const world = await start(t);
  const client = await connect(t, world, { device: 'd' });
  client.send({ op: 'sub', id: 1, channel: 'c' });
  await publish(client, [2, 3, 4]);
  client.send({ op: 'seen', channel: 'c', seq: 1 });
  await until('what was told is stored', () => record(world, client).cursors.some(({ told }) => told));
  await world.takeOver();
  await publish(client, [5]);
  client.close();
  await until('the lease is given up', () => record(world, client).owner === null);
  t.equal(record(world, client).cursors[0]?.seq, 1, 'not what it was sent');
  const again = await connect(t, world, { resume: client.others[0]?.['resume'] });
  await until('the rest', () => again.delivered.length >= 3);
  t.same(again.delivered.map(({ seq }) => seq), [2, 3, 4]);
});

t.test('a client that subscribes to what its session brought before the takeover gets nothing twice', async (t) => {
  const world = await start(t);
  const writer = await connect(t, world);
  const first = await connect(t, world);
  first.send({ op: 'sub', id: 1, channel: 'c' });
  await until('sub', () => first.answers.length === 1);
  await publish(writer, [2]);
  await until('live', () => first.delivered.length === 1);
  first.close();
  await until('the lease is given up', () => record(world, first).owner === null);
  await publish(writer, [3, 4]);
  const resumed = await connect(t, world, { resume: first.others[0]?.['resume'] });
  await until('the delta', () => resumed.delivered.length === 2);
  await world.takeOver();
  resumed.send({ op: 'sub', id: 1, channel: 'c', since: { seq: 1 } });
  await until('sub', () => resumed.answers.length === 1);
  await publish(writer, [5]);
  await until('live again', () => resumed.delivered.some(({ seq }) => seq === 4));
  t.same(resumed.delivered.map(({ seq }) => seq), [2, 3, 4]);
});

t.test('the store learns what the engine knows of subscriptions', async (t) => {
  const world = await start(t);
  const client = await connect(t, world);
  client.send({ op: 'sub', id: 1, channel: 'c' });
  await until('stored', () => record(world, client).cursors.length === 1);
  const { id, cursors } = record(world, client);
  const [cursor] = cursors;
  // As if the former control plane had died before it told the store of a `sub` to one channel and of an `unsub` from another.
  world.sessions.records.set(id, { ...record(world, client), cursors: [{ ...cursor!, channel: 'left' }] });
  await world.takeOver();
  const subscribed = (): string[] => record(world, client).cursors.flatMap((each) => (each.subscribed ? [each.channel] : []));
  await until('the store is in line', () => subscribed().join() === 'c');
  t.same(subscribed(), ['c']);
});

/** Appends a message that nobody was sent: its control plane died behind the commit. */
async function appendUnsent({ log }: TakeoverWorld, channel: string, seq: number): Promise<void> {
  const { id: channelId } = log.openChannel(channel);
  const line = JSON.stringify({ op: 'msg', channel, id: `${seq}`, server_seq: seq });
  const memory = Buffer.alloc(512);
  const length = writeDelivery(memory, 0, line, line.length, 0, true);
  const message = { channelId, seq, id: `${seq}`, serverTs: 1, lamport: 1, sender: 's', key: `unsent ${seq}` };
  await log.append([{ ...message, memory, address: 0, length }]);
}

t.test('a takeover with many channels looks at few of them, and all get what they were not sent yet', async (t) => {
  const world = await start(t);
  const names = Array.from({ length: 60 }, (_, i) => `many-${i}`);
  const reader = await connect(t, world);
  names.forEach((channel, i) => reader.send({ op: 'sub', id: i, channel }));
  await until('subscriptions', () => reader.answers.length === names.length);
  world.life.end();
  for (const channel of names) await appendUnsent(world, channel, 1);
  const { log } = world;
  const newest = names[0]!;
  t.intercept(log, 'recentHead', { value: (id: number) => (id === log.openChannel(newest).id ? 1 : null) });
  const adopted = new Set<string>();
  t.intercept(log, 'adoptChannel', {
    value: (name: string, id: number) => MemoryLog.prototype.adoptChannel.call(log, adopted.add(name) && name, id),
  });
  world.bury();
  await world.attach(Infinity, false);
  t.ok(adopted.size < 20, `${adopted.size} of ${names.length}`);
  const heard = (channel: string): number[] => reader.delivered.filter((each) => each.channel === channel).map(({ seq }) => seq);
  await until('what is newest', () => heard(newest).length === 1);
  const [asked, left] = names.filter((name) => !adopted.has(name)) as [string, string];
  t.same([heard(asked), heard(left)], [[], []]);
  reader.send({ op: 'pub', id: 100, channel: asked, key: 'k' }, 'x');
  await until('what is older comes first', () => heard(asked).length === 2);
  t.same(heard(asked), [1, 2]);
  void world.settle();
  await until('the others', () => names.every((name) => heard(name).length >= 1));
  t.same(names.filter((name) => heard(name).length !== (name === asked ? 2 : 1)), []);
});

t.test('what has piled up is not all done before the first of it is answered', async (t) => {
  const world = await start(t);
  const clients = await Promise.all(Array.from({ length: 4 }, () => connect(t, world)));
  world.life.end();
  world.bury();
  const each = 80;
  for (let id = 0; id < each; id++) {
    for (const [i, client] of clients.entries()) client.send({ op: 'pub', id, channel: 'c', key: `${i}-${id}` }, 'x');
  }
  const held = (): number => world.counter('messages_in') - clients.length;
  await until('messages are held', () => held() === clients.length * each);
  const commits: number[] = [];
  t.intercept(world.log, 'append', {
    value: (entries: readonly LogEntry[]) => {
      commits.push(entries.length);
      return MemoryLog.prototype.append.call(world.log, entries);
    },
  });
  await world.attach(Infinity);
  await until('answers', () => clients.every(({ answers }) => answers.length === each));
  t.ok(commits[0]! <= 64, `first ${commits[0]} of ${clients.length * each}`);
  t.equal(commits.reduce((sum, count) => sum + count), clients.length * each);
});
