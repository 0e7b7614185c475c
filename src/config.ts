/** Configuration: `sluice.json` and flags against the table of options; unknown names and bad values are refused with their path. */

import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { isLoopback, parseAddress, type ListenAddress } from './config/address.js';
import { deviceListen, networkOptions, type NetworkOptions } from './config/device.js';
import { readText, type ValueOf } from './config/kinds.js';
import {
  AUTH_OPTIONS, CLUSTER_OPTIONS, DRAIN_OPTIONS, HISTORY_OPTIONS, KEY_OPTIONS, LIMIT_OPTIONS, LOG_OPTIONS, SERVER_OPTIONS, SESSION_OPTIONS,
  STORE_OPTIONS, type Option,
} from './config/options.js';
import { ConfigError, UsageError } from './errors.js';

export { formatAddress, isLoopback, parseAddress, type ListenAddress } from './config/address.js';
export { formatSize, parseDuration, parseSize } from './config/units.js';

type Section = Readonly<Record<string, Option<unknown>>>;
type Values<S> = { readonly [K in keyof S]: S[K] extends { readonly kind: infer Kind } ? ValueOf<Kind> : never };

export type Limits = Values<typeof LIMIT_OPTIONS>;
export type LogConfig = Values<typeof LOG_OPTIONS>;
export type StoreConfig = Values<typeof STORE_OPTIONS>;
export type ClusterConfig = Values<typeof CLUSTER_OPTIONS>;
export type HistoryConfig = Values<typeof HISTORY_OPTIONS>;
export type SessionConfig = Values<typeof SESSION_OPTIONS>;
export type DrainConfig = Values<typeof DRAIN_OPTIONS>;
export type AuthKeyConfig = Values<typeof KEY_OPTIONS>;
export type AuthConfig = Values<typeof AUTH_OPTIONS> & { readonly keys: readonly AuthKeyConfig[] };

export interface Config extends Omit<Values<typeof SERVER_OPTIONS>, 'node'> {
  readonly node: string;
  readonly limits: Limits;
  readonly log: LogConfig;
  readonly store: StoreConfig;
  readonly cluster: ClusterConfig;
  readonly history: HistoryConfig;
  readonly session: SessionConfig;
  readonly drain: DrainConfig;
  readonly auth: AuthConfig;
  /** Whether a `hello` without a token is accepted: with allowAnonymous, or on loopback where no keys are configured. */
  readonly anonymous: boolean;
  /** What the dpdk driver is given; null with the others. */
  readonly network: NetworkOptions | null;
}

/** Raw values as JSON or flags give them. */
export type RawConfig = Readonly<Record<string, unknown>>;

/** The whole configuration from raw values. Throws ConfigError with the path of the first fault. */
export function makeConfig(raw: RawConfig = {}): Config {
  const { limits, log, history, store, cluster, session, drain, auth, ...given } = raw;
  const listen = given['driver'] === 'dpdk' && given['listen'] === undefined ? deviceListen(given['ip']) : null;
  const server = listen === null ? given : { ...given, listen };
  const values = readSection(SERVER_OPTIONS, server, '', ['limits', 'log', 'history', 'store', 'cluster', 'session', 'drain', 'auth']);
  const config = {
    ...values,
    node: values.node ?? nodeName(),
    limits: readSection(LIMIT_OPTIONS, section(limits, 'limits'), 'limits.'),
    log: readSection(LOG_OPTIONS, section(log, 'log'), 'log.'),
    history: readHistory(section(history, 'history')),
    store: readSection(STORE_OPTIONS, section(store, 'store'), 'store.'),
    cluster: readSection(CLUSTER_OPTIONS, section(cluster, 'cluster'), 'cluster.'),
    session: readSection(SESSION_OPTIONS, section(session, 'session'), 'session.'),
    drain: readSection(DRAIN_OPTIONS, section(drain, 'drain'), 'drain.'),
    auth: readAuth(section(auth, 'auth')),
  };
  checkTogether(config);
  const anonymous = anonymousAllowed(config.allowAnonymous, config.auth, listenAddress(config.listen));
  return { ...config, anonymous, network: networkOptions(config.driver, config, config.listen) };
}

