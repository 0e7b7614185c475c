import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import { UsageError } from '../errors.js';

/** `sluice bench`: the harness is built beside the package, not into it. */
export async function bench(argv: readonly string[]): Promise<number> {
  const path = fileURLToPath(new URL('../../build/bench/cli.js', import.meta.url));
  if (!existsSync(path)) throw new UsageError('the bench harness is not built', { remedy: 'Run `npm run build` in a checkout.' });
  const harness = (await import(path)) as { runBench(args: readonly string[]): Promise<number> };
  return harness.runBench(argv);
}
