import t from 'tap';
import { vectorClockJson } from '../../../src/sequence/vector-clock.js';

t.test('the author\'s own entry is left out: it is the number that the message gets', async (t) => {
  t.equal(vectorClockJson({ ann: 4, bob: 7 }, 'ann', 16), '{"bob":7}');
  t.equal(vectorClockJson({ ann: 4 }, 'ann', 16), '{}');
  for (const none of [undefined, null, {}]) t.equal(vectorClockJson(none, 'ann', 16), '{}');
});

t.test('any name is a sender', async (t) => {
  const clock = JSON.parse('{"__proto__":1,"constructor":2,"ü\\"":3}') as object;
  t.same(JSON.parse(vectorClockJson(clock, 'ann', 16) as string), clock);
  t.equal(vectorClockJson(clock, 'ann', 16), '{"__proto__":1,"constructor":2,"ü\\"":3}');
});

t.test('what is no clock is told so', async (t) => {
  const bad = [1, 'x', true, [], [1], { bob: '1' }, { bob: 0 }, { bob: -1 }, { bob: 1.5 }, { bob: 2 ** 53 }, { bob: null }, { '': 1 }];
  for (const value of bad) t.match(vectorClockJson(value, 'ann', 16), { tooMany: false, message: /clock must be/ }, JSON.stringify(value));
});

t.test('more senders than the limit are refused with the reason', async (t) => {
  const others = (count: number): object => Object.fromEntries(Array.from({ length: count }, (_, i) => [`u${i}`, i + 1]));
  t.type(vectorClockJson(others(15), 'ann', 16), 'string', 'fifteen and the author');
  t.match(vectorClockJson(others(16), 'ann', 16), { tooMany: true, message: /17 senders, and limits\.clockSenders is 16.*small groups/ });
  t.type(vectorClockJson({ ...others(15), ann: 9 }, 'ann', 16), 'string', 'the author is counted once');
});
