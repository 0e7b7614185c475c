/** What `createEngine` is given, checked by name: the native side takes only what fits together, and stops the process otherwise. */
import { count, flag, list, oneOf, origin, text, type Kind } from '../config/kinds.js';
import { InvalidError } from '../errors.js';
import type { CreateEngineOptions } from './server.js';

const KIB = 1024;
const MIB = 1024 * KIB;
const DAY_MS = 86_400_000;

const handler: Kind<(...args: never[]) => void> = {
  expects: 'a function',
  read: (raw) => (typeof raw === 'function' ? (raw as (...args: never[]) => void) : undefined),
};

/** Made by `networkOptions`, or by hand in the same shape. */
const network: Kind<object> = {
  expects: 'the options of the dpdk driver, or null',
  read: (raw) => {
    if (typeof raw !== 'object' || raw === null) return undefined;
    const { eal, ips } = raw as { readonly eal?: unknown; readonly ips?: unknown };
    return typeof eal === 'string' && Array.isArray(ips) && ips.length > 0 && ips.every((ip) => typeof ip === 'string') ? raw : undefined;
  },
};

const KINDS: { readonly [Name in keyof Required<CreateEngineOptions>]: Kind<unknown> } = {
  listen: text(255),
  driver: oneOf('auto', 'dpdk', 'uring', 'epoll'),
  network,
  name: text(48, /^[A-Za-z0-9._-]+$/, '1 to 48 letters, digits, dots, dashes or underscores'),
  cores: count(1, 64),
  connections: count(1, 16_000_000),
  maxMessage: count(1, 256 * MIB),
  sendBudget: count(KIB, 1024 * MIB),
  upgradeTimeoutMs: count(1, DAY_MS),
  attachWaitMs: count(0, DAY_MS),
  closeTimeoutMs: count(1, DAY_MS),
  heartbeatMs: count(0, DAY_MS),
  pacingUs: count(0, 10_000),
  maxHeadBytes: count(256, 64 * KIB),
  maxHeaders: count(1, 1000),
  paths: list(text(1024, /^\//, 'a path that begins with /'), 100),
  subprotocols: list(text(256, /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/, 'a token of at most 256 characters'), 100),
  requireSubprotocol: flag(),
  origins: list(origin(1024), 1000),
  arenaBytes: count(MIB, 2 ** 40),
  open: handler,
  message: handler,
  writable: handler,
  close: handler,
  lagging: handler,
  notice: handler,
};

/** Throws InvalidError with the option's name. What is undefined counts as left out. */
export function checkEngineOptions(options: CreateEngineOptions): void {
  if (typeof options !== 'object' || options === null) throw new InvalidError('createEngine takes an object of options');
  for (const [name, value] of Object.entries(options)) {
    const kind = Object.hasOwn(KINDS, name) ? KINDS[name as keyof CreateEngineOptions] : undefined;
    if (kind === undefined) throw new InvalidError(`${name}: is not an option; known are ${Object.keys(KINDS).join(', ')}`);
    if (value === undefined || (name === 'network' && value === null)) continue;
    if (kind.read(value) === undefined) throw new InvalidError(`${name}: expected ${kind.expects}, got ${describe(value)}`);
  }
}

function describe(value: unknown): string {
  return typeof value === 'function' ? 'a function' : (JSON.stringify(value)?.slice(0, 100) ?? String(value));
}