/** Reads a configuration file. Throws ConfigError when it cannot be read or is no JSON object. */
export function readConfigFile(path: string): RawConfig {
  let content: string;
  try {
    content = readFileSync(path, 'utf8');
  } catch (cause) {
    throw new ConfigError(path, `cannot be read (${(cause as NodeJS.ErrnoException).code ?? 'unknown reason'})`, { cause });
  }
  let parsed: unknown;
  try {
    // Editors may put a byte order mark in front (RFC 8259 §8.1).
    parsed = JSON.parse(content.replace(/^\uFEFF/, ''));
  } catch (cause) {
    throw new ConfigError(path, `is not JSON: ${(cause as Error).message}`, { cause });
  }
  return section(parsed, path);
}

/** Flags over file; both are raw, so the paths in messages are those of the file. */
export function mergeConfig(file: RawConfig, flags: RawConfig): RawConfig {
  const merged: Record<string, unknown> = { ...file };
  for (const [name, value] of Object.entries(flags)) {
    const below = merged[name];
    merged[name] = isObject(value) && isObject(below) ? { ...below, ...value } : value;
  }
  return merged;
}

/** Raw configuration from parsed flags: every option that has a flag, at its path. Throws UsageError for a value it cannot have. */
export function configFromFlags(flags: Readonly<Record<string, unknown>>): RawConfig {
  const limits = sectionFromFlags(LIMIT_OPTIONS, flags);
  return { ...sectionFromFlags(SERVER_OPTIONS, flags), ...(Object.keys(limits).length === 0 ? {} : { limits }) };
}

function sectionFromFlags(options: Section, flags: Readonly<Record<string, unknown>>): RawConfig {
  const raw: Record<string, unknown> = {};
  for (const [name, { flag, kind }] of Object.entries(options)) {
    const given = flag === undefined ? undefined : flags[flag];
    if (given === undefined) continue;
    const value = typeof given === 'string' ? readText(kind, given) : kind.read(given);
    if (value === undefined) throw new UsageError(`--${flag}: expected ${kind.expects}, got ${show(given, name)}`);
    raw[name] = value;
  }
  return raw;
}

/** The parts of an address that the options have checked. */
export function listenAddress(text: string): ListenAddress {
  const parsed = parseAddress(text);
  if (parsed === null) throw new ConfigError('listen', `expected ${SERVER_OPTIONS.listen.kind.expects}, got ${show(text)}`);
  return parsed;
}

function readSection<const S extends Section>(options: S, raw: RawConfig, prefix: string, more: readonly string[] = []): Values<S> {
  const known: Section = options;
  for (const name of Object.keys(raw)) {
    if (Object.hasOwn(known, name)) continue;
    throw new ConfigError(`${prefix}${name}`, `is not an option; known are ${[...Object.keys(known), ...more].join(', ')}`);
  }
  const values: Record<string, unknown> = {};
  for (const [name, { kind, fallback }] of Object.entries(known)) {
    const given = Object.hasOwn(raw, name) ? raw[name] : undefined;
    const value = given === undefined ? fallback : kind.read(given);
    if (value === undefined) throw new ConfigError(`${prefix}${name}`, `expected ${kind.expects}, got ${show(given, name)}`);
    values[name] = value;
  }
  return values as Values<S>;
}

function readHistory(raw: RawConfig): HistoryConfig {
  const history = readSection(HISTORY_OPTIONS, raw, 'history.');
  const { store, url, folder } = history;
  if (store === 'postgres' && url === null) throw new ConfigError('history.url', 'expected the URL of the database, as store is postgres');
  if (store !== 'postgres' && url !== null) throw new ConfigError('history.url', `is of use only with store postgres, not ${store}`);
  if (store !== 'lmdb' && folder !== null) throw new ConfigError('history.folder', `is of use only with store lmdb, not ${store}`);
  return history;
}

function readAuth(raw: RawConfig): AuthConfig {
  const { keys = [], ...rest } = raw;
  const values = readSection(AUTH_OPTIONS, rest, 'auth.', ['keys']);
  if (!Array.isArray(keys) || keys.length > 100) throw new ConfigError('auth.keys', 'expected a list of at most 100 keys');
  return { ...values, keys: keys.map((key, index) => readKey(key, `auth.keys[${index}]`)) };
}

