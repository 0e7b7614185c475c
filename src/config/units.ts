/** Sizes (`64MiB`) and durations (`60s`) as people write them. */

const SIZE_UNITS: ReadonlyMap<string, number> = new Map([
  ['', 1], ['b', 1],
  ['kb', 1e3], ['mb', 1e6], ['gb', 1e9], ['tb', 1e12],
  ['k', 2 ** 10], ['m', 2 ** 20], ['g', 2 ** 30], ['t', 2 ** 40],
  ['kib', 2 ** 10], ['mib', 2 ** 20], ['gib', 2 ** 30], ['tib', 2 ** 40],
]);

const DURATION_UNITS: ReadonlyMap<string, number> = new Map([
  ['', 1], ['ms', 1], ['s', 1e3], ['m', 60e3], ['min', 60e3], ['h', 3600e3], ['d', 86400e3],
]);

/** Bytes, a whole number, or null where the text is no size. A bare number is bytes; `k`, `M`, `G` count by 1024. */
export function parseSize(text: string): number | null {
  return parseQuantity(text, SIZE_UNITS);
}

/** Milliseconds, a whole number, or null where the text is no duration. A bare number is milliseconds. */
export function parseDuration(text: string): number | null {
  return parseQuantity(text, DURATION_UNITS);
}

function parseQuantity(text: string, units: ReadonlyMap<string, number>): number | null {
  const match = /^\s*(\d{1,15}(?:\.\d{1,6})?)\s*([A-Za-z]{0,3})\s*$/.exec(text);
  if (match === null) return null;
  const factor = units.get((match[2] ?? '').toLowerCase());
  if (factor === undefined) return null;
  const value = Math.round(Number(match[1]) * factor);
  return Number.isSafeInteger(value) ? value : null;
}

/** `65536` as `64 KiB`; for messages. */
export function formatSize(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${Number(value.toFixed(1))} ${units[unit] ?? 'B'}`;
}
