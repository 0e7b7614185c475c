/** The death of the control plane at any step: a consumer that stops reading, falls behind and is caught up. */
import t from 'tap';

import { RawClient } from '../support/raw-client.js';
import { account, exhaust, range, type Scenario } from '../support/takeover-steps.js';
import { until } from '../support/wait.js';

/** More than the kernel keeps of what is not read. */
const MESSAGES = 16;
/** Fewer at once than the arena has room for before they are published. */
const AT_ONCE = 8;
const BODY = 'z'.repeat(1_000_000);

/** How much the kernel keeps is its own affair, so not every play needs to come that far. */
let lagged = 0;

const lagging: Scenario = async (world, watch) => {
  const reader = await RawClient.connect(world.url);
  watch(reader);
  reader.send({ op: 'sub', id: 1, channel: 'c' });
  await until('sub', () => reader.answers.length === 1);
  reader.pause();
  const writer = await RawClient.connect(world.url);
  watch(writer);
  await until('welcome', () => writer.others.length > 0);
  for (let id = 1; id <= MESSAGES; id++) {
    writer.send({ op: 'pub', id, channel: 'c', key: `k${id}` }, BODY);
    if (id % AT_ONCE === 0) await until('answers', () => writer.answers.length >= id);
  }
  lagged += world.counter('lagging');
  reader.resume();
  await until('what it lacked', () => reader.delivered.length >= MESSAGES);
  writer.send({ op: 'pub', id: MESSAGES + 1, channel: 'c', key: 'live' }, 'x');
  await until('live again', () => reader.delivered.length > MESSAGES && writer.answers.length > MESSAGES);
  return () => [
    ...account(reader, [1], range(1, MESSAGES + 1)),
    ...account(writer, range(1, MESSAGES + 1), []),
  ];
};

exhaust({ lagging }, { sendBudget: 65_536, maxMessage: 2 ** 20, arenaBytes: 2 ** 26 });

t.test('the reader has fallen behind', async (t) => {
  t.ok(lagged > 0, `${lagged} times`);
});
