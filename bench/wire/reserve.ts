import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';

import { CLIENT_CPU, exited, startPinned, stopChild } from '../lib/child.js';
import { LOAD } from '../lib/paths.js';

/** What was found out about the machine's memory, as it is kept with a run. */
export interface Reserved {
  readonly mib: number;
  /** MiB/s of who touches memory that was free, and of who touches some that has just been given back. */
  readonly first_mib_per_s: number;
  readonly again_mib_per_s: number;
}

/** Free beyond what was free at the start: for what is taken between two looks, ten million openings' 100 MiB a second at most. */
const AHEAD_MIB = 64;
const EVERY_MS = 50;
/** Left to everything else. */
const KEPT_MIB = 1024;
/** Touching it takes so long where the host has to find every page, and more. */
const READY_MS = 180_000;

function meminfoMib(field: string): number {
  return Number(new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(readFileSync('/proc/meminfo', 'utf8'))?.[1] ?? 0) / 1024;
}

/** How much is to be given back when so much is free, in whole MiB: what was taken since the last time. More would go to the host again. */
export function dueMib(freeAtStart: number, free: number): number {
  return Math.max(0, Math.floor(freeAtStart + AHEAD_MIB - free));
}

/**
 * Memory that the machine really has, taken before a run and given back while it needs it (`sluice-load reserve`): the host of a
 * virtual machine takes back what is free, and every first touch then waits for the host to find and clear a page. What waits there is
 * neither the server nor the generator. See docs/decisions/0375.
 */
export class MemoryReserve {
  readonly reserved: Reserved;
  readonly #child: ReturnType<typeof startPinned>;
  #timer: NodeJS.Timeout | undefined;

  private constructor(child: ReturnType<typeof startPinned>, reserved: Reserved) {
    this.#child = child;
    this.reserved = reserved;
  }

  /** Null where the machine does not have so many MiB for it: the run then takes what it finds. */
  static async take(mib: number, available = meminfoMib('MemAvailable')): Promise<MemoryReserve | null> {
    if (mib < 1 || mib > available - KEPT_MIB) return null;
    const child = startPinned([LOAD, 'reserve', String(mib)], CLIENT_CPU, { stdin: 'pipe' });
    const { stdout, stdin } = child;
    if (stdout === null || stdin === null) throw new Error('no pipes to sluice-load');
    // It may be gone when something is given back.
    stdin.on('error', () => {});
    const line = await new Promise<string | null>((resolve) => {
      const timer = setTimeout(() => resolve(null), READY_MS);
      const lines = createInterface({ input: stdout });
      const end = (text: string | null): void => {
        clearTimeout(timer);
        resolve(text);
      };
      lines.once('line', end);
      lines.once('close', () => end(null));
    });
    if (line === null) {
      await stopChild(child);
      return null;
    }
    const { first_mib_per_s, again_mib_per_s } = JSON.parse(line) as Omit<Reserved, 'mib'>;
    return new MemoryReserve(child, { mib, first_mib_per_s, again_mib_per_s });
  }

  /** From now on what is taken of the machine's free memory is made up for. */
  begin(): void {
    const freeAtStart = meminfoMib('MemFree');
    this.#timer = setInterval(() => {
      const mib = dueMib(freeAtStart, meminfoMib('MemFree'));
      if (mib > 0 && !exited(this.#child)) this.#child.stdin?.write(`${mib}\n`);
    }, EVERY_MS);
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await stopChild(this.#child);
  }
}