function readKey(raw: unknown, path: string): AuthKeyConfig {
  const key = readSection(KEY_OPTIONS, section(raw, path), `${path}.`);
  const sources = [key.secret, key.secretFile, key.publicKey, key.publicKeyFile, key.jwksFile].filter((source) => source !== null);
  if (sources.length !== 1) throw new ConfigError(path, 'expected exactly one of secret, secretFile, publicKey, publicKeyFile, jwksFile');
  const secret = key.secret !== null || key.secretFile !== null;
  if (key.jwksFile === null && key.alg === null) throw new ConfigError(`${path}.alg`, 'expected one of HS256, RS256, EdDSA');
  // A public key that verifies HS256 is the classic confusion of algorithms: anybody knows that "secret".
  if (secret && key.alg !== 'HS256') throw new ConfigError(`${path}.alg`, `a secret verifies HS256 only, not ${key.alg}`);
  const isPublic = key.publicKey !== null || key.publicKeyFile !== null;
  if (isPublic && key.alg === 'HS256') throw new ConfigError(`${path}.alg`, 'HS256 needs a secret, not a public key');
  return key;
}

function checkTogether(
  config: Pick<Config, 'limits' | 'log' | 'history' | 'store' | 'cluster' | 'drain' | 'cores' | 'connections'>,
): void {
  const { limits, log, store, cluster, drain } = config;
  if (store.redis !== null && log.ephemeral.length > 0) {
    throw new ConfigError('log.ephemeral', 'expected an empty list with store.redis: only what is stored has one order over several nodes');
  }
  if (store.redis !== null && log.retentionBytes > 0) {
    throw new ConfigError('log.retentionBytes', 'expected 0 with store.redis: streams are bounded by store.messages and log.retentionMs');
  }
  if (store.redis === null && (cluster.url !== null || cluster.sticky)) {
    throw new ConfigError('cluster', 'is of use with store.redis only: nodes find each other there');
  }
  if (cluster.sticky && cluster.url === null) {
    throw new ConfigError('cluster.url', 'expected the URL of this node, because cluster.sticky is set');
  }
  if (drain.rate > drain.rateMax) throw new ConfigError('drain.rate', 'expected at most drain.rateMax');
  if (limits.headerBytes > limits.messageBytes) throw new ConfigError('limits.headerBytes', 'expected at most limits.messageBytes');
  if (limits.catchUpChunkBytes > limits.catchUpTurnBytes) {
    throw new ConfigError('limits.catchUpChunkBytes', 'expected at most limits.catchUpTurnBytes');
  }
  if (config.connections < config.cores) throw new ConfigError('connections', 'expected at least one for each core');
}

function anonymousAllowed(flag: boolean, auth: AuthConfig, listen: ListenAddress): boolean {
  if (flag) return true;
  if (auth.keys.length > 0) return false;
  if (isLoopback(listen.host)) return true;
  const why = `${listen.host} can be reached by others, and neither auth.keys nor allowAnonymous is set: nobody could be admitted`;
  throw new ConfigError('listen', why, {
    remedy: 'Configure auth.keys, listen on 127.0.0.1, or pass --allow-anonymous to let everybody in.',
  });
}

function nodeName(): string {
  const name = hostname().replace(/[^A-Za-z0-9._-]/g, '-').slice(0, 63);
  return /^[A-Za-z0-9]/.test(name) ? name : 'node';
}

function section(raw: unknown, path: string): RawConfig {
  if (raw === undefined) return {};
  if (!isObject(raw)) throw new ConfigError(path, `expected an object, got ${show(raw)}`);
  return raw;
}

function isObject(value: unknown): value is RawConfig {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A value for a message: short, and not what the option keeps secret. */
function show(value: unknown, name = ''): string {
  if (/secret|token|url/i.test(name)) return `another ${typeof value}`;
  const shown = JSON.stringify(value) ?? String(value);
  return shown.length > 60 ? `${shown.slice(0, 57)}...` : shown;
}
