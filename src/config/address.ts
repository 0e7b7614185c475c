/** Listen addresses: `127.0.0.1:9000`, `[::1]:9000`, `localhost:9000`, `:9000` (every address), `9000`. */

import { isIP, isIPv4 } from 'node:net';

export interface ListenAddress {
  readonly host: string;
  /** 0 lets the kernel choose. */
  readonly port: number;
}

/** Null where the text is no listen address. */
export function parseAddress(text: string): ListenAddress | null {
  const match = /^(?:\[([0-9A-Fa-f:.]+)\]|([^\s:[\]]*)):(\d{1,5})$/.exec(text) ?? /^()()(\d{1,5})$/.exec(text);
  if (match === null) return null;
  const port = Number(match[3]);
  if (port > 65535) return null;
  const bracketed = match[1];
  if (bracketed !== undefined && bracketed !== '') {
    return isIP(bracketed) === 6 ? { host: bracketed, port } : null;
  }
  const host = match[2] ?? '';
  if (host === '' || host === '*') return { host: '0.0.0.0', port };
  if (host === 'localhost') return { host: '127.0.0.1', port };
  return isIPv4(host) ? { host, port } : null;
}

export function formatAddress(address: ListenAddress): string {
  const host = address.host.includes(':') ? `[${address.host}]` : address.host;
  return `${host}:${address.port}`;
}

/** Whether only this machine can reach the address. */
export function isLoopback(host: string): boolean {
  return host === '::1' || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(host);
}
