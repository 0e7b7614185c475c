/** The death of the control plane at any step: what an operator asks for. */
import type { AdminBackend } from '../../src/admin/backend.js';
import { RawClient } from '../support/raw-client.js';
import { account, exhaust, range, type Scenario } from '../support/takeover-steps.js';
import { type TakeoverWorld } from '../support/takeover-world.js';
import { until } from '../support/wait.js';

const POLICY = 1008;
const RESTART = 1012;
const DEADLINE_MS = 50;

/** What an operator does: asked of a control plane that dies before it has answered, it is asked again of the next one. */
async function ask<T>(world: TakeoverWorld, request: (admin: AdminBackend) => Promise<T>): Promise<T> {
  for (;;) {
    const { life } = world;
    let answer: { readonly value: T } | null = null;
    request(world.admin).then((value) => (answer = { value }), () => undefined);
    await until('an answer of the operator\'s', () => life.dead || answer !== null);
    if (!life.dead && answer !== null) return (answer as { readonly value: T }).value;
    await until('the next control plane', () => world.life !== life);
  }
}

const administering: Scenario = async (world, watch) => {
  const reader = await RawClient.connect(world.url);
  watch(reader);
  reader.send({ op: 'sub', id: 1, channel: 'c' });
  await until('sub', () => reader.answers.length === 1);
  const first = await ask(world, (admin) => admin.publish('c', 'operator', 'k1', 'x'));
  reader.send({ op: 'pub', id: 2, channel: 'c', key: 'k2' }, 'x');
  await until('answer', () => reader.answers.length >= 2);
  const third = await ask(world, (admin) => admin.publish('c', 'operator', 'k3', 'x'));
  const again = await ask(world, (admin) => admin.publish('c', 'operator', 'k1', 'x'));
  await until('deliveries', () => reader.delivered.length >= 3);
  const { messages } = await ask(world, (admin) => admin.history('c', { limit: 10 }));
  const { members } = await ask(world, (admin) => admin.presence('c'));
  await ask(world, (admin) => admin.disconnect(members[0] ?? '', POLICY, 'out'));
  await until('the end', () => reader.closed !== null);
  const gone = await ask(world, (admin) => admin.presence('c'));
  return () => {
    const seqs = [first, third, again].map(({ server_seq }) => server_seq).join();
    return [
      ...(seqs === '1,3,1' ? [] : [`published as ${seqs}`]),
      ...(messages.map(({ server_seq }) => server_seq).join() === '1,2,3' ? [] : [`the history is ${JSON.stringify(messages)}`]),
      ...(members.length === 1 && gone.count === 0 ? [] : [`present were ${members.join()}, then ${gone.members.join()}`]),
      ...(reader.closed === POLICY ? [] : [`closed with ${reader.closed}`]),
      ...account(reader, [1, 2], range(1, 3)),
    ];
  };
};

const draining: Scenario = async (world, watch) => {
  const clients = [await RawClient.connect(world.url), await RawClient.connect(world.url)] as const;
  clients.forEach(watch);
  const [reader, writer] = clients;
  reader.send({ op: 'sub', id: 1, channel: 'c' });
  await until('sub', () => reader.answers.length === 1);
  const drained = ask(world, async (admin) => {
    admin.startDrain(DEADLINE_MS, null);
    await until('the drain', () => admin.drainStatus().state === 'drained');
  });
  writer.send({ op: 'pub', id: 1, channel: 'c', key: 'k' }, 'x');
  await drained;
  await until('the end', () => clients.every(({ closed }) => closed !== null));
  const refused = await RawClient.connect(world.url).then((client) => (watch(client), false), () => true);
  return () => [
    ...clients.filter(({ closed }) => closed !== RESTART).map(({ closed }) => `closed with ${closed}`),
    ...clients.filter(({ others }) => !others.some(({ op }) => op === 'drain')).map(({ others }) => `told ${JSON.stringify(others)}`),
    ...(refused ? [] : ['a client was taken behind the drain']),
    ...account(reader, [1], writer.answers.length === 1 ? [1] : []),
  ];
};

exhaust({ administering, draining });
