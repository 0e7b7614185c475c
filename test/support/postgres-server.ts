/** A PostgreSQL server of the test's own: on a free port of loopback, in a folder that goes with it. */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { freePort } from './free-port.js';

const ROOT = '/usr/lib/postgresql';

/** Of the newest release that is installed; Debian does not put the server into PATH. */
function binaries(): string | null {
  if (!existsSync(ROOT)) return null;
  const found = readdirSync(ROOT).sort((a, b) => Number(b) - Number(a)).map((release) => join(ROOT, release, 'bin'));
  return found.find((folder) => existsSync(join(folder, 'initdb')) && existsSync(join(folder, 'postgres'))) ?? null;
}

const BIN = binaries();
export const noPostgres = BIN === null ? 'postgresql not installed' : false;

/** No test leaves a server behind, however it ends. */
const LIFETIME_MS = 10 * 60_000;
const START_MS = 60_000;

/** The server refuses to run as root. */
function owner(): { readonly uid?: number; readonly gid?: number } {
  if (process.getuid?.() !== 0) return {};
  const id = (flag: string): number => Number(execFileSync('id', [flag, 'postgres'], { encoding: 'utf8' }));
  return { uid: id('-u'), gid: id('-g') };
}

export class PostgresServer {
  readonly port: number;
  readonly #folder = mkdtempSync(join(tmpdir(), 'sluice-postgres-'));
  readonly #owner = owner();
  #child: ChildProcess | null = null;

  private constructor(port: number) {
    this.port = port;
  }

  static async start(): Promise<PostgresServer> {
    const server = new PostgresServer(await freePort());
    const { uid, gid } = server.#owner;
    if (uid !== undefined && gid !== undefined) chownSync(server.#folder, uid, gid);
    const args = ['-D', server.#data, '-U', 'sluice', '--auth=trust', '--no-sync', '--encoding=UTF8', '--locale=C'];
    execFileSync(join(BIN as string, 'initdb'), args, { ...server.#owner, cwd: server.#folder, stdio: 'ignore', timeout: START_MS });
    await server.start();
    return server;
  }

  get #data(): string {
    return join(this.#folder, 'data');
  }

  get url(): string {
    return `postgres://sluice@127.0.0.1:${this.port}/postgres`;
  }

  async start(): Promise<void> {
    const settings = { port: this.port, listen_addresses: '127.0.0.1', unix_socket_directories: '', fsync: 'off', max_connections: 30 };
    const args = ['-D', this.#data, ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])];
    const child = spawn(join(BIN as string, 'postgres'), args, { ...this.#owner, cwd: this.#folder, stdio: 'ignore' });
    this.#child = child;
    const killer = setTimeout(() => child.kill('SIGQUIT'), LIFETIME_MS);
    const onExit = (): void => void child.kill('SIGQUIT');
    process.once('exit', onExit);
    child.once('exit', () => {
      clearTimeout(killer);
      process.removeListener('exit', onExit);
    });
    const deadline = Date.now() + START_MS;
    while (!(await this.#answers())) {
      if (Date.now() > deadline || child.exitCode !== null) throw new Error(`postgres on port ${this.port} did not start`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  async #answers(): Promise<boolean> {
    const client = new pg.Client({ connectionString: this.url });
    client.on('error', () => undefined);
    try {
      await client.connect();
      await client.end();
      return true;
    } catch {
      return false;
    }
  }

  async query(text: string): Promise<unknown[]> {
    const client = new pg.Client({ connectionString: this.url });
    await client.connect();
    try {
      return (await client.query<Record<string, unknown>>(text)).rows;
    } finally {
      await client.end();
    }
  }

  /** SIGSTOP and SIGCONT to every process of it make a server that is there and does not answer. */
  signal(signal: NodeJS.Signals): void {
    const pid = this.#child?.pid;
    if (pid === undefined) return;
    const children = execFileSync('ps', ['-o', 'pid=', '--ppid', String(pid)], { encoding: 'utf8' }).trim().split(/\s+/);
    for (const one of [...children.map(Number), pid]) {
      try {
        process.kill(one, signal);
      } catch {
        // A backend that ended meanwhile.
      }
    }
  }

  /** SIGQUIT ends it at once, without a checkpoint, as a crash does. */
  async stop(): Promise<void> {
    const child = this.#child;
    if (child === null) return;
    this.#child = null;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGQUIT');
    await ended;
  }

  async remove(): Promise<void> {
    await this.stop();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
