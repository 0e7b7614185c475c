/** Which blocks of the code under test have run, from V8's precise coverage: what a fuzzer steers by. */

import { Session } from 'node:inspector/promises';

export class Coverage {
  readonly #session = new Session();
  readonly #belongs: (url: string) => boolean;
  readonly #seen = new Set<string>();

  /** Counts scripts whose URL `belongs` accepts. */
  constructor(belongs: (url: string) => boolean) {
    this.#belongs = belongs;
  }

  async start(): Promise<void> {
    this.#session.connect();
    await this.#session.post('Profiler.enable');
    await this.#session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });
  }

  /** Blocks that ran since the last call and had never run before. */
  async fresh(): Promise<number> {
    const before = this.#seen.size;
    const { result } = await this.#session.post('Profiler.takePreciseCoverage');
    for (const { url, functions } of result) {
      if (!this.#belongs(url)) continue;
      for (const { ranges } of functions) {
        for (const { count, startOffset, endOffset } of ranges) if (count > 0) this.#seen.add(`${url}:${startOffset}:${endOffset}`);
      }
    }
    return this.#seen.size - before;
  }

  get blocks(): number {
    return this.#seen.size;
  }

  stop(): void {
    this.#session.disconnect();
  }
}
