import t from 'tap';
import { DRAIN, Drain, type DrainOptions } from '../../../src/drain/drain.js';
import { Pace } from '../../../src/drain/pace.js';
import { seeded } from '../../support/random.js';

const PACE = { initial: 200, max: 20_000, full: 0.8 };
const OPTIONS: DrainOptions = { ...PACE, deadlineMs: 60_000, closeTimeoutMs: 5000 };
const TICK_MS = 50;

interface Outcome {
  /** Clients that left in each second. */
  readonly perSecond: number[];
  readonly loads: number[];
  readonly forced: number;
  readonly states: string[];
}

interface World {
  readonly clients: number;
  readonly options?: Partial<DrainOptions>;
  /** Reconnects a second that the receivers bear; null when they report nothing. */
  readonly capacity?: number | null;
  /** Share of the clients that do not obey. */
  readonly deaf?: number;
  readonly seed?: number;
}

/** Clients that go when they are told to, receivers whose load is what came to them lately. */
function simulate({ clients, options = {}, capacity = null, deaf = 0, seed = 1 }: World): Outcome {
  const { below } = seeded(seed);
  const random = (): number => below(1_000_000) / 1_000_000;
  const drain = new Drain();
  const due: number[] = [];
  const isDeaf = Array.from({ length: clients }, () => random() < deaf);
  const there = new Set(due.keys());
  for (let i = 0; i < clients; i += 1) there.add(i);
  const left: number[] = [];
  const outcome = { perSecond: [] as number[], loads: [] as number[], forced: 0, states: [] as string[] };
  let next = 0;
  let load = 0;
  const carryOut = (effects: ReturnType<Drain['tick']>, now: number): void => {
    for (const effect of effects) {
      if (effect.do === 'begin') for (let i = 0; i < clients; i += 1) due[i] = now + random() * effect.windowMs;
      if (effect.do === 'closeAll') {
        outcome.forced += there.size;
        there.clear();
      }
      for (let count = effect.do === 'release' ? effect.count : 0; count > 0 && next < clients; next += 1) {
        if (effect.do !== 'release' || !there.has(next) || due[next]! <= now + effect.withinMs) continue;
        due[next] = now + random() * effect.withinMs;
        count -= 1;
      }
    }
    if (outcome.states.at(-1) !== drain.state) outcome.states.push(drain.state);
  };
  carryOut(drain.begin({ ...OPTIONS, ...options }, clients, 0), 0);
  for (let now = TICK_MS; drain.state !== DRAIN.drained && now < 200_000; now += TICK_MS) {
    for (const client of there) {
      if (isDeaf[client] === true || due[client]! > now) continue;
      there.delete(client);
      left.push(now);
      const second = Math.floor(due[client]! / 1000);
      outcome.perSecond[second] = (outcome.perSecond[second] ?? 0) + 1;
    }
    while ((left[0] ?? Infinity) < now - 1000) left.shift();
    load = capacity === null ? 0 : Math.min(1, left.length / capacity);
    outcome.loads.push(load);
    carryOut(drain.tick(there.size, capacity === null ? null : load, now), now);
  }
  return outcome;
}

const total = ({ perSecond }: Outcome): number => perSecond.reduce((sum, count) => sum + (count ?? 0), 0);

t.test('few clients go at once', async (t) => {
  const outcome = simulate({ clients: 20 });
  t.equal(total(outcome), 20);
  t.same(outcome.states, ['draining', 'drained']);
  t.equal(outcome.perSecond.length, 1, 'within a second');
});

t.test('no client: drained at once', async (t) => {
  const drain = new Drain();
  t.same(drain.begin(OPTIONS, 0, 5).map((effect) => effect.do), ['begin', 'finish']);
  t.equal(drain.state, DRAIN.drained);
  t.same(drain.tick(0, null, 10), []);
});

t.test('a second begin changes nothing', async (t) => {
  const drain = new Drain();
  drain.begin(OPTIONS, 10_000, 0);
  t.same(drain.begin({ ...OPTIONS, deadlineMs: 1 }, 10_000, 10), []);
  t.equal(drain.left(10_000), 50_000);
});

t.test('without reports the pace stays what is configured', async (t) => {
  const outcome = simulate({ clients: 5000 });
  t.equal(total(outcome), 5000);
  t.equal(outcome.forced, 0);
  for (const count of outcome.perSecond.slice(1, -2)) t.ok(count > 150 && count < 260, `${count} in a second`);
});

t.test('no second has more than twice the pace', async (t) => {
  for (let seed = 1; seed <= 50; seed += 1) {
    const { perSecond } = simulate({ clients: 4000, seed });
    const mean = 200;
    for (const [second, count] of perSecond.entries()) if ((count ?? 0) > 2 * mean) t.fail(`${count} in second ${second}, seed ${seed}`);
  }
});

