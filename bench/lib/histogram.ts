/** The latency histogram of sluice-load (native/bench/histogram.hpp): logarithmic buckets, counts by bucket. */
export interface LatencyData {
  readonly count: number;
  readonly mean_us: number;
  readonly p50_us: number;
  readonly p90_us: number;
  readonly p99_us: number;
  readonly p999_us: number;
  readonly max_us: number;
  readonly mantissa_bits: number;
  readonly buckets: readonly (readonly [index: number, count: number])[];
}

/** The middle of a bucket, in nanoseconds. */
export function bucketMiddle(index: number, mantissaBits: number): number {
  const perDoubling = 2 ** mantissaBits;
  if (index < 2 * perDoubling) return index;
  const exponent = Math.floor(index / perDoubling) - 1;
  const mantissa = index - exponent * perDoubling;
  return mantissa * 2 ** exponent + 2 ** exponent / 2;
}

/** Several runs as one. Histograms of different precision cannot be joined. */
export function merge(parts: readonly LatencyData[]): [index: number, count: number][] {
  const bits = parts[0]?.mantissa_bits;
  const sums = new Map<number, number>();
  for (const part of parts) {
    if (part.mantissa_bits !== bits) throw new Error('histograms of different precision');
    for (const [index, count] of part.buckets) sums.set(index, (sums.get(index) ?? 0) + count);
  }
  return [...sums].sort((a, b) => a[0] - b[0]);
}

/** The value in microseconds below which `quantile` of the recorded ones lie. */
export function quantile(buckets: readonly (readonly [number, number])[], mantissaBits: number, wanted: number): number {
  const total = buckets.reduce((sum, [, count]) => sum + count, 0);
  if (total === 0) return 0;
  const rank = Math.min(total, Math.max(1, Math.round(wanted * total)));
  let seen = 0;
  for (const [index, count] of buckets) {
    seen += count;
    if (seen >= rank) return bucketMiddle(index, mantissaBits) / 1000;
  }
  return 0;
}

export interface CurvePoint {
  readonly quantile: number;
  readonly us: number;
}

/** Points for a chart whose axis is in nines: 0, 0.5, 0.9, 0.99 and so on, with steps between, as far as the count supports. */
export function curve(parts: readonly LatencyData[]): CurvePoint[] {
  const bits = parts[0]?.mantissa_bits ?? 7;
  const buckets = merge(parts);
  const total = buckets.reduce((sum, [, count]) => sum + count, 0);
  const points: CurvePoint[] = [];
  for (let nines = 0; nines <= 5 && 10 ** nines <= total; nines += 0.125) {
    const at = 1 - 10 ** -nines;
    points.push({ quantile: at, us: quantile(buckets, bits, at) });
  }
  return points;
}
