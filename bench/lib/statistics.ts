/** What is said about a handful of rounds. */
export interface Summary {
  readonly rounds: number;
  readonly median: number;
  readonly min: number;
  readonly max: number;
  /** (max − min) ÷ median. */
  readonly spread: number;
}

export function median(values: readonly number[]): number {
  if (values.length === 0) return Number.NaN;
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

export function summarize(values: readonly number[]): Summary {
  const middle = median(values);
  const min = Math.min(...values);
  const max = Math.max(...values);
  return { rounds: values.length, median: middle, min, max, spread: middle > 0 ? (max - min) / middle : 0 };
}

/**
 * Ratios of rounds that ran next to each other. A drift of the machine (a neighbour, the clock) moves both sides of a pair and
 * leaves their ratio alone, which is why the verdict is drawn from these and not from the ratio of two medians.
 */
export function pairedRatios(values: ReadonlyMap<number, number>, base: ReadonlyMap<number, number>): number[] {
  const ratios: number[] = [];
  for (const [round, value] of values) {
    const other = base.get(round);
    if (other !== undefined && other > 0) ratios.push(value / other);
  }
  return ratios;
}

/** The arms in the order of one round: each begins once in turn, so that none always runs first or behind the same other. */
export function rotate<T>(items: readonly T[], round: number): T[] {
  if (items.length === 0) return [];
  const first = round % items.length;
  const turned = [...items.slice(first), ...items.slice(0, first)];
  // Every other lap runs backwards: by rotation alone each arm would always follow the same one.
  return Math.floor(round / items.length) % 2 === 0 && round % 2 === 0 ? turned : [turned[0] as T, ...turned.slice(1).reverse()];
}
