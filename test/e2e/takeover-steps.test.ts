/** The death of the control plane at any step: publishing and subscribing. */
import { RawClient } from '../support/raw-client.js';
import { account, exhaust, range, type Scenario } from '../support/takeover-steps.js';
import { until } from '../support/wait.js';

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

exhaust({ publishing, subscribing, ephemeral });