t.test('the deadline is met when there are more clients than the pace lets go', async (t) => {
  const outcome = simulate({ clients: 100_000, options: { deadlineMs: 20_000 } });
  t.equal(outcome.forced, 0);
  t.equal(total(outcome), 100_000);
  const busiest = Math.max(...outcome.perSecond);
  t.ok(busiest < 2 * (100_000 / 16), `${busiest} in the busiest second`);
});

t.test('receivers with room get more, until they have none', async (t) => {
  const outcome = simulate({ clients: 30_000, capacity: 3000 });
  t.equal(outcome.forced, 0);
  t.equal(total(outcome), 30_000);
  t.ok(outcome.perSecond.length < 40, `${outcome.perSecond.length} s instead of 60`);
  t.ok(Math.max(...outcome.perSecond) < 3000 * 1.1, 'and never more than they bear');
  const late = outcome.loads.slice(outcome.loads.length / 2);
  const high = late.filter((load) => load > 0.9).length / late.length;
  t.ok(high < 0.15, `${Math.round(high * 100)}% of the time above 0.9`);
});

t.test('receivers that are full are spared as far as the deadline allows', async (t) => {
  const outcome = simulate({ clients: 4800, capacity: 60 });
  t.equal(outcome.forced, 0);
  // 4,800 in 48 s is what the deadline needs.
  for (const count of outcome.perSecond.slice(5, -2)) t.ok(count < 160, `${count} in a second`);
});

t.test('who does not obey is closed at the deadline', async (t) => {
  const outcome = simulate({ clients: 1000, deaf: 0.1 });
  t.equal(total(outcome) + outcome.forced, 1000);
  t.ok(outcome.forced > 50);
  t.same(outcome.states, ['draining', 'closing', 'drained']);
});

t.test('close handshakes that do not end are not waited for', async (t) => {
  const drain = new Drain();
  drain.begin(OPTIONS, 10, 0);
  t.same(drain.tick(10, null, 60_000), [{ do: 'closeAll' }]);
  t.same(drain.tick(10, null, 64_999), []);
  t.same(drain.tick(10, null, 65_000), [{ do: 'finish' }]);
});

t.test('the pace: additive up, multiplicative down, and patient after it', async (t) => {
  const pace = new Pace(PACE, 0);
  pace.update(null, 1000);
  t.equal(pace.rate, 200);
  pace.update(0.8, 2000);
  pace.update(0.1, 3000);
  t.equal(pace.rate, 400);
  pace.update(0.9, 4100);
  t.equal(pace.rate, 200);
  pace.update(1, 5000);
  t.equal(pace.rate, 200, 'the receivers have not felt it yet');
  pace.update(1, 6100);
  t.equal(pace.rate, 100);
  for (let now = 8200; now < 100_000; now += 2100) pace.update(1, now);
  t.equal(pace.rate, 1, 'never none');
  for (let now = 100_000; now < 10_000_000; now += 1000) pace.update(0, now);
  t.equal(pace.rate, 20_000);
});

t.test('two nodes that drain towards the same receivers come to share them', async (t) => {
  const paces = [new Pace({ ...PACE, initial: 200 }, 0), new Pace({ ...PACE, initial: 200 }, 0)] as const;
  for (let now = 0; now < 20_000; now += 100) paces[0].update(0, now);
  let ratio = 0;
  for (let now = 20_000; now < 200_000; now += 100) {
    const load = (paces[0].rate + paces[1].rate) / 2000;
    for (const pace of paces) pace.update(load, now);
    ratio = paces[0].rate / paces[1].rate;
  }
  t.ok(ratio < 1.5 && ratio > 0.67, `${ratio.toFixed(2)} to 1`);
});

t.test('a node that stood still does not make up for it at a multiple of the pace', async (t) => {
  const drain = new Drain();
  const rate = 50;
  const leaving: number[] = [];
  const take = (effects: ReturnType<Drain['tick']>, now: number): void => {
    for (const effect of effects) {
      if (effect.do !== 'release') continue;
      for (let i = 0; i < effect.count; i += 1) leaving.push(now + ((i + 0.5) / effect.count) * effect.withinMs);
    }
  };
  // So long a deadline that the plan adds next to nothing.
  take(drain.begin({ ...OPTIONS, initial: rate, max: rate, deadlineMs: 3_600_000 }, 5000, 0), 0);
  for (let now = TICK_MS; now < 20_000; now += TICK_MS) {
    if (now % 4000 > 1000) take(drain.tick(5000, 0, now), now);
  }
  for (let from = 0; from < 19_000; from += 50) {
    const count = leaving.filter((at) => at >= from && at < from + 1000).length;
    if (count > rate * 1.5) return t.fail(`${count} in the second from ${from} ms on`);
  }
  t.ok(leaving.length > rate * 12, 'three quarters of the time it ran');
});
