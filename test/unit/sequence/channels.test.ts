import t from 'tap';
import { LmdbMessageLog } from '../../../src/store/log/lmdb-message-log.js';
import { ChannelRegistry } from '../../../src/sequence/channels.js';
import { RecentKeys } from '../../../src/sequence/dedupe.js';
import { entries } from '../store/entries.js';

t.test('channels are opened once, found by id, and forgotten when idle', async (t) => {
  const log = new LmdbMessageLog({ folder: t.testdir() });
  t.teardown(() => log.close());
  let now = 1_750_000_000_000;
  const ephemeral = (name: string): boolean => name.startsWith('~');
  const channels = new ChannelRegistry({ log, ephemeral, clocked: () => false, now: () => now, idleMs: 1000 });
  t.equal(channels.find('a'), null);
  const a = channels.open('a"1');
  t.equal(a.nameJson, '"a\\"1"');
  t.equal(channels.open('a"1'), a);
  t.equal(channels.byId(a.id), a);
  await log.append(entries(a.id, 1, 3));
  for (let i = 0; i < 100; i++) channels.open(`c${i}`);
  const kept = channels.open('kept');
  const busy = channels.open('busy');
  busy.sequencedSeq++;
  now += 2000;
  const fresh = channels.open('fresh');
  let removed = 0;
  for (let i = 0; i < 20; i++) removed += channels.sweep(10, (channel) => channel === kept);
  t.equal(removed, 101);
  t.strictSame([kept, busy, fresh].map(({ id }) => channels.byId(id)?.name), ['kept', 'busy', 'fresh']);
  t.equal(channels.size, 3);
  const again = channels.find('a"1')!;
  t.not(again, a);
  t.match(
    { id: again.id, epoch: again.epoch, seq: again.publishedSeq, oldest: again.oldestSeq },
    { id: a.id, epoch: a.epoch, seq: 3, oldest: 1 },
  );
});

t.test('each life of an ephemeral channel starts above the last, in its own epoch', async (t) => {
  const log = new LmdbMessageLog({ folder: t.testdir() });
  t.teardown(() => log.close());
  let now = 1_750_000_000_000;
  const channels = new ChannelRegistry({ log, ephemeral: () => true, clocked: () => false, now: () => now, idleMs: 10 });
  const first = channels.open('x');
  first.sequencedSeq += 100;
  first.publishedSeq += 100;
  now += 1000;
  t.equal(channels.sweep(10, () => false), 1);
  const second = channels.open('x');
  t.equal(second.id, first.id);
  t.not(second.epoch, first.epoch);
  t.ok(second.sequencedSeq > first.sequencedSeq);
});

t.test('recent keys: bounded, and at least as many as promised', async (t) => {
  const keys = new RecentKeys<number>(10);
  for (let i = 0; i < 100; i++) {
    keys.set(RecentKeys.key(1, 'ann', `k${i}`), i);
    for (let back = 0; back < 10 && back <= i; back++) t.equal(keys.get(RecentKeys.key(1, 'ann', `k${i - back}`)), i - back);
    t.ok(keys.size <= 20);
  }
  t.not(RecentKeys.key(1, 'ab', 'c'), RecentKeys.key(1, 'a', 'bc'));
});
