/** Runs the load generator beside a test. */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { dirname, join } from 'node:path';

import { CLI } from './sluice-process.js';

const LOAD = join(dirname(dirname(CLI)), 'build', 'Release', 'sluice-load');

export interface LoadResult {
  readonly ok: boolean;
  readonly failure?: string;
  readonly [member: string]: unknown;
}

export interface Load {
  /** Resolves when all connections are open; rejects when the generator ends before. */
  readonly open: Promise<void>;
  /** Its last line. */
  readonly result: Promise<LoadResult>;
  stop(): void;
  /** Lets go of what it holds; the result comes. */
  end(): void;
}

export function startLoad(args: readonly string[], timeoutS: number): Load {
  const child = spawn(LOAD, [...args, '--json', '--quiet', '--deadline', String(timeoutS)], {
    stdio: ['ignore', 'pipe', 'ignore'],
    timeout: (timeoutS + 5) * 1000,
    killSignal: 'SIGKILL',
  });
  let last: LoadResult | null = null;
  let opened: () => void = () => undefined;
  let ended: (error: Error) => void = () => undefined;
  const open = new Promise<void>((resolve, reject) => {
    opened = resolve;
    ended = reject;
  });
  open.catch(() => undefined);
  createInterface({ input: child.stdout }).on('line', (line) => {
    const event = JSON.parse(line) as { readonly event: string };
    if (event.event === 'open') opened();
    if (event.event === 'result') last = event as unknown as LoadResult;
  });
  const result = new Promise<LoadResult>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => {
      ended(new Error(`sluice-load ended: ${JSON.stringify(last)}`));
      if (last !== null) resolve(last);
      else reject(new Error(`sluice-load ${args[0]} ended without a result (${code ?? signal})`));
    });
  });
  result.catch(() => undefined);
  return { open, result, stop: () => void child.kill('SIGKILL'), end: () => void child.kill('SIGTERM') };
}
