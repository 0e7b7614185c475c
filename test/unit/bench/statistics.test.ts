import t from 'tap';

import { median, pairedRatios, rotate, summarize } from '../../../build/bench/lib/statistics.js';

t.test('median of odd, even and no values', async (t) => {
  t.equal(median([3, 1, 2]), 2);
  t.equal(median([4, 1, 3, 2]), 2.5);
  t.ok(Number.isNaN(median([])));
});

t.test('a summary says how far the rounds lie apart', async (t) => {
  const summary = summarize([90, 100, 120]);
  t.match(summary, { rounds: 3, median: 100, min: 90, max: 120 });
  t.equal(summary.spread, 0.3);
});

t.test('ratios pair rounds, not medians', async (t) => {
  // The machine was half as fast in round 1: both arms halve, the ratio stays.
  const arm = new Map([[0, 300], [1, 150], [2, 300]]);
  const base = new Map([[0, 200], [1, 100]]);
  t.same(pairedRatios(arm, base), [1.5, 1.5], 'a round that the base lacks is left out');
});

t.test('rotation lets every arm begin, and follow every other', async (t) => {
  const arms = ['a', 'b', 'c'];
  const laps = [0, 1, 2, 3, 4, 5].map((round) => rotate(arms, round));
  for (const lap of laps) t.same([...lap].sort(), arms, 'each arm once a round');
  t.same(laps.slice(0, 3).map((lap) => lap[0]), arms);
  const followers = new Set(laps.flatMap((lap) => lap.slice(1).map((arm, i) => `${lap[i]}${arm}`)));
  t.equal(followers.size, 6, 'all ordered pairs occur');
  t.same(rotate([], 3), []);
});
