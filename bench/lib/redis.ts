import { spawn, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';

import { CLIENT_CPU } from './child.js';
import { dropScratch, scratchFolder } from './scratch.js';

const READY_WITHIN_MS = 30_000;
/** Between looking for a port and binding it somebody else may take it. */
const TRIES = 5;

/** Why there can be none here; null where there can. */
export function redisLacking(): string | null {
  return spawnSync('redis-server', ['--version']).status === 0 ? null : 'redis-server is not installed';
}

export interface Redis {
  readonly url: string;
  /** CPU time that it has used so far, in seconds. */
  cpuSeconds(): number;
  stop(): Promise<void>;
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** proc(5): utime and stime are the 14th and 15th field, in ticks, of which Linux counts a hundred a second. */
function cpuSecondsOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

/**
 * A server with an append-only file, beside the clients: what a gateway does with its CPU is the gateway's. The file is not rewritten
 * meanwhile, which a new one would be every few seconds, by a child that shares this CPU too.
 */
export async function startRedis(fsync: 'always' | 'everysec'): Promise<Redis> {
  for (let tries = 1; tries <= TRIES; tries++) {
    const redis = await startOn(await freePort(), fsync);
    if (redis !== null) return redis;
  }
  throw new Error(`redis-server did not start on any of ${TRIES} ports`);
}

/** Null where it ends at once. */
async function startOn(port: number, fsync: string): Promise<Redis | null> {
  const folder = scratchFolder();
  const options = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--dir', folder];
  const program = ['redis-server', ...options, '--appendonly', 'yes', '--appendfsync', fsync, '--auto-aof-rewrite-percentage', '0'];
  const child = spawn('taskset', ['-c', String(CLIENT_CPU), ...program], { stdio: 'ignore' });
  const kill = (): void => void child.kill('SIGKILL');
  process.once('exit', kill);
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const isUp = (): boolean => spawnSync('redis-cli', ['-p', String(port), 'PING'], { encoding: 'utf8' }).stdout.trim() === 'PONG';
  for (const deadline = Date.now() + READY_WITHIN_MS; !isUp();) {
    if (Date.now() > deadline) throw new Error(`redis-server did not start on port ${port}`);
    if (child.exitCode !== null) {
      process.off('exit', kill);
      dropScratch(folder);
      return null;
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return {
    url: `redis://127.0.0.1:${port}`,
    cpuSeconds: () => cpuSecondsOf(child.pid as number),
    stop: async () => {
      kill();
      await ended;
      process.off('exit', kill);
      dropScratch(folder);
    },
  };
}
