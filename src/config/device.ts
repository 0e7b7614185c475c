/** The options of the dpdk driver against each other, and as the engine takes them. */
import { isIP } from 'node:net';

import { ConfigError } from '../errors.js';
import { parseAddress } from './address.js';
import type { ValueOf } from './kinds.js';
import { addressFault, onLink, sameAddress } from './own-addresses.js';
import { DEVICE_OPTIONS } from './options.js';

export type DeviceConfig = { readonly [K in keyof typeof DEVICE_OPTIONS]: ValueOf<(typeof DEVICE_OPTIONS)[K]['kind']> };

/** Our own stack on a DPDK port. */
export interface NetworkOptions {
  readonly eal: string;
  readonly port: string;
  readonly ips: readonly string[];
  readonly gateways: readonly string[];
  readonly vlan: number;
  readonly mtu: number;
  readonly packets: number;
  readonly spinUs: number;
  readonly keepaliveMs: number;
  readonly pcap: string;
  /** tap or virtio-user; empty: the kernel is given nothing. */
  readonly exception: string;
  readonly exceptionDevice: string;
  readonly exceptionFor: readonly string[];
}

const DEFAULT_PORT = 9000;

/** Where the dpdk driver listens unless it is told otherwise: on its first address. Null where that is not known. */
export function deviceListen(ips: unknown): string | null {
  const first: unknown = Array.isArray(ips) ? ips[0] : null;
  const host = typeof first === 'string' ? (first.trim().split('/')[0] ?? '') : '';
  if (isIP(host) === 0) return null;
  return isIP(host) === 6 ? `[${host}]:${DEFAULT_PORT}` : `${host}:${DEFAULT_PORT}`;
}

/** The address at which clients reach our own stack that listens on `listen`, which may be all of its addresses. */
export function deviceAddress(ips: readonly string[], listen: string): string {
  return listen === '0.0.0.0' || listen === '::' ? hostOf(ips[0] ?? listen) : listen;
}

/** What the engine is given for `driver`; null for drivers on kernel sockets. Throws ConfigError for what does not fit together. */
export function networkOptions(driver: string, device: DeviceConfig, listen: string): NetworkOptions | null {
  if (driver !== 'dpdk') {
    refuseWithout(device);
    return null;
  }
  if (device.ip.length === 0) {
    const remedy = 'Give it one with its prefix: --ip 10.9.0.1/24.';
    throw new ConfigError('ip', 'the dpdk driver needs an address of its own', { remedy });
  }
  checkAddresses(device);
  checkGateways(device);
  checkException(device);
  checkListen(device, listen);
  return {
    eal: device.eal ?? '',
    port: device.dpdkPort ?? '',
    ips: device.ip,
    gateways: device.gateway,
    vlan: device.vlan,
    mtu: device.mtu ?? 0,
    packets: device.packets,
    spinUs: device.spinUs,
    keepaliveMs: device.keepalive,
    pcap: device.pcap ?? '',
    exception: device.exception ?? '',
    exceptionDevice: device.exceptionDevice,
    exceptionFor: device.exceptionFor,
  };
}

/** An option that would do nothing is refused: who gives it expects something. */
function refuseWithout(device: DeviceConfig): void {
  for (const [name, { fallback }] of Object.entries(DEVICE_OPTIONS)) {
    const value = device[name as keyof DeviceConfig];
    if (JSON.stringify(value) === JSON.stringify(fallback)) continue;
    throw new ConfigError(name, 'is an option of the dpdk driver', { remedy: 'Add --driver dpdk, or leave the option out.' });
  }
}

function checkAddresses({ ip }: DeviceConfig): void {
  for (const [index, address] of ip.entries()) {
    const fault = addressFault(address);
    if (fault !== null) throw new ConfigError('ip', `${hostOf(address)} ${fault}`);
    const earlier = ip.slice(0, index).find((other) => sameAddress(hostOf(other), hostOf(address)));
    if (earlier !== undefined) throw new ConfigError('ip', `${hostOf(address)} is named twice`);
  }
}

function checkGateways({ gateway, ip }: DeviceConfig): void {
  for (const family of [4, 6]) {
    const gateways = gateway.filter((address) => isIP(address) === family);
    if (gateways.length > 1) throw new ConfigError('gateway', `expected at most one of IPv${family}`);
    const own = ip.some((address) => isIP(hostOf(address)) === family);
    if (gateways.length === 1 && !own) throw new ConfigError('gateway', `${gateways[0]} is of use only with an IPv${family} address in ip`);
  }
  for (const each of gateway) {
    if (ip.some((address) => sameAddress(hostOf(address), each))) throw new ConfigError('gateway', `${each} is an address of its own`);
    if (!onLink(each, ip)) {
      const remedy = "Correct it, or the prefix of ip; with a prefix of /32 or /128 the gateway's address is free.";
      throw new ConfigError('gateway', `${each} is on none of the networks of ip (${ip.join(', ')})`, { remedy });
    }
  }
}

/** What belongs to the exception path says nothing without one. */
function checkException(device: DeviceConfig): void {
  if (device.exception !== null) return;
  for (const name of ['exceptionDevice', 'exceptionFor'] as const) {
    if (JSON.stringify(device[name]) === JSON.stringify(DEVICE_OPTIONS[name].fallback)) continue;
    throw new ConfigError(name, 'is of no use without exception', { remedy: 'Add --exception tap, or leave the option out.' });
  }
}

function checkListen({ ip }: DeviceConfig, listen: string): void {
  const host = parseAddress(listen)?.host ?? '';
  if (host === '0.0.0.0' || host === '::' || ip.some((address) => sameAddress(hostOf(address), host))) return;
  throw new ConfigError('listen', `${host} is none of the dpdk driver's addresses (${ip.map(hostOf).join(', ')})`, {
    remedy: 'Listen on an address that --ip names, or on 0.0.0.0 or [::].',
  });
}

function hostOf(address: string): string {
  return address.split('/')[0] ?? '';
}
