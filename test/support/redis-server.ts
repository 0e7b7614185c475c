/** Redis servers of the tests' own: on free ports of loopback, in a folder that goes with them. */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from './free-port.js';
import { lifetimeMs } from './lifetime.js';

export const noRedis = (process.env['PATH'] ?? '').split(':').some((folder) => existsSync(join(folder, 'redis-server')))
  ? false
  : 'redis-server not installed';

const START_MS = 60_000;
/** A node of a cluster takes a second port, 10,000 above its own, which the system may have given to somebody. */
const TRIES = 4;

export class RedisServer {
  readonly port: number;
  readonly #folder = mkdtempSync(join(tmpdir(), 'sluice-redis-'));
  readonly #args: readonly string[];
  #child: ChildProcess | null = null;

  private constructor(port: number, args: readonly string[]) {
    this.port = port;
    this.#args = args;
  }

  /** `args` as on the command line: '--appendonly', 'yes'. */
  static async start(args: readonly string[] = []): Promise<RedisServer> {
    for (let left = TRIES; ; left--) {
      const server = new RedisServer(await freePort(), args);
      try {
        await server.start();
        return server;
      } catch (error) {
        await server.remove();
        if (left === 1) throw error;
      }
    }
  }

  /** A sentinel, with `lines` as its configuration. */
  static async startSentinel(lines: readonly string[]): Promise<RedisServer> {
    const port = await freePort();
    const server = new RedisServer(port, []);
    writeFileSync(join(server.#folder, 'sentinel.conf'), [`port ${port}`, 'bind 127.0.0.1', ...lines, ''].join('\n'));
    await server.#run([join(server.#folder, 'sentinel.conf'), '--sentinel']);
    return server;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  async start(): Promise<void> {
    await this.#run(['--port', String(this.port), '--bind', '127.0.0.1', '--save', '', '--dir', this.#folder, ...this.#args]);
  }

  cli(...words: readonly string[]): string {
    const args = ['-h', '127.0.0.1', '-p', String(this.port), ...words];
    return execFileSync('redis-cli', args, { encoding: 'utf8', timeout: 30_000, stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  }

  /** SIGSTOP and SIGCONT make a server that is there and does not answer. */
  signal(signal: NodeJS.Signals): void {
    this.#child?.kill(signal);
  }

  async stop(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const child = this.#child;
    if (child === null) return;
    this.#child = null;
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill(signal);
    if (signal !== 'SIGKILL') child.kill('SIGCONT');
    await ended;
  }

  /** What a crash of the machine does to a log that was not synced: the last bytes of the append-only file are gone. */
  loseLast(bytes: number): void {
    const folder = join(this.#folder, 'appendonlydir');
    for (const name of readdirSync(folder).filter((file) => file.endsWith('.incr.aof'))) {
      const path = join(folder, name);
      truncateSync(path, Math.max(0, statSync(path).size - bytes));
    }
  }

  async remove(): Promise<void> {
    await this.stop();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #run(args: readonly string[]): Promise<void> {
    const child = spawn('redis-server', args, { stdio: 'ignore', cwd: this.#folder });
    this.#child = child;
    const killer = setTimeout(() => child.kill('SIGKILL'), lifetimeMs());
    const onExit = (): void => void child.kill('SIGKILL');
    process.once('exit', onExit);
    child.once('exit', () => {
      clearTimeout(killer);
      process.removeListener('exit', onExit);
    });
    const deadline = Date.now() + START_MS;
    for (;;) {
      try {
        if (/PONG|NOAUTH/.test(this.cli('PING'))) return;
      } catch {
        // Not up yet.
      }
      if (Date.now() > deadline || child.exitCode !== null) throw new Error(`redis-server on port ${this.port} did not start`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}
