/** Linux's ping. */

/**
 * How many answers came. With -c and -w it stops at so many; where answers are late it has sent more by then, and further answers may be
 * counted or not.
 */
export function pingsAnswered(output: string): number {
  return Number(/ (\d+) received/.exec(output)?.[1] ?? 0);
}
