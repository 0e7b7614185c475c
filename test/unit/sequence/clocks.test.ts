import t from 'tap';
import { LamportClock } from '../../../src/sequence/lamport.js';
import { Snowflake } from '../../../src/sequence/snowflake.js';
import { EPOCH_MS } from '../../../src/store/message-id.js';
import { seeded } from '../../support/random.js';
import { parseSnowflake } from '../../support/snowflake.js';

t.test('ids are what the layout says', async (t) => {
  const ids = new Snowflake(517, 0);
  const now = EPOCH_MS + 123_456_789_012;
  for (let i = 0; i < 3; i++) t.strictSame(parseSnowflake(ids.next(now)), { timestamp: now, worker: 517, counter: i });
  t.equal(ids.timestamp, now);
  for (const worker of [-1, 1024, 1.5, NaN]) t.throws(() => new Snowflake(worker, 0), { code: 'SLUICE_INVALID' });
});

t.test('ids only rise, whatever the clock does and however many there are in a millisecond', async (t) => {
  for (let seed = 1; seed <= 20; seed++) {
    const { next } = seeded(seed);
    const ids = new Snowflake(Math.floor(next() * 1024), EPOCH_MS + Math.floor(next() * 1e11));
    let now = EPOCH_MS + next() * 2e11;
    let last = -1n;
    for (let i = 0; i < 20_000; i++) {
      const what = next();
      if (what < 0.001) now -= next() * 100_000;
      else if (what < 0.01) now += next() * 50;
      const before = ids.timestamp;
      const id = BigInt(ids.next(now));
      const parsed = parseSnowflake(String(id));
      if (id <= last || parsed.timestamp !== ids.timestamp || ids.timestamp < before)
        return t.fail(`seed ${seed}, id ${i}: ${id} after ${last}`);
      last = id;
    }
  }
  t.pass();
});

t.test('the 4,097th id of a millisecond borrows from the next', async (t) => {
  const ids = new Snowflake(1, 0);
  const now = EPOCH_MS + 1_000_000;
  const seen = new Set<string>();
  for (let i = 0; i < 10_000; i++) seen.add(ids.next(now));
  t.equal(seen.size, 10_000);
  t.equal(ids.timestamp, now + 2);
  t.strictSame(parseSnowflake(ids.next(now + 3)), { timestamp: now + 3, worker: 1, counter: 0 });
});

t.test('a new process starts above the last timestamp', async (t) => {
  const now = EPOCH_MS + 5_000_000;
  const before = BigInt(new Snowflake(1, 0).next(now + 10_000));
  t.ok(BigInt(new Snowflake(1, now + 10_000).next(now)) > before);
});

t.test('lamport: above everything seen and everything given', async (t) => {
  const now = Date.now();
  for (let seed = 1; seed <= 20; seed++) {
    const { next } = seeded(seed);
    const clock = new LamportClock(Math.floor(next() * 1e6));
    for (let i = 0; i < 2000; i++) {
      const received = Math.floor(next() * 2e6);
      const before = clock.value;
      const stamp = clock.stamp(received, now);
      if (stamp !== Math.max(before, received) + 1) return t.fail(`seed ${seed}: max(${before}, ${received}) + 1 is not ${stamp}`);
    }
  }
  t.pass();
});

t.test('lamport: what is absurd counts as not received', async (t) => {
  const now = Date.now();
  const clock = new LamportClock(10);
  for (const received of [NaN, Infinity, -5, 1e300, Number.MAX_SAFE_INTEGER, 2 ** 60, LamportClock.ceiling(now) + 1, 12.5])
    clock.stamp(received, now);
  t.equal(clock.value, 18);
  t.equal(clock.stamp(LamportClock.ceiling(now), now), LamportClock.ceiling(now) + 1);
  t.equal(clock.stamp(Number.MAX_SAFE_INTEGER, now), LamportClock.ceiling(now) + 2);
});
