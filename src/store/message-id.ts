/**
 * Snowflake ids are decimal strings of up to 20 digits, which no JavaScript number holds. Stored, each is two numbers,
 * split at the ninth digit from the right; comparing (high, low) compares the ids.
 */

/** Snowflakes count from here: 2024-01-01T00:00:00Z. Their 41 bits last until September 2093. */
export const EPOCH_MS = 1_704_067_200_000;

const LOW_DIGITS = 9;
const ZERO = 48;

export function idHigh(id: string): number {
  return digits(id, 0, id.length - LOW_DIGITS);
}

export function idLow(id: string): number {
  return digits(id, Math.max(0, id.length - LOW_DIGITS), id.length);
}

/** Reads them one by one: a piece of the string would have to be made first. */
function digits(id: string, from: number, to: number): number {
  let value = 0;
  for (let i = from; i < to; i++) value = value * 10 + id.charCodeAt(i) - ZERO;
  return value;
}

export function joinId(high: number, low: number): string {
  return high === 0 ? String(low) : String(high) + String(low).padStart(LOW_DIGITS, '0');
}

/** Negative, zero or positive as (high, low) is before, the same as or after the other id. */
export function compareIds(high: number, low: number, otherHigh: number, otherLow: number): number {
  return high === otherHigh ? low - otherLow : high - otherHigh;
}

const TICKS_PER_MS = 4_194_304n; // a Snowflake's bits below the millisecond

/** Milliseconds since the Unix epoch that an id was made in. */
export function timeOfId(id: bigint): number {
  return Number(id / TICKS_PER_MS) + EPOCH_MS;
}
