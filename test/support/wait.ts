/** Tests wait for conditions; a time is slept only where passing time is what is tested. */

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Looks every `everyMs` until it holds. Rejects after `ms`, naming what was waited for: generous, because machines are slow and busy. */
export async function until(what: string, holds: () => boolean | Promise<boolean>, ms = 90_000, everyMs = 5): Promise<void> {
  for (const deadline = Date.now() + ms; !(await holds()); await sleep(everyMs)) {
    if (Date.now() > deadline) throw new Error(`not within ${ms / 1000} s: ${what}`);
  }
}
