/**
 * Two network namespaces with a link between them: one with a rate, a delay and faults (sluice-wiregen --bridge), or a veth as it is.
 */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { createRequire } from 'node:module';

import { ROOT, SLUICE_CLI } from '../lib/paths.js';

const WIREGEN = `${ROOT}build/Release/sluice-wiregen`;
const READY_WITHIN_MS = 20_000;
/** A client's program, which has a deadline of its own. */
const DONE_WITHIN_MS = 120_000;
const NETWORK = '10.77.0.0/24';
const CLIENT_ADDRESS = '10.77.0.1';
const SERVER_ADDRESS = '10.77.0.2';

const [CLIENT_END, SERVER_END] = ['wan-a', 'wan-b'] as const;

export const STACKS = ['linux', 'sluice'] as const;
export type Stack = (typeof STACKS)[number];

/** Why there can be none here; null where it can. */
export function pairLacking(): string | null {
  if (process.getuid?.() !== 0) return 'network namespaces take root';
  const require = createRequire(import.meta.url);
  const { dpdk } = (require(`${ROOT}build/Release/sluice.node`) as { probe(): { dpdk: { usable: boolean; reason: string } } }).probe();
  return dpdk.usable ? null : dpdk.reason;
}

export interface Impairment {
  readonly faults: string;
  readonly rate: string;
  readonly queueBytes: number;
}

function onCpu(cpu: number | null): readonly string[] {
  return cpu === null ? [] : ['taskset', '-c', String(cpu)];
}

/** Of the link: a wire waits for nobody. */
const LINK_PRIORITY = 50;
/** Of the server behind it, whichever stack it has: a core of ours is to have its CPU when a frame comes, as Linux's softirq has. */
const SERVER_PRIORITY = 10;

/** The command in front of one that is to run before all others; null where the system refuses. */
function realtime(priority: number): readonly string[] | null {
  const command = ['chrt', '--fifo', String(priority)];
  try {
    execFileSync(command[0] as string, [...command.slice(1), 'true'], { stdio: 'ignore' });
    return command;
  } catch {
    return null;
  }
}

/** Whether link and server run at real-time priority here. */
export function realtimeAllowed(): boolean {
  return realtime(LINK_PRIORITY) !== null;
}

function ip(...args: string[]): void {
  execFileSync('ip', args, { stdio: ['ignore', 'ignore', 'pipe'] });
}

/** CUBIC, as our own stack has it, whatever the machine's default is. */
function linuxAddress(namespace: string, address: string, device: string): void {
  ip('-n', namespace, 'address', 'add', `${address}/24`, 'dev', device, 'noprefixroute');
  ip('-n', namespace, 'route', 'add', NETWORK, 'dev', device, 'src', address, 'congctl', 'cubic');
}

/** Resolves with the line that matches; rejects with what was printed where the program ends before. */
async function line(child: ChildProcess, pattern: RegExp, withinMs = READY_WITHIN_MS): Promise<string> {
  let out = '';
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => fail('took too long'), withinMs);
    const fail = (why: string): void => {
      clearTimeout(timer);
      reject(new Error(`${child.spawnargs.join(' ')}: ${why}\n${out.slice(-2000)}`));
    };
    const onData = (data: Buffer): void => {
      out += String(data);
      const found = pattern.exec(out);
      if (found === null) return;
      clearTimeout(timer);
      resolve(found[0]);
    };
    child.stdout?.on('data', onData);
    child.stderr?.on('data', onData);
    child.once('exit', (code, signal) => fail(`ended with ${signal ?? code}`));
  });
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), 3000);
  await ended;
  clearTimeout(timer);
}

/** The client's namespace and the server's. In the latter Linux has an address, or our own stack has it and Linux has none. */
export class Pair {
  readonly #names = [`sluice-a-${process.pid}`, `sluice-b-${process.pid}`] as const;
  readonly #made: string[] = [];
  readonly #children: ChildProcess[] = [];
  /** In front of the server's command. */
  #before: readonly string[] = [];

  /** However the process ends, nothing of this stays. */
  readonly #onExit = (): void => {
    for (const child of this.#children) child.kill('SIGKILL');
    for (const name of this.#made.splice(0)) ip('netns', 'delete', name);
  };

  async open(link: Impairment | 'veth'): Promise<void> {
    process.once('exit', this.#onExit);
    for (const name of this.#names) {
      ip('netns', 'add', name);
      this.#made.push(name);
    }
    const [a, b] = this.#names;
    if (link === 'veth') {
      ip('link', 'add', CLIENT_END, 'netns', a, 'type', 'veth', 'peer', 'name', SERVER_END, 'netns', b);
      // A veth leaves checksums out and segments whole, which only another kernel understands.
      const off = ['tx', 'off', 'gso', 'off', 'tso', 'off', 'gro', 'off'];
      execFileSync('ip', ['netns', 'exec', a, 'ethtool', '-K', CLIENT_END, ...off], { stdio: 'ignore' });
    } else {
      const { faults, rate, queueBytes } = link;
      const args = ['--bridge', `${CLIENT_END},${SERVER_END}`, '--rate', rate, '--queue', String(queueBytes)];
      this.#before = realtime(SERVER_PRIORITY) ?? [];
      const wire = [...(realtime(LINK_PRIORITY) ?? []), WIREGEN];
      await line(this.#spawn(a, [...wire, ...args, ...(faults === '' ? [] : ['--faults', faults])]), /^ready .*$/m);
      ip('-n', a, 'link', 'set', SERVER_END, 'netns', b);
    }
    ip('-n', b, 'link', 'set', SERVER_END, 'addrgenmode', 'none');
    for (const [name, device] of [[a, CLIENT_END], [b, SERVER_END]] as const) ip('-n', name, 'link', 'set', device, 'up');
    linuxAddress(a, CLIENT_ADDRESS, CLIENT_END);
  }

  /** The echo server; resolves with its URL. */
  async serve(stack: Stack, device: 'net_af_packet' | 'net_af_xdp' = 'net_af_packet', cpu: number | null = null): Promise<string> {
    const b = this.#names[1];
    const own = ['--listen', `${SERVER_ADDRESS}:9000`, '--max-message', '1MiB'];
    const eal = `--no-huge -m 256 --vdev=${device}0,iface=${SERVER_END}`;
    const driver = stack === 'linux' ? ['--driver', 'epoll'] : ['--driver', 'dpdk', '--eal', eal, '--ip', `${SERVER_ADDRESS}/24`];
    if (stack === 'linux') linuxAddress(b, SERVER_ADDRESS, SERVER_END);
    const command = [...this.#before, ...onCpu(cpu), process.execPath, SLUICE_CLI, 'echo', ...driver, ...own];
    const ready = await line(this.#spawn(b, command), /^ready .*$/m);
    return /ws:\S+/.exec(ready)?.[0] ?? '';
  }

  /** Runs a client's program and resolves with the JSON that it prints. */
  async run(command: readonly string[], cpu: number | null = null): Promise<string> {
    return line(this.#spawn(this.#names[0], [...onCpu(cpu), ...command]), /^\{.*\}$/m, DONE_WITHIN_MS);
  }

  async close(): Promise<void> {
    for (const child of this.#children.reverse()) await end(child);
    process.removeListener('exit', this.#onExit);
    this.#onExit();
  }

  #spawn(name: string, command: readonly string[]): ChildProcess {
    const child = spawn('ip', ['netns', 'exec', name, ...command], { stdio: ['ignore', 'pipe', 'pipe'] });
    this.#children.push(child);
    return child;
  }
}
