/** Publish acknowledgement latency over the last seconds, for the page. Fixed memory: log-scaled buckets in a ring of slices. */
const SLICE_MS = 1000;
const SLICES = 10;
const BUCKETS = 96;
const SMALLEST_S = 0.000_05;
// 96 buckets of 15% reach from 50 µs to 29 s; a percentile is off by 15% at most.
const GROWTH = 1.15;
const LOG_GROWTH = Math.log(GROWTH);

export class LatencyWindow {
  readonly #slices = Array.from({ length: SLICES }, () => new Float64Array(BUCKETS));
  /** Number of the slice of time that each entry of #slices holds. */
  readonly #numbers = new Array<number>(SLICES).fill(-1);

  /** `weight` samples of `seconds` at `now` (ms). */
  record(seconds: number, weight: number, now: number): void {
    const number = Math.floor(now / SLICE_MS);
    const index = number % SLICES;
    const slice = this.#slices[index];
    if (slice === undefined) return;
    if (this.#numbers[index] !== number) {
      slice.fill(0);
      this.#numbers[index] = number;
    }
    const bucket = seconds <= SMALLEST_S ? 0 : Math.ceil(Math.log(seconds / SMALLEST_S) / LOG_GROWTH);
    const clamped = Math.min(BUCKETS - 1, bucket);
    slice[clamped] = (slice[clamped] ?? 0) + weight;
  }

  /** Upper bounds of the percentiles (0..1) in seconds over the last ten seconds; null without samples. */
  percentiles(wanted: readonly number[], now: number): (number | null)[] {
    const oldest = Math.floor(now / SLICE_MS) - SLICES;
    const sums = new Float64Array(BUCKETS);
    let total = 0;
    this.#slices.forEach((slice, index) => {
      if ((this.#numbers[index] ?? -1) <= oldest) return;
      slice.forEach((count, bucket) => {
        sums[bucket] = (sums[bucket] ?? 0) + count;
        total += count;
      });
    });
    return wanted.map((part) => (total === 0 ? null : boundOf(sums, part * total)));
  }
}

function boundOf(sums: Float64Array, rank: number): number {
  let seen = 0;
  for (let bucket = 0; bucket < BUCKETS; bucket += 1) {
    seen += sums[bucket] ?? 0;
    if (seen >= rank) return SMALLEST_S * GROWTH ** bucket;
  }
  return SMALLEST_S * GROWTH ** (BUCKETS - 1);
}
