/** Starts the built command line as a process of its own, on ports that the system chooses, and stops it. */
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { endWithTest } from './ends-with-test.js';
import { lifetimeMs } from './lifetime.js';

export interface SluiceProcess {
  readonly child: ChildProcess;
  /** WebSocket URL of the ready line. */
  readonly url: string;
  /** Admin URL of the ready line; empty where there is none. */
  readonly admin: string;
  readonly ready: string;
  stderr(): string;
  /** Sends the signal and waits for the end; the exit status, null after a signal. */
  stop(signal?: NodeJS.Signals): Promise<number | null>;
}

export function projectRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'binding.gyp'))) folder = dirname(folder);
  return folder;
}

export const CLI = join(projectRoot(), 'dist', 'cli.js');

/** A start takes half a second of CPU; a machine that is shared twenty ways makes ten of it. It is there to end a start that hangs. */
const READY_MS = 60_000;

/** Longer than any drain and stop in the tests: it is there to end a stop that hangs, as what waits for it then fails. */
const STOP_MS = 150_000;

/** For `under`: the C library fills what is freed, so that whoever still uses it crashes every time and not now and then. */
export const FREED_IS_OVERWRITTEN = ['env', 'GLIBC_TUNABLES=glibc.malloc.perturb=165:glibc.malloc.tcache_count=0'];

export interface StartOptions {
  readonly cwd?: string;
  /** A program that runs it, with its arguments. */
  readonly under?: readonly string[];
  /** Another release's. */
  readonly cli?: string;
}

/** Rejects with what the process printed when it does not become ready. */
export async function startSluice(args: readonly string[], options: StartOptions = {}): Promise<SluiceProcess> {
  return launchSluice(args, options).ready();
}

export type Launched = Pick<SluiceProcess, 'child' | 'stderr' | 'stop'> & {
  /** Rejects with what the process printed when it does not become ready from now on. */
  ready(): Promise<SluiceProcess>;
};

/** The same without waiting: what stands by becomes ready one day. */
export function launchSluice(args: readonly string[], { under = [], cli = CLI, ...options }: StartOptions = {}): Launched {
  const [program = process.execPath, ...rest] = [...under, process.execPath, cli, ...args];
  const child = spawn(program, rest, { stdio: ['ignore', 'pipe', 'pipe'], ...options });
  endWithTest(child);
  const killer = setTimeout(() => child.kill('SIGKILL'), lifetimeMs());
  const onExit = (): void => void child.kill('SIGKILL');
  process.once('exit', onExit);
  const exited = new Promise<number | null>((resolve) => {
    child.once('exit', (code) => {
      clearTimeout(killer);
      process.removeListener('exit', onExit);
      resolve(code);
    });
  });
  let out = '';
  let err = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text));
  const launched = {
    child,
    stderr: () => err,
    stop: async (signal: NodeJS.Signals = 'SIGTERM') => {
      if (child.exitCode === null && child.signalCode === null) child.kill(signal);
      const hangs = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
      return exited.finally(() => clearTimeout(hangs));
    },
  };
  return {
    ...launched,
    ready: async () => {
      const ready = await waitForReady(child, () => out, () => err);
      return { ...launched, ready, url: /ws:\/\/\S+/.exec(ready)?.[0] ?? '', admin: /http:\/\/\S+/.exec(ready)?.[0] ?? '' };
    },
  };
}

async function waitForReady(child: ChildProcess, out: () => string, err: () => string): Promise<string> {
  const deadline = Date.now() + READY_MS;
  for (;;) {
    const line = /^ready .*$/m.exec(out());
    if (line !== null) return line[0];
    if (child.exitCode !== null || child.signalCode !== null || Date.now() > deadline) {
      child.kill('SIGKILL');
      throw new Error(`not ready (exit ${child.exitCode ?? child.signalCode ?? 'none'}):\n${out()}\n${err()}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** Runs a command line to its end. */
export async function runSluice(
  args: readonly string[], cwd?: string, timeout = 120_000,
): Promise<{ code: number | null; out: string; err: string }> {
  const child = spawn(process.execPath, [CLI, ...args], { stdio: ['ignore', 'pipe', 'pipe'], timeout, ...(cwd ? { cwd } : {}) });
  let out = '';
  let err = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text));
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  return { code, out, err };
}
