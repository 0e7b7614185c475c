import t from 'tap';
import { LatencyWindow } from '../../../src/admin/latency.js';
import { hostName } from '../../../src/admin/host-guard.js';
import { duration, niceAbove, short, uptime } from '../../../src/admin/page/format.js';

t.test('percentiles of the last ten seconds', async (t) => {
  const window = new LatencyWindow();
  t.same(window.percentiles([0.5], 0), [null]);
  for (let ms = 1; ms <= 100; ms += 1) window.record(ms / 1000, 1, 500);
  const [p50, p99] = window.percentiles([0.5, 0.99], 900);
  t.ok(p50! >= 0.05 && p50! < 0.05 * 1.15);
  t.ok(p99! >= 0.099 && p99! < 0.099 * 1.16);
  t.not(window.percentiles([0.5], 9_999)[0], null);
  t.same(window.percentiles([0.5], 10_500), [null], 'forgotten');
  window.record(1e9, 1, 20_000);
  window.record(0, 1, 20_000);
  t.ok(window.percentiles([1], 20_000)[0]! < 60, 'beyond the scale');
});

t.test('host names', async (t) => {
  t.equal(hostName('A.b:1'), 'a.b');
  t.equal(hostName('[::1]:80'), '::1');
  for (const bad of [undefined, '', ':80', 'a:b', '::1', 'u@h', 'a/b']) t.equal(hostName(bad), null, String(bad));
});

t.test('numbers for people', async (t) => {
  t.same([0, 7, 3.14159, 99.96, 1234, 12_345, 1_500_000].map(short), ['0', '7', '3.14', '100', '1,234', '12.3k', '1.50M']);
  t.same([0.00052, 0.012, 1.5].map(duration), ['0.52 ms', '12 ms', '1.50 s']);
  t.same([0, 0.3, 1, 7, 21, 501, 8001].map(niceAbove), [1, 0.3, 1, 8, 30, 600, 10_000]);
  t.same([5, 65, 3700, 90_000].map(uptime), ['5 s', '1 min', '1 h 1 min', '1 d 1 h']);
});
