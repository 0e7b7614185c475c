import t from 'tap';
import { LmdbMessageLog } from '../../../src/store/log/lmdb-message-log.js';
import { LmdbEnv, LOG_TABLES } from '../../../src/store/lmdb-env.js';
import { KeyHash } from '../../../src/store/key-hash.js';
import { addToFilter, bucketOf, filterHas, FILTER_BYTES } from '../../../src/store/log/key-run.js';
import { entry } from './entries.js';

t.test('hashes of keys spread, and do not depend on where the key ends and the sender begins', async (t) => {
  const hash = new KeyHash({ high: 1, low: 2 });
  const seen = new Set<string>();
  const buckets = new Uint32Array(64);
  for (let i = 0; i < 100_000; i++) {
    const { high, low } = hash.of(i % 50, `user-${i % 7}`, `run-${i % 64}-${i}`);
    seen.add(`${high}/${low}`);
    buckets[bucketOf(high, 0)]!++;
  }
  t.equal(seen.size, 100_000);
  const worst = Math.max(...buckets) / (100_000 / 64);
  t.ok(worst < 1.15, `the fullest bucket has ${worst.toFixed(2)} times its share`);
  const pair = ({ high, low }: KeyHash): string => `${high}/${low}`;
  t.not(pair(hash.of(1, 'ab', 'c')), pair(hash.of(1, 'a', 'bc')));
  t.not(pair(hash.of(1, 'a', 'b')), pair(hash.of(2, 'a', 'b')));
  t.not(pair(new KeyHash({ high: 3, low: 2 }).of(1, 'a', 'b')), pair(hash.of(1, 'a', 'b')));
});

t.test('a filter forgets no key and seldom sees one that is not there', async (t) => {
  const hash = new KeyHash({ high: 5, low: 6 });
  const filter = new Uint8Array(FILTER_BYTES);
  for (let i = 0; i < 312; i++) addToFilter(filter, 0, hash.of(1, 's', `k${i}`).low);
  for (let i = 0; i < 312; i++) if (!filterHas(filter, 0, hash.of(1, 's', `k${i}`).low)) t.fail(`k${i} is forgotten`);
  let wrong = 0;
  for (let i = 0; i < 100_000; i++) if (filterHas(filter, 0, hash.of(1, 's', `other${i}`).low)) wrong++;
  t.ok(wrong < 200, `${wrong} of 100,000`);
});

t.test('keys are found through merges of two levels and restarts', { timeout: 120_000 }, async (t) => {
  const folder = t.testdir();
  const options = { folder, tailMessages: 60 };
  let log = new LmdbMessageLog(options);
  const channels = ['a', 'b', 'c'].map((name) => log.openChannel(name).id);
  const keyOf = (n: number): string => `${((n * 7919) % 1_000_003).toString(36)}-${n}`;
  const heads = [0, 0, 0];
  const want: { readonly channel: number; readonly key: string; readonly seq: number }[] = [];
  for (let n = 0; n < 6000;) {
    const batch = Array.from({ length: 30 }, () => {
      const at = n % channels.length;
      const key = keyOf(n++);
      const seq = ++heads[at]!;
      want.push({ channel: channels[at]!, key, seq });
      return entry(channels[at]!, seq, { key, sender: `s${seq % 5}` });
    });
    await log.append(batch);
    if (n % 1500 !== 0) continue;
    await log.close();
    log = new LmdbMessageLog(options);
  }
  const lost = want.filter(({ channel, key, seq }) => log.findByKey(channel, `s${seq % 5}`, key)?.seq !== seq);
  t.strictSame(lost, []);
  t.equal(want.filter(({ channel, key, seq }) => log.findByKey(channel, `s${(seq + 1) % 5}`, key) !== null).length, 0);
  await log.close();
});

t.test('runs do not heap up where a generation moves in one commit', { timeout: 120_000 }, async (t) => {
  const folder = t.testdir();
  const log = new LmdbMessageLog({ folder, tailMessages: 16 });
  const { id } = log.openChannel('large');
  for (let seq = 1; seq <= 16 * 600; seq += 16) {
    await log.append(Array.from({ length: 16 }, (_, i) => entry(id, seq + i, { key: `k${seq + i}` })));
  }
  await log.close();
  const env = new LmdbEnv({ folder, file: 'log.mdb', names: LOG_TABLES, what: 'message log', mapBytes: 2 ** 30 });
  const { runs } = JSON.parse(env.tables.meta.getBinary(Buffer.from('runs'))!.toString()) as { runs: { level: number }[] };
  await env.close();
  // Of each of three levels eight, those that a merge is at, and what comes meanwhile.
  t.ok(runs.length < 64, `${runs.length} runs`);
});
