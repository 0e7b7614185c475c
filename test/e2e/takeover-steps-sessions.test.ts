/** The death of the control plane at any step: sessions, and devices that sync. */
import { RawClient } from '../support/raw-client.js';
import { account, exhaust, range, type Scenario } from '../support/takeover-steps.js';
import { until } from '../support/wait.js';

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

exhaust({ resuming, syncing });
