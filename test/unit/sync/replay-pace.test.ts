import t from 'tap';
import { ReplayPace } from '../../../src/sync/replay-pace.js';

/** Milliseconds of `total` in which replays may work, for one who asks every tenth of a millisecond. */
function working(pace: ReplayPace, committing: boolean, total: number): number {
  let ticks = 0;
  for (let tick = 0; tick < total * 10; tick++) if (pace.wait(committing, tick / 10) === 0) ticks += 1;
  return ticks / 10;
}

t.test('who reads alone is not held up', async (t) => {
  t.equal(working(new ReplayPace(), false, 100), 100);
});

t.test('a commit begins with a rest', async (t) => {
  const pace = new ReplayPace();
  t.equal(pace.wait(false, 0), 0);
  t.ok(pace.wait(true, 10) > 0);
  t.ok(pace.wait(true, 10.5) > 0, 'asked again they still do');
  t.equal(pace.wait(false, 10.6), 0, 'and go on when it is done');
  t.ok(pace.wait(true, 100) > 0, 'the next commit is waited for anew');
});

t.test('beside publishers that never stop a reader has a share, and most of the time is theirs', async (t) => {
  const share = working(new ReplayPace(), true, 1000) / 1000;
  t.ok(share >= 0.15 && share <= 0.25, `${share} of the time`);
});

t.test('a turn while publishes wait is short', async (t) => {
  const pace = new ReplayPace();
  const free = pace.turnMs;
  const rest = pace.wait(true, 0);
  t.equal(pace.wait(true, rest), 0);
  t.ok(pace.turnMs < free);
  pace.wait(false, rest + 1);
  t.equal(pace.turnMs, free);
});

t.test('what is left to rest gets less', async (t) => {
  const pace = new ReplayPace();
  const first = pace.wait(true, 50);
  t.equal(pace.wait(true, 50 + first / 2), first / 2);
  t.equal(pace.wait(true, 50 + first), 0);
});
