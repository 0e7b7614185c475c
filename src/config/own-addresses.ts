/** Addresses that a host can have, and what they can reach without a gateway. */
import { BlockList, isIP } from 'node:net';

/** One for each family: a list takes IPv4 addresses for mapped ones, and the reverse. */
const UNUSABLE = { ipv4: new BlockList(), ipv6: new BlockList() } as const;
for (const [network, prefix] of [['0.0.0.0', 8], ['127.0.0.0', 8], ['224.0.0.0', 3]] as const) {
  UNUSABLE.ipv4.addSubnet(network, prefix, 'ipv4');
}
for (const [network, prefix] of [['::', 127], ['ff00::', 8], ['::ffff:0:0', 96]] as const) UNUSABLE.ipv6.addSubnet(network, prefix, 'ipv6');

/** What keeps a host from having this address (RFC 1122 §3.2.1.3, RFC 4291 §2); null for nothing. `address`: with its prefix. */
export function addressFault(address: string): string | null {
  const [host = '', prefix] = address.split('/');
  const family = familyOf(host);
  if (UNUSABLE[family].check(host, family)) return 'is no address of one host';
  const hostBits = 32 - Number(prefix);
  // A prefix of 31 or 32 bits has no broadcast address (RFC 3021).
  if (family === 'ipv6' || hostBits < 2) return null;
  const part = wordOf(host) % 2 ** hostBits;
  if (part === 0) return 'is the address of its network, not of a host';
  return part === 2 ** hostBits - 1 ? 'is the broadcast address of its network' : null;
}

/** Whether a neighbour can have the address. Some clouds hand out single addresses (/32), whose gateway lies elsewhere. */
export function onLink(address: string, own: readonly string[]): boolean {
  const family = familyOf(address);
  const networks = new BlockList();
  networks.addSubnet('fe80::', 10, 'ipv6');
  const single = family === 'ipv6' ? 128 : 32;
  let onlySingle = true;
  for (const [host = '', prefix] of own.map((each) => each.split('/'))) {
    if (familyOf(host) !== family) continue;
    networks.addSubnet(host, Number(prefix), family);
    onlySingle &&= Number(prefix) === single;
  }
  return networks.check(address, family) || onlySingle;
}

/** "fd00::1" and "fd00:0::1" are one address. */
export function sameAddress(a: string, b: string): boolean {
  if (isIP(a) !== isIP(b)) return false;
  return isIP(a) === 6 ? new URL(`http://[${a}]`).hostname === new URL(`http://[${b}]`).hostname : a === b;
}

function familyOf(address: string): 'ipv4' | 'ipv6' {
  return isIP(address) === 6 ? 'ipv6' : 'ipv4';
}

function wordOf(address: string): number {
  return address.split('.').reduce((word, byte) => word * 256 + Number(byte), 0);
}
