import { ClientError } from './errors.js';
import type { ClientOptions, Clock, Limits, TokenSource, WebSocketConstructor } from './types.js';

export const DEFAULT_LIMITS: Limits = {
  backoffBaseMs: 250,
  backoffCapMs: 30_000,
  stableMs: 10_000,
  connectTimeoutMs: 15_000,
  requestTimeoutMs: 15_000,
  outboxMessages: 1_000,
  outboxBytes: 16 * 1024 * 1024,
  publishWindow: 64,
  queueMessages: 10_000,
  maxBodyBytes: 60 * 1024,
  gapRefetches: 3,
  protocolFailures: 5,
};

const DEVICE_BYTES = 255;
/** As the gateway has it (src/session/text.ts). */
const NOT_PLAIN = /[\u0000-\u001f\u007f-\u009f]|\p{Surrogate}/u;

export interface ResolvedOptions {
  readonly url: string;
  readonly token: TokenSource | null;
  readonly device: string | null;
  readonly syncCursor: string | null;
  readonly WebSocket: WebSocketConstructor;
  readonly clock: Clock;
  readonly random: () => number;
  readonly limits: Limits;
}

/** Throws ClientError `bad_option` with the option's name, or `no_websocket`. */
export function resolveOptions(options: ClientOptions): ResolvedOptions {
  checkKinds(options);
  return {
    url: gatewayUrl(options.url),
    token: options.token ?? null,
    device: options.device ?? null,
    syncCursor: options.syncCursor ?? null,
    WebSocket: options.WebSocket ?? globalWebSocket(),
    clock: options.clock ?? systemClock,
    random: options.random ?? secureRandom,
    limits: resolveLimits(options),
  };
}

/** Of what would fail much later, or over and over: what JavaScript lets through. */
function checkKinds(options: ClientOptions): void {
  if (typeof options !== 'object' || options === null) {
    throw new ClientError('bad_option', 'options: createClient() takes an object with the gateway\'s `url` at least');
  }
  const kinds: readonly (readonly [keyof ClientOptions, readonly string[]])[] = [
    ['token', ['string', 'function']], ['device', ['string']], ['syncCursor', ['string']], ['WebSocket', ['function']],
  ];
  for (const [name, expected] of kinds) {
    const value: unknown = options[name];
    if (value === undefined || value === null || expected.includes(typeof value)) continue;
    throw new ClientError('bad_option', `${name}: expected a ${expected.join(' or a ')}, got a ${typeof value}`);
  }
  // The gateway would close each connection that names such a one.
  const { device = null } = options;
  if (device !== null && (device === '' || new TextEncoder().encode(device).length > DEVICE_BYTES || NOT_PLAIN.test(device))) {
    throw new ClientError('bad_option', `device: expected a text of 1 to ${DEVICE_BYTES} bytes without control characters`);
  }
}

/** The URL with the protocol's path where it has none. Throws ClientError `bad_option`. */
export function gatewayUrl(text: string): string {
  let url: URL;
  try {
    url = new URL(text);
  } catch (cause) {
    throw new ClientError('bad_option', `url: ${JSON.stringify(text)} is not a URL`, { cause });
  }
  if (url.protocol !== 'ws:' && url.protocol !== 'wss:') {
    throw new ClientError('bad_option', `url: ${JSON.stringify(text)} must start with ws:// or wss://`);
  }
  if (url.pathname === '/' || url.pathname === '') url.pathname = '/v1';
  url.hash = '';
  return url.href;
}

function resolveLimits(options: ClientOptions): Limits {
  const limits: Record<string, number> = {};
  for (const [name, fallback] of Object.entries(DEFAULT_LIMITS) as [keyof Limits, number][]) {
    const value = options[name] ?? fallback;
    if (!Number.isFinite(value) || value <= 0) {
      throw new ClientError('bad_option', `${name}: ${String(value)} must be a positive number`);
    }
    limits[name] = value;
  }
  return limits as unknown as Limits;
}

function globalWebSocket(): WebSocketConstructor {
  const found = (globalThis as { WebSocket?: WebSocketConstructor }).WebSocket;
  if (found !== undefined) return found;
  throw new ClientError(
    'no_websocket',
    'there is no global WebSocket here (Node before 22): pass one as the option `WebSocket`, from the package ws or undici',
  );
}

const systemClock: Clock = {
  now: () => Date.now(),
  setTimeout: (callback, ms) => setTimeout(callback, ms),
  clearTimeout: (handle) => clearTimeout(handle as ReturnType<typeof setTimeout>),
};

/** Cryptographic, because clients that start together from one image must not share their jitter and keys. */
function secureRandom(): number {
  const words = new Uint32Array(2);
  globalThis.crypto.getRandomValues(words);
  return ((words[0] ?? 0) * 2 ** 21 + ((words[1] ?? 0) >>> 11)) / 2 ** 53;
}
