import t from 'tap';
import { ReplayPace } from '../../../src/sync/replay-pace.js';

t.test('replays stand still while publishes wait for their commit', async (t) => {
  const pace = new ReplayPace();
  t.equal(pace.wait(false, 0), 0);
  t.ok(pace.wait(true, 10) > 0);
  t.ok(pace.wait(true, 11) > 0, 'asked again they still do');
  t.equal(pace.wait(false, 12), 0, 'and go on when it is done');
  t.ok(pace.wait(true, 100) > 0, 'the next commit is waited for anew');
});

t.test('they are not starved by publishers that never stop', async (t) => {
  const pace = new ReplayPace();
  let turns = 0;
  for (let now = 0; now < 1000; now += 0.5) if (pace.wait(true, now) === 0) turns += 1;
  t.ok(turns >= 200, `${turns} turns in a second`);
  t.ok(turns <= 500, 'and others have most of the time');
});

t.test('what is left to wait gets less', async (t) => {
  const pace = new ReplayPace();
  const first = pace.wait(true, 50);
  t.equal(pace.wait(true, 51), first - 1);
  t.equal(pace.wait(true, 50 + first), 0);
});
