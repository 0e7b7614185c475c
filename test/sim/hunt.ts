import { runSeed } from './run.js';
import type { Faults } from './world.js';

/** A planted bug must be found within so many seeds. */
const HUNT = 100;

/** Runs seeds with a method replaced until something is found. `faults`: those in which the bug shows, where it is rare otherwise. */
export async function hunt<T extends object, K extends keyof T>(
  target: T, method: K, bug: T[K], nodes = 1, faults: Partial<Faults> = {},
): Promise<string> {
  const right = target[method];
  target[method] = bug;
  try {
    for (let seed = 1; seed <= HUNT; seed += 1) {
      const { problems } = await runSeed(seed, nodes, (world) => Object.assign(world.faults, faults));
      if (problems[0] !== undefined) return problems[0];
    }
    return 'nothing was found';
  } finally {
    target[method] = right;
  }
}
