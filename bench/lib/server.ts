import type { ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';

import { SERVER_CPU, exited, startPinned, stopChild } from './child.js';

const READY_WITHIN_MS = 20_000;

/** Memory of one process, in bytes (/proc/PID/smaps_rollup). */
export interface Memory {
  readonly rss: number;
  readonly pss: number;
  /** Not shared with any other process: what would be free if it ended. */
  readonly private: number;
}

/** A server under test: a process of its own on the server's CPU. */
export class Server {
  readonly pid: number;
  /** Processes whose CPU time is the server's, with commas between. */
  readonly pids: string;
  readonly url: string;
  /** Of the admin API; null where there is none. */
  readonly adminUrl: string | null;
  readonly #child: ChildProcess;
  readonly #printed: { text: string };

  private constructor(child: ChildProcess, printed: { text: string }, url: string, adminUrl: string | null) {
    this.#child = child;
    this.#printed = printed;
    this.pid = child.pid ?? 0;
    this.pids = /^ready .* pids ([\d,]+)/m.exec(printed.text)?.[1] ?? String(this.pid);
    this.url = url;
    this.adminUrl = adminUrl;
  }

  /** Resolves with the first line "ready … ws://…"; rejects with what it wrote when it ends before. */
  static async start(command: readonly string[]): Promise<Server> {
    return Server.launch(command).ready;
  }

  /** The same for who must know the process before it is ready. */
  static launch(command: readonly string[]): { readonly pid: number; readonly ready: Promise<Server> } {
    const child = startPinned(command, SERVER_CPU);
    return { pid: child.pid ?? 0, ready: Server.#whenReady(child, command) };
  }

  static async #whenReady(child: ChildProcess, command: readonly string[]): Promise<Server> {
    const printed = { text: '' };
    const url = await new Promise<string>((resolve, reject) => {
      const timer = setTimeout(() => fail(`not ready after ${READY_WITHIN_MS / 1000} s`), READY_WITHIN_MS);
      const fail = (why: string): void => {
        clearTimeout(timer);
        child.kill('SIGKILL');
        reject(new Error(`${command.join(' ')}: ${why}\n${printed.text.slice(-2000)}`));
      };
      const onData = (data: Buffer): void => {
        if (printed.text.length < 65_536) printed.text += data.toString();
        const found = /^ready .*?(ws:\/\/[\d.]+:\d+).*\n/m.exec(printed.text);
        if (found?.[1] === undefined) return;
        clearTimeout(timer);
        resolve(found[1]);
      };
      child.stdout?.on('data', onData);
      child.stderr?.on('data', onData);
      child.once('error', (error) => fail(error.message));
      child.once('exit', (code, signal) => fail(`ended with ${signal ?? code}`));
    });
    return new Server(child, printed, url, /^ready .*?(http:\/\/[\d.]+:\d+)/m.exec(printed.text)?.[1] ?? null);
  }

  /** What it has written, up to 64 KiB. */
  get output(): string {
    return this.#printed.text;
  }

  get alive(): boolean {
    return !exited(this.#child);
  }

  memory(): Memory {
    const text = readFileSync(`/proc/${this.pid}/smaps_rollup`, 'utf8');
    const field = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(text)?.[1] ?? 0) * 1024;
    return { rss: field('Rss'), pss: field('Pss'), private: field('Private_Clean') + field('Private_Dirty') };
  }

  async stop(): Promise<void> {
    await stopChild(this.#child);
  }
}
