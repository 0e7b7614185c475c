import type { ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';

import { CLIENT_CPU, startPinned, waitExit } from './child.js';
import { SERVERS } from './paths.js';

/** One reader has caught up. */
export interface CaughtUp {
  readonly messages: number;
  readonly seconds: number;
}

const BEGINS_WITHIN_MS = 20_000;
/** Behind those whose latency is measured on the same CPU, before everything else. */
const NICE = -10;
/** A reader that is stopped finishes nothing; this is for its process to end. */
const ENDS_WITHIN_MS = 5_000;

/** Clients that lack a whole channel, each a session of its own, one behind the other, in a process on the clients' CPU. */
export class Readers {
  readonly caughtUp: CaughtUp[] = [];
  readonly #child: ChildProcess;
  readonly #begins: Promise<void>;
  #errors = '';

  /** `times` 0: until they are stopped. */
  private constructor(url: string, channel: string, messages: number, times: number) {
    const program = [process.execPath, `${SERVERS}catch-up.mjs`, url, channel, String(messages), String(times)];
    this.#child = startPinned(program, CLIENT_CPU, { nice: NICE, stdin: 'pipe' });
    this.#child.stderr?.on('data', (data: Buffer) => (this.#errors += data.toString()));
    const lines = createInterface({ input: this.#child.stdout! });
    this.#begins = new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`the readers did not begin within ${BEGINS_WITHIN_MS / 1000} s`)), BEGINS_WITHIN_MS);
      lines.on('line', (line) => {
        const said = JSON.parse(line) as CaughtUp | { readonly begins: true };
        if ('seconds' in said) this.caughtUp.push(said);
        clearTimeout(timer);
        resolve();
      });
      this.#child.once('close', () => reject(new Error(this.#errors.trim() || 'the readers ended before they began')));
    });
    this.#begins.catch(() => undefined);
  }

  /** So many catch-ups, one after another. */
  static async read(url: string, channel: string, messages: number, times: number): Promise<readonly CaughtUp[]> {
    const readers = new Readers(url, channel, messages, times);
    const code = await new Promise((resolve) => readers.#child.once('close', resolve));
    if (code !== 0) throw new Error(readers.#errors.trim() || `the readers ended with ${String(code)}`);
    return readers.caughtUp;
  }

  /** Resolves when the first of them is on its way. */
  static async start(url: string, channel: string, messages: number): Promise<Readers> {
    const readers = new Readers(url, channel, messages, 0);
    await readers.#begins;
    return readers;
  }

  /** Rejects where one of them failed meanwhile. */
  async stop(): Promise<void> {
    this.#child.stdin?.end();
    if (!(await waitExit(this.#child, ENDS_WITHIN_MS))) this.#child.kill('SIGKILL');
    if (this.#child.exitCode !== 0) throw new Error(this.#errors.trim() || 'the readers did not end');
  }
}

/** Messages a second while they were being read. */
export function readingRate(read: readonly CaughtUp[]): number {
  const messages = read.reduce((sum, one) => sum + one.messages, 0);
  return messages / read.reduce((sum, one) => sum + one.seconds, 0);
}
