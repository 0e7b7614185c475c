/** Tests wait for conditions; a time is slept only where passing time is what is tested. */

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Of a condition that can no longer hold: ends the waiting. */
export class Hopeless extends Error {}

/**
 * Looks every `everyMs` until it holds. Rejects after `ms`, naming what was waited for: generous, because machines are slow and busy.
 * A look that fails, because a server closes connections or is just away, is one at which it did not hold; the last such failure is told.
 */
export async function until(what: string, holds: () => boolean | Promise<boolean>, ms = 90_000, everyMs = 5): Promise<void> {
  let failure: unknown;
  for (const deadline = Date.now() + ms; ; await sleep(everyMs)) {
    try {
      if (await holds()) return;
      failure = undefined;
    } catch (error) {
      if (error instanceof Hopeless) throw error;
      failure = error;
    }
    if (Date.now() > deadline) throw new Error(`not within ${ms / 1000} s: ${what}`, { cause: failure });
  }
}
