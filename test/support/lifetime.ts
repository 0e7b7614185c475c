/** How long what a test starts may live: no test leaves a process behind, however it ends. */

const USUAL_MS = 10 * 60_000;
let longestMs = USUAL_MS;

/** For runs that are asked for to be longer; before anything is started. */
export function expectToLast(ms: number): void {
  longestMs = Math.max(longestMs, ms);
}

export function lifetimeMs(): number {
  return longestMs;
}
