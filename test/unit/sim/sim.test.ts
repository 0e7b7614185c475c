/**
 * Sessions, sequence, sync and drain under faults on virtual time. SLUICE_SIM_SEEDS says how many seeds (300 by default),
 * SLUICE_SIM_SEED where they begin: one seed repeats one run.
 */
import t from 'tap';
import { ChannelClock } from '../../../src/client/vector-clock.js';
import { CLOSE } from '../../../src/errors.js';
import { PortSink } from '../../../src/gateway/delivery/sink.js';
import { FakePort } from '../../support/fake-port.js';
import { MemoryHistory } from '../../support/memory-history.js';
import { MemoryLog } from '../../support/memory-log.js';
import { hunt } from '../../sim/hunt.js';
import { runSeed } from '../../sim/run.js';
import { Claims } from '../../sim/stores.js';

const SEEDS = Number(process.env['SLUICE_SIM_SEEDS'] ?? 300);
const FIRST = Number(process.env['SLUICE_SIM_SEED'] ?? 1);

t.setTimeout(SEEDS * 1000 + 300_000);

t.test(`${SEEDS} seeds`, { timeout: SEEDS * 1000 + 60_000 }, async (t) => {
  const total = { published: 0, deaths: 0, drains: 0, cuts: 0, resumed: 0, coldReads: 0, pairs: 0 };
  for (let seed = FIRST; seed < FIRST + SEEDS; seed += 1) {
    const { problems, published, counts } = await runSeed(seed);
    if (problems.length > 0) t.fail(`seed ${seed}: ${problems.slice(0, 5).join('; ')}`);
    total.published += published;
    for (const name of ['deaths', 'drains', 'cuts', 'resumed', 'coldReads', 'pairs'] as const) total[name] += counts[name];
  }
  t.comment(JSON.stringify(total));
  if (SEEDS < 50) return;
  t.ok(total.deaths > 0 && total.drains > 0 && total.cuts > SEEDS && total.resumed > SEEDS, 'the faults were there');
  t.ok(total.coldReads > SEEDS, 'and the cold tier was read');
  t.ok(total.pairs > SEEDS * 100, 'and vector clocks were compared');
});

t.test('a seed repeats its run', async (t) => {
  const runs = [await runSeed(42), await runSeed(42)];
  t.same(runs[0], runs[1]);
});

t.test('planted bugs are found', { timeout: 240_000 }, async (t) => {
  const { frames } = PortSink.prototype;
  t.match(await hunt(PortSink.prototype, 'frames', function twice(this: PortSink, ...what) {
    frames.apply(this, what);
    frames.apply(this, what);
  }), /doubled/, 'a doubled delivery');

  const { publish } = FakePort.prototype;
  t.match(await hunt(FakePort.prototype, 'publish', function skip(this: FakePort, channel, address, length, seq) {
    if (seq % 17 !== 0) publish.call(this, channel, address, length, seq);
  }), /a hole|up to/, 'a skipped sequence');

  const { claim: right } = Claims.prototype;
  t.match(await hunt(Claims.prototype, 'claim', function unfenced(this: Claims, id, judge) {
    return right.call(this, id, (record) => {
      const claim = judge(record);
      return claim === null || record === null ? null : { ...claim, generation: record.generation };
    });
  }), /own session|generation|took over/, 'a lost lease');

  t.match(await hunt(Claims.prototype, 'claim', function stale(this: Claims, id, judge) {
    return right.call(this, id, (record) => {
      const claim = judge(record);
      return claim === null || record === null ? null : { ...claim, generation: record.generation + 1 };
    });
  }), /was given for/, 'a token that is not exchanged, as its record was lost');

  const { close } = FakePort.prototype;
  t.match(await hunt(FakePort.prototype, 'close', function keep(this: FakePort, row, code, reason) {
    if (code !== CLOSE.sessionTakenOver) close.call(this, row, code, reason);
  }), /another is welcomed/, 'a former connection that stays');

  const { write } = MemoryHistory.prototype;
  t.match(await hunt(MemoryHistory.prototype, 'write', async function forget(this: MemoryHistory, segments) {
    await write.call(this, segments.filter(({ firstSeq }) => firstSeq % 5 !== 0));
  }), /expired|nowhere/, 'messages lost on the way to the cold tier');

  t.match(await hunt(ChannelClock.prototype, 'receive', () => undefined), /told is concurrent/, 'a clock that forgets');

  t.match(await hunt(MemoryLog.prototype, 'findByKey', () => null), /stored twice/, 'a forgotten key');
});
