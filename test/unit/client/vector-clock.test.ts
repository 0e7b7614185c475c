import t from 'tap';
import { messageOf } from '../../../src/client/messages.js';
import { ChannelClock, clockFields, relationOf } from '../../../src/client/vector-clock.js';
import type { Message } from '../../../src/client/types.js';

function message(from: string, seq: number, clock: object | null, channel = 'doc'): Message {
  const header = { op: 'msg', channel, id: String(seq), server_seq: seq, server_ts: 1, lamport: 1, from };
  return messageOf({ op: 'msg', header: clock === null ? header : { ...header, clock }, body: '' }) as Message;
}

t.test('ordered where one author had been given the other\'s message, else concurrent', async (t) => {
  const first = message('ann', 1, {});
  const answer = message('bob', 2, { ann: 1 });
  const apart = message('cat', 3, {});
  t.equal(relationOf(first, answer), 'before');
  t.equal(relationOf(answer, first), 'after');
  t.equal(relationOf(first, apart), 'concurrent');
  t.equal(relationOf(apart, answer), 'concurrent');
  t.equal(relationOf(answer, answer), 'same');
  t.equal(relationOf(first, message('ann', 4, {})), 'before', 'a sender\'s own messages are ordered');
  t.equal(relationOf(message('cat', 3, {}), message('ann', 5, { bob: 2, cat: 3 })), 'before');
});

t.test('where there is nothing to tell it from, nothing is told', async (t) => {
  t.equal(relationOf(message('ann', 1, {}), message('ann', 2, null)), null);
  t.equal(relationOf(message('ann', 1, {}), message('ann', 2, {}, 'other')), null);
});

t.test('a message cannot claim to come after what is behind it', async (t) => {
  const liar = message('bob', 5, { ann: 1000, cat: Number.MAX_SAFE_INTEGER });
  t.equal(relationOf(message('ann', 6, {}), liar), 'concurrent');
  t.equal(relationOf(message('ann', 4, {}), liar), 'before', 'what it says of those before it counts');
  const clock = new ChannelClock();
  clock.receive(liar);
  t.same([...clock.value], [['ann', 4], ['cat', 4], ['bob', 5]], 'and nobody carries it on');
});

t.test('a clock that is none is not believed', async (t) => {
  for (const clock of ['x', 7, true]) t.equal(message('ann', 2, clock as never).clock, null);
  t.same([...(message('ann', 9, { bob: 'x', cat: 1.5, dan: 3 }).clock ?? [])], [['dan', 3], ['ann', 9]]);
});

t.test('what was given adds up, goes into the next publish, and ends with the life of the channel', async (t) => {
  const clock = new ChannelClock();
  t.same(clockFields(clock.value), {});
  clock.receive(message('ann', 1, {}));
  clock.receive(message('bob', 4, { ann: 1, cat: 3 }));
  clock.receive(message('cat', 2, {}));
  t.same(clockFields(clock.value), { clock: { ann: 1, bob: 4, cat: 3 } });
  clock.receive(message('dan', 9, null));
  t.equal(clock.value.size, 3, 'a message without a clock says nothing');
  clock.clear();
  t.equal(clock.value.size, 0);
});

t.test('the clock of a crowd stays bounded', async (t) => {
  const clock = new ChannelClock();
  for (let i = 1; i <= 10_000; i += 1) clock.receive(message(`u${i}`, i, {}));
  t.ok(clock.value.size <= 128);
});
