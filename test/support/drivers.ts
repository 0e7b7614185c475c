/** The drivers that tests of whole servers run on, each on what it needs: loopback, or a link of the test's own namespace. */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';

import { loadNative } from '../../src/engine/native.js';
import { NAMESPACE_LACKING } from './own-namespace.js';
import { startSluice, type SluiceProcess, type StartOptions } from './sluice-process.js';

export const KERNEL_DRIVERS = ['epoll', 'uring'] as const;
/** Our own stack with Linux as its peer: over a TAP device, and over a veth by AF_PACKET and by AF_XDP. */
export const DPDK_DRIVERS = ['dpdk on tap', 'dpdk on af_packet', 'dpdk on af_xdp'] as const;
export const DRIVERS = [...KERNEL_DRIVERS, ...DPDK_DRIVERS] as const;

export type DpdkDriver = (typeof DPDK_DRIVERS)[number];
export type Driver = (typeof DRIVERS)[number];

/** What tap takes as `skip`: false, or why this machine cannot run the driver. */
export function lacking(driver: Driver): string | false {
  const { uring, dpdk } = loadNative().probe();
  if (driver === 'epoll') return false;
  if (driver === 'uring') return !uring.usable && uring.reason;
  if (!dpdk.usable) return dpdk.reason;
  if (NAMESPACE_LACKING !== null) return NAMESPACE_LACKING;
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
}

let links = 0;

function ip(...args: readonly string[]): void {
  execFileSync('ip', args, { stdio: ['ignore', 'ignore', 'pipe'] });
}

/** A link of our own stack's to this namespace's kernel. What a TAP device needs is done by connectLink(), when DPDK has made it. */
export function makeLink(driver: DpdkDriver): Link {
  const n = ++links;
  const own = `10.200.${n}.1`;
  const own6 = `fd00:200:${n}::1`;
  const rest = { own, own6, peer: `10.200.${n}.2`, peer6: `fd00:200:${n}::2` };
  const common = '--no-huge -m 256';
  if (driver === 'dpdk on tap') return { ...rest, device: `tap${n}`, eal: `${common} --vdev=net_tap${n},iface=tap${n}` };
  ip('link', 'add', `dpdk${n}`, 'type', 'veth', 'peer', 'name', `peer${n}`);
  // The kernel's own IPv6 on our end would answer for the link-local address that we make of the same MAC.
  ip('link', 'set', `dpdk${n}`, 'addrgenmode', 'none', 'up');
  // A veth leaves checksums out and segments whole, which only another kernel understands.
  execFileSync('ethtool', ['-K', `peer${n}`, 'tx', 'off', 'gso', 'off', 'tso', 'off', 'gro', 'off'], { stdio: 'ignore' });
  const pmd = driver === 'dpdk on af_packet' ? 'net_af_packet' : 'net_af_xdp';
  return { ...rest, device: `peer${n}`, eal: `${common} --vdev=${pmd}0,iface=dpdk${n}` };
}

/** Gives the kernel its addresses on the link. */
export function connectLink(link: Link): void {
  ip('address', 'add', `${link.peer}/24`, 'dev', link.device);
  ip('address', 'add', `${link.peer6}/64`, 'dev', link.device, 'nodad');
  ip('link', 'set', link.device, 'up');
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
  const link = makeLink(driver);
  const anonymous = args[0] === 'serve' ? ['--allow-anonymous'] : [];
  const server = await startSluice([...args, ...linkArgs(link), ...anonymous], options);
  connectLink(link);
  return { ...server, link, url: server.url.replace('0.0.0.0', link.own) };
}
