/**
 * A network namespace with a TAP device, made for one test: on one side servers on Linux's own TCP, on the other sluice-wiregen. The
 * clients' network lies behind 10.90.0.2, as many hosts behind a router would.
 */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

function projectRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'binding.gyp'))) folder = dirname(folder);
  return folder;
}

export const ROOT = projectRoot();
export const WIREGEN = join(ROOT, 'build', 'Release', 'sluice-wiregen');
export const SERVER_ADDRESS = '10.90.0.1';
export const SERVER_ADDRESS_V6 = '[fd00:90::1]';
const DEVICE = 'wg0';
const LIFETIME_MS = 10 * 60_000;

/** Why there can be no such namespace here; null where there can. */
export function namespaceLacking(): string | null {
  if (process.getuid?.() !== 0) return 'network namespaces take root';
  if (!existsSync('/dev/net/tun')) return 'there is no /dev/net/tun';
  if (!existsSync(WIREGEN)) return `there is no ${WIREGEN}`;
  try {
    execFileSync('ip', ['-V'], { stdio: 'ignore' });
    return null;
  } catch {
    return 'iproute2 is not installed';
  }
}

export interface WiregenResult {
  readonly ok: boolean;
  readonly failure?: string;
  readonly lost: number;
  readonly opened: number;
  readonly pings: number;
  readonly heartbeats: number;
  readonly resumed: number;
  readonly wire: Readonly<Record<string, number>>;
  readonly phases: readonly (Readonly<Record<string, unknown>> & { readonly phase: string })[];
}

export class TapNamespace {
  readonly name: string;
  readonly #folder = mkdtempSync(join(tmpdir(), 'sluice-wiregen-'));
  readonly #children = new Set<ChildProcess>();

  constructor() {
    this.name = `slwg-${process.pid}-${Math.floor(Math.random() * 1e6)}`;
    this.#ip('netns', 'add', this.name);
    const inside = (...args: string[]): void => this.#ip('-n', this.name, ...args);
    inside('link', 'set', 'lo', 'up');
    inside('tuntap', 'add', 'dev', DEVICE, 'mode', 'tap');
    inside('addr', 'add', `${SERVER_ADDRESS}/24`, 'dev', DEVICE);
    inside('link', 'set', DEVICE, 'up');
    inside('route', 'add', '10.91.0.0/16', 'via', '10.90.0.2');
    inside('-6', 'addr', 'add', 'fd00:90::1/64', 'dev', DEVICE, 'nodad');
    inside('-6', 'route', 'add', 'fd00:91::/64', 'via', 'fd00:90::2');
  }

  #ip(...args: string[]): void {
    execFileSync('ip', args, { stdio: ['ignore', 'ignore', 'inherit'] });
  }

  /** Runs a command inside to its end. */
  exec(command: string, ...args: string[]): void {
    execFileSync('ip', ['netns', 'exec', this.name, command, ...args], { stdio: ['ignore', 'ignore', 'inherit'] });
  }

  #spawn(args: readonly string[]): ChildProcess {
    const options = { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'] as ['ignore', 'pipe', 'pipe'], timeout: LIFETIME_MS };
    const child = spawn('ip', ['netns', 'exec', this.name, ...args], options);
    this.#children.add(child);
    child.once('exit', () => this.#children.delete(child));
    return child;
  }

  /** Starts a server inside and waits for its ready line. `ip netns exec` becomes the program, so the process is the server itself. */
  async start(args: readonly string[]): Promise<ChildProcess> {
    const child = this.#spawn([process.execPath, ...args]);
    let text = '';
    await new Promise<void>((resolve, reject) => {
      const take = (chunk: Buffer): void => {
        text += chunk.toString();
        if (/^ready /m.test(text)) resolve();
      };
      child.stdout?.on('data', take);
      child.stderr?.on('data', take);
      child.once('exit', (code) => reject(new Error(`the server ended (${code}): ${text}`)));
      setTimeout(() => reject(new Error(`the server is not ready: ${text}`)), 60_000).unref();
    });
    return child;
  }

  /** Plays a scenario; `lines` follow the settings. The result is what the program says of itself. */
  async play(server: string, clients: string, lines: readonly string[], { ipv6 = false, timeoutS = 240 } = {}): Promise<WiregenResult> {
    const file = join(this.#folder, 'scenario');
    const network = ipv6 ? 'network=fd00:91::/112 local=fd00:90::2' : 'network=10.91.0.0/16 local=10.90.0.2';
    const address = ipv6 ? SERVER_ADDRESS_V6 : SERVER_ADDRESS;
    const text = [`server address=${address}:${server}`, `clients ${network} ${clients}`, ...lines, ''];
    writeFileSync(file, text.join('\n'));
    const child = this.#spawn([WIREGEN, file, '--tap', DEVICE, '--quiet', '--deadline', String(timeoutS)]);
    let out = '';
    let err = '';
    child.stdout?.on('data', (chunk: Buffer) => (out += chunk.toString()));
    child.stderr?.on('data', (chunk: Buffer) => (err += chunk.toString()));
    await new Promise((resolve) => child.once('close', resolve));
    const last = out.trim().split('\n').at(-1) ?? '';
    if (!last.startsWith('{')) throw new Error(`sluice-wiregen gave no result: ${err}`);
    return JSON.parse(last) as WiregenResult;
  }

  async close(): Promise<void> {
    const ends = [...this.#children].map(async (child) => new Promise((resolve) => child.once('exit', resolve)));
    for (const child of this.#children) child.kill('SIGKILL');
    await Promise.all(ends);
    this.#ip('netns', 'del', this.name);
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
