import { isIP } from 'node:net';

/** The host name of a Host header, lower case, without port and brackets; null when it is malformed. */
export function hostName(header: string | undefined): string | null {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]/\s@]+))(?::\d{1,5})?$/.exec(header ?? '');
  return match === null ? null : (match[1] ?? match[2] ?? '').toLowerCase();
}

/**
 * Whether a request with this Host header is answered. DNS rebinding needs a name that the attacker's DNS server resolves, so
 * addresses and localhost are safe, and any other name must be listed.
 */
export function isHostAllowed(header: string | undefined, listed: ReadonlySet<string>): boolean {
  const name = hostName(header);
  if (name === null) return false;
  return isIP(name) !== 0 || name === 'localhost' || name.endsWith('.localhost') || listed.has(name);
}
