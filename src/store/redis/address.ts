/** Where a Redis is, as one line of the configuration. */

import { ConfigError } from '../../errors.js';

export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

/** `username` and `password` are empty where there are none. */
export interface RedisAddress {
  readonly kind: 'standalone' | 'sentinel' | 'cluster';
  /** The server; the sentinels; some nodes of the cluster. */
  readonly endpoints: readonly Endpoint[];
  /** Name that the sentinels know the master by; empty for the other kinds. */
  readonly master: string;
  readonly database: number;
  readonly tls: boolean;
  readonly username: string;
  readonly password: string;
}

const KINDS = { redis: 'standalone', 'redis+sentinel': 'sentinel', 'redis+cluster': 'cluster' } as const;
const PORTS = { standalone: 6379, sentinel: 26_379, cluster: 6379 } as const;
const EXPECTED =
  'expected redis://HOST:PORT[/DATABASE], redis+sentinel://HOST:PORT,HOST:PORT/MASTER[/DATABASE] or redis+cluster://HOST:PORT,HOST:PORT; ' +
  'rediss in place of redis is TLS, USER:PASSWORD@ may stand before the first host';

/** Throws ConfigError naming `path`. */
export function parseRedisAddress(text: string, path: string): RedisAddress {
  const match = /^(rediss?)(\+sentinel|\+cluster)?:\/\/(?:([^@/]*)@)?([^/@]+)(?:\/(.*))?$/.exec(text);
  if (match === null) throw new ConfigError(path, EXPECTED);
  const [, scheme, suffix = '', login = '', hosts = '', rest = ''] = match;
  const kind = KINDS[`redis${suffix}` as keyof typeof KINDS];
  const endpoints = hosts.split(',').map((host) => readEndpoint(host, PORTS[kind], path));
  if (kind === 'standalone' && endpoints.length > 1) throw new ConfigError(path, EXPECTED);
  const words = rest === '' ? [] : rest.split('/');
  const master = kind === 'sentinel' ? (words.shift() ?? '') : '';
  if (kind === 'sentinel' && master === '') throw new ConfigError(path, EXPECTED);
  const database = readDatabase(words, kind, path);
  const colon = login.indexOf(':');
  const username = decodeURIComponent(colon < 0 ? login : login.slice(0, colon));
  const password = colon < 0 ? '' : decodeURIComponent(login.slice(colon + 1));
  return { kind, endpoints, master, database, tls: scheme === 'rediss', username, password };
}

function readEndpoint(text: string, fallback: number, path: string): Endpoint {
  const match = /^(\[[0-9a-fA-F:.]+\]|[^:[\]]+)(?::(\d{1,5}))?$/.exec(text);
  const port = Number(match?.[2] ?? fallback);
  if (match === null || port < 1 || port > 65_535) throw new ConfigError(path, EXPECTED);
  return { host: match[1]!.replace(/^\[|\]$/g, ''), port };
}

function readDatabase(words: readonly string[], kind: RedisAddress['kind'], path: string): number {
  if (words.length === 0) return 0;
  // A cluster has database 0 only.
  if (words.length > 1 || kind === 'cluster' || !/^\d{1,5}$/.test(words[0] ?? '')) throw new ConfigError(path, EXPECTED);
  return Number(words[0]);
}

/** For logs and errors: without the password. */
export function describeRedis({ kind, endpoints, master }: RedisAddress): string {
  const hosts = endpoints.map(({ host, port }) => `${host}:${port}`).join(',');
  return kind === 'standalone' ? `Redis at ${hosts}` : `Redis ${kind} at ${hosts}${master === '' ? '' : ` (${master})`}`;
}
