import t from 'tap';
import { TailChannels } from '../../../src/store/log/tail-channels.js';
import { InternalError } from '../../../src/errors.js';

t.test('messages of channels that alternate are found by channel, in order', async (t) => {
  const channels = new TailChannels();
  // More than the columns begin with.
  for (let message = 0; message < 3000; message++) channels.add(message % 3, 10 + Math.floor(message / 3), message);
  t.same([...channels.ids()], [0, 1, 2]);
  const channel = channels.get(1)!;
  t.match(channel, { firstSeq: 10, count: 1000 });
  t.same(channels.messagesOf(channel).slice(0, 3), [1, 4, 7]);
  t.equal(channels.listOf(channel).at(-1), 2998);
  channels.add(1, 1010, 3000);
  t.equal(channels.messagesOf(channel).at(-1), 3000, 'what came since the last reading is there');
  t.equal(channels.get(3), undefined);
  t.throws(() => channels.add(1, 1012, 3001), InternalError, 'a hole');
});

t.test('a life that begins has nothing of the one before, and takes nothing from who still reads that', async (t) => {
  const channels = new TailChannels();
  channels.add(7, 1, 0);
  channels.add(7, 2, 1);
  const before = channels.messagesOf(channels.get(7)!);
  channels.clear();
  t.same([[...channels.ids()], channels.get(7)], [[], undefined]);
  channels.add(8, 5, 0);
  channels.add(9, 1, 1);
  channels.add(8, 6, 2);
  t.same(channels.messagesOf(channels.get(8)!), [0, 2]);
  t.match(channels.get(8), { firstSeq: 5, count: 2 });
  t.same(before, [0, 1]);
});
