import t from 'tap';
import { Subscriptions } from '../../../src/session/subscriptions.js';
import { seeded } from '../../support/random.js';

function channelsOf(subscriptions: Subscriptions, row: number): number[] {
  const channels: number[] = [];
  subscriptions.channelsOf(row, (channel) => channels.push(channel));
  return channels.sort((a, b) => a - b);
}

t.test('agrees with a model under random operations', async (t) => {
  const rows = 20;
  const subscriptions = new Subscriptions(rows);
  const model = new Map<string, readonly [number, number]>();
  const { below: random } = seeded(99);
  for (let step = 0; step < 30_000; step += 1) {
    const row = random(rows);
    const channel = random(600);
    const key = `${row}/${channel}`;
    const node = subscriptions.find(row, channel);
    if (node >= 0 !== model.has(key)) t.fail(`step ${step}: wrong about ${key}`);
    if (random(500) === 0) {
      subscriptions.removeRow(row);
      for (const [name, [of]] of model) if (of === row) model.delete(name);
    } else if (node >= 0) {
      subscriptions.remove(node);
      model.delete(key);
    } else {
      subscriptions.setLiveFrom(subscriptions.add(row, channel), step);
      model.set(key, [row, channel]);
    }
  }
  t.equal(subscriptions.count, model.size);
  for (let row = 0; row < rows; row += 1) {
    const expected = [...model.values()].filter(([of]) => of === row).map(([, channel]) => channel).sort((a, b) => a - b);
    t.same(channelsOf(subscriptions, row), expected);
    t.equal(subscriptions.countOfRow(row), expected.length);
  }
  for (let channel = 0; channel < 600; channel += 1) {
    const expected = [...model.values()].filter(([, of]) => of === channel).map(([row]) => row).sort((a, b) => a - b);
    if (subscriptions.countOfChannel(channel) !== expected.length) t.fail(`count of channel ${channel}`);
    if (String(subscriptions.membersOf(channel, Infinity).sort((a, b) => a - b)) !== String(expected)) t.fail(`members of ${channel}`);
  }
});

t.test('members are limited, unknown channels empty', async (t) => {
  const subscriptions = new Subscriptions(8);
  for (let row = 0; row < 8; row += 1) subscriptions.add(row, 1000);
  t.equal(subscriptions.membersOf(1000, 3).length, 3);
  t.equal(subscriptions.countOfChannel(1000), 8);
  t.same(subscriptions.membersOf(1_000_000, 3), []);
  t.equal(subscriptions.countOfChannel(1_000_000), 0);
});

t.test('liveFrom keeps the low 32 bits and starts at 0', async (t) => {
  const subscriptions = new Subscriptions(1);
  const node = subscriptions.add(0, 0);
  t.equal(subscriptions.liveFrom(node), 0);
  subscriptions.setLiveFrom(node, 2 ** 33 + 5);
  t.equal(subscriptions.liveFrom(node), 5);
  subscriptions.remove(node);
  t.equal(subscriptions.liveFrom(subscriptions.add(0, 1)), 0);
});

t.test('rows with few and with many subscriptions find theirs, whichever way they went from one to the other', async (t) => {
  const subscriptions = new Subscriptions(4);
  const random = seeded(11);
  const has = [new Set<number>(), new Set<number>(), new Set<number>(), new Set<number>()];
  for (let step = 0; step < 4000; step += 1) {
    const row = random.below(4);
    const mine = has[row] as Set<number>;
    const channel = random.below(30);
    const node = subscriptions.find(row, channel);
    if (node >= 0 !== mine.has(channel)) return t.fail(`step ${step}: channel ${channel} of row ${row}`);
    // Now and then nearly all go, so that rows pass the border both ways.
    if (node >= 0 && random.below(step % 500 < 250 ? 4 : 2) > 0) {
      subscriptions.remove(node);
      mine.delete(channel);
    } else if (node < 0) {
      subscriptions.add(row, channel);
      mine.add(channel);
    }
    const listed: number[] = [];
    subscriptions.channelsOf(row, (each) => listed.push(each));
    if (listed.length !== mine.size || !listed.every((each) => mine.has(each))) return t.fail(`step ${step}: list of row ${row}`);
  }
  t.equal(subscriptions.count, has.reduce((sum, { size }) => sum + size, 0));
});
