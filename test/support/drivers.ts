/** The drivers that tests of whole servers run on, each on what it needs: loopback, or a link of the test's own namespace. */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';

import { loadNative } from '../../src/engine/native.js';
import { NAMESPACE_LACKING } from './own-namespace.js';
import { startSluice, type SluiceProcess, type StartOptions } from './sluice-process.js';
import { bridgeLacking, startVhostBridge } from './vhost-bridge.js';

export const KERNEL_DRIVERS = ['epoll', 'uring'] as const;
/** Our own stack with Linux as its peer: over a TAP device, over a veth by AF_PACKET and by AF_XDP, and as a virtio device. */
export const DPDK_DRIVERS = ['dpdk on tap', 'dpdk on af_packet', 'dpdk on af_xdp', 'dpdk on virtio-user'] as const;
export const DRIVERS = [...KERNEL_DRIVERS, ...DPDK_DRIVERS] as const;

export type DpdkDriver = (typeof DPDK_DRIVERS)[number];
export type Driver = (typeof DRIVERS)[number];

/** SLUICE_DRIVERS: `all`, or names with commas between. Without it a test runs on `usual` (every driver costs its time). */
export function selectedDrivers<D extends Driver = Driver>(usual: readonly D[], all: readonly Driver[] = DRIVERS): readonly D[] {
  const wanted = process.env['SLUICE_DRIVERS'];
  if (wanted === undefined) return usual;
  const names = wanted === 'all' ? all : all.filter((driver) => wanted.split(',').includes(driver));
  return names as readonly D[];
}

/** What tap takes as `skip`: false, or why this machine cannot run the driver. */
export function lacking(driver: Driver): string | false {
  const { uring, dpdk } = loadNative().probe();
  if (driver === 'epoll') return false;
  if (driver === 'uring') return !uring.usable && uring.reason;
  if (!dpdk.usable) return dpdk.reason;
  if (NAMESPACE_LACKING !== null) return NAMESPACE_LACKING;
  if (driver === 'dpdk on virtio-user') return bridgeLacking();
  return driver === 'dpdk on tap' && !existsSync('/dev/net/tun') && 'there is no /dev/net/tun';
}

export interface Link {
  /** Address of the server, and that of the kernel at the other end of the link. */
  readonly own: string;
  readonly own6: string;
  readonly peer: string;
  readonly peer6: string;
  /** The kernel's device. */
  readonly device: string;
  readonly eal: string;
  /** Ends what makes the link, after the server. The namespace takes its devices with it. */
  stop(): void;
}

let links = 0;

function ip(...args: readonly string[]): void {
  execFileSync('ip', args, { stdio: ['ignore', 'ignore', 'pipe'] });
}

/**
 * A link of our own stack's to this namespace's kernel. What a TAP device needs is done by connectLink(), when DPDK has made it.
 * `ring`: descriptors of a virtio device's ring.
 */
export async function makeLink(driver: DpdkDriver, ring = 1024): Promise<Link> {
  const n = ++links;
  const own = `10.200.${n}.1`;
  const own6 = `fd00:200:${n}::1`;
  const rest = { own, own6, peer: `10.200.${n}.2`, peer6: `fd00:200:${n}::2`, stop: () => undefined };
  const common = '--no-huge -m 256';
  if (driver === 'dpdk on virtio-user') {
    const { socket, stop } = await startVhostBridge(`vhost${n}`);
    const eal = `${common} --single-file-segments --vdev=net_virtio_user${n},path=${socket},queues=1,queue_size=${ring}`;
    return { ...rest, device: `vhost${n}`, eal, stop };
  }
  if (driver === 'dpdk on tap') return { ...rest, device: `tap${n}`, eal: `${common} --vdev=net_tap${n},iface=tap${n}` };
  ip('link', 'add', `dpdk${n}`, 'type', 'veth', 'peer', 'name', `peer${n}`);
  // The kernel's own IPv6 on our end would answer for the link-local address that we make of the same MAC.
  ip('link', 'set', `dpdk${n}`, 'addrgenmode', 'none', 'up');
  // A veth leaves checksums out and segments whole, which only another kernel understands.
  withoutOffloads(`peer${n}`);
  const pmd = driver === 'dpdk on af_packet' ? 'net_af_packet' : 'net_af_xdp';
  return { ...rest, device: `peer${n}`, eal: `${common} --vdev=${pmd}0,iface=dpdk${n}` };
}

function withoutOffloads(device: string): void {
  execFileSync('ethtool', ['-K', device, 'tx', 'off', 'gso', 'off', 'tso', 'off', 'gro', 'off'], { stdio: 'ignore' });
}

/** Gives the kernel its addresses on the link. */
export function connectLink(link: Link): void {
  ip('address', 'add', `${link.peer}/24`, 'dev', link.device);
  ip('address', 'add', `${link.peer6}/64`, 'dev', link.device, 'nodad');
  ip('link', 'set', link.device, 'up');
}

/** Waits until every address is in use: what a browser has under way when one comes is cut off (ERR_NETWORK_CHANGED). */
export async function addressesSettled(): Promise<void> {
  const tentative = (): string => execFileSync('ip', ['-o', '-6', 'address', 'show', 'tentative'], { encoding: 'utf8' });
  for (const deadline = Date.now() + 30_000; tentative() !== '' && Date.now() < deadline; ) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** What `serve` and `echo` are given to run on the link. */
export function linkArgs(link: Link, port = 0): readonly string[] {
  const ips = `${link.own}/24,${link.own6}/64`;
  return ['--driver', 'dpdk', '--eal', link.eal, '--ip', ips, '--listen', `0.0.0.0:${port}`];
}

export interface ServerOn extends SluiceProcess {
  /** Null on kernel sockets. */
  readonly link: Link | null;
}

/** Starts `sluice serve` or `echo` on the driver, ready for clients of this process. */
export async function startOn(driver: Driver, args: readonly string[], options: StartOptions = {}): Promise<ServerOn> {
  if (driver === 'epoll' || driver === 'uring') {
    const server = await startSluice([...args, '--driver', driver, '--listen', '127.0.0.1:0'], options);
    return { ...server, link: null };
  }
  const link = await makeLink(driver);
  const anonymous = args[0] === 'serve' ? ['--allow-anonymous'] : [];
  try {
    const server = await startSluice([...args, ...linkArgs(link), ...anonymous], options);
    connectLink(link);
    const stop = (signal?: NodeJS.Signals): Promise<number | null> => server.stop(signal).finally(() => link.stop());
    return { ...server, link, url: server.url.replace('0.0.0.0', link.own), stop };
  } catch (error) {
    link.stop();
    throw error;
  }
}
