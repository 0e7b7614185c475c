import t from 'tap';

import { bucketMiddle, curve, merge, quantile, type LatencyData } from '../../../build/bench/lib/histogram.js';

const BITS = 7;

function data(buckets: [number, number][]): LatencyData {
  const count = buckets.reduce((sum, [, n]) => sum + n, 0);
  return { count, mean_us: 0, p50_us: 0, p90_us: 0, p99_us: 0, p999_us: 0, max_us: 0, mantissa_bits: BITS, buckets };
}

// The layout of native/bench/histogram.hpp, written down a second time on purpose.
function indexOf(ns: number): number {
  if (ns < 2 ** (BITS + 1)) return ns;
  const exponent = Math.floor(Math.log2(ns)) - BITS;
  return exponent * 2 ** BITS + Math.floor(ns / 2 ** exponent);
}

t.test('the middle of a bucket is within 0.4% of every value in it', async (t) => {
  for (const ns of [0, 1, 127, 128, 255, 256, 257, 1000, 65_535, 1_000_000, 123_456_789, 2 ** 40]) {
    const middle = bucketMiddle(indexOf(ns), BITS);
    t.ok(Math.abs(middle - ns) <= ns * 0.004 + 0.5, `${ns} ns decodes to ${middle}`);
  }
});

t.test('quantiles of joined runs', async (t) => {
  const fast = data([[indexOf(1000), 90]]);
  const slow = data([[indexOf(1000), 9], [indexOf(1_000_000), 1]]);
  const joined = merge([fast, slow]);
  t.equal(joined.reduce((sum, [, count]) => sum + count, 0), 100);
  t.ok(Math.abs(quantile(joined, BITS, 0.5) - 1) < 0.01);
  t.ok(Math.abs(quantile(joined, BITS, 0.99) - 1) < 0.01);
  t.ok(Math.abs(quantile(joined, BITS, 1) - 1000) < 4);
  t.equal(quantile([], BITS, 0.5), 0);
  t.throws(() => merge([fast, { ...slow, mantissa_bits: 8 }]), /precision/);
});

t.test('a curve ends where its count ends', async (t) => {
  const points = curve([data([[indexOf(5000), 1000]])]);
  t.equal(points[0]?.quantile, 0);
  t.ok((points.at(-1)?.quantile ?? 0) <= 0.999 + 1e-9, 'a thousand values say nothing about the sixth nine');
  for (const point of points) t.ok(Math.abs(point.us - 5) < 0.05);
});
