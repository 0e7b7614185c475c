/**
 * Every option: its default, unit, limits, JSON path and, where it has one, its flag. The page docs/CONFIGURATION.md is made
 * from this table. Defaults are those of the design, section 7.
 */

import { address, count, duration, flag, ipAddress, list, oneOf, origin, orNull, size, text, type Kind } from './kinds.js';

export interface Option<T> {
  readonly kind: Kind<T>;
  readonly fallback: T;
  /** Name on the command line, without the dashes. */
  readonly flag?: string;
  readonly help: string;
}

const KiB = 1024;
const MiB = 1024 * KiB;
const GiB = 1024 * MiB;
const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;

function option<T>(kind: Kind<T>, fallback: T, help: string, flagName?: string): Option<T> {
  return flagName === undefined ? { kind, fallback, help } : { kind, fallback, help, flag: flagName };
}

const NAME = text(63, /^[A-Za-z0-9][A-Za-z0-9._-]*$/, '1 to 63 letters, digits, dots, dashes or underscores');
const PATTERN = text(255);

/** What the dpdk driver is given; the other drivers refuse them. */
export const DEVICE_OPTIONS = {
  eal: option(orNull(text(4096)), null, 'EAL arguments of the dpdk driver, as on a command line.', 'eal'),
  ip: option(list(ipAddress(true), 16), [], 'Own addresses of the dpdk driver, each with its prefix.', 'ip'),
  gateway: option(list(ipAddress(false), 2), [], 'Default routes of the dpdk driver, at most one of IPv4 and one of IPv6.', 'gateway'),
  dpdkPort: option(orNull(text(63)), null, 'Port that the dpdk driver takes, as EAL names it; null takes the first.', 'dpdk-port'),
  vlan: option(count(0, 4094), 0, 'VLAN of the dpdk driver; 0 sends and takes untagged frames.', 'vlan'),
  mtu: option(orNull(count(1280, 9600)), null, 'Largest IP packet of the dpdk driver; null takes the device\'s.', 'mtu'),
  packets: option(count(4096, 4_194_304), 16_384, 'Packet buffers of 2 KiB that the dpdk driver reserves for each core.', 'packets'),
  spinUs: option(count(0, 1_000_000), 50, 'Microseconds without a frame after which the dpdk driver stops polling and sleeps.', 'spin-us'),
  keepalive: option(
    duration(0, 7 * 86_400_000), 0,
    'TCP keepalive of the dpdk driver: silence after which a peer is asked whether it lives; 0 asks never.', 'keepalive',
  ),
  exception: option(
    orNull(oneOf('tap', 'virtio-user')), null,
    'Port over which the dpdk driver gives frames that are not ours to the kernel, and sends what the kernel does; null has none.',
    'exception',
  ),
  exceptionDevice: option(
    text(15, /^[A-Za-z0-9_.-]+$/, '1 to 15 letters, digits, dots, dashes or underscores'), 'sluice0',
    'Name of the kernel\'s end of the exception path.', 'exception-device',
  ),
  exceptionFor: option(
    list(oneOf('addresses', 'protocols', 'ports'), 3), ['addresses', 'protocols', 'ports'],
    'What the kernel is given: frames for other addresses, protocols that we do not speak, TCP ports on which we do not listen.',
    'exception-for',
  ),
  pcap: option(orNull(text(4096)), null, 'File to which the dpdk driver writes the frames that pass.', 'pcap'),
} as const;

export const SERVER_OPTIONS = {
  driver: option(oneOf('auto', 'dpdk', 'uring', 'epoll'), 'auto', 'Where packets come from.', 'driver'),
  listen: option(address(), '127.0.0.1:9000', 'WebSocket address; port 0 lets the kernel choose.', 'listen'),
  admin: option(address(), '127.0.0.1:9090', 'Address of the admin API; keep it on loopback.', 'admin'),
  agent: option(orNull(address()), null, 'Address of the agent check for HAProxy; null has none.', 'agent'),
  data: option(text(4096), './data', 'Folder of the log and the secrets.', 'data'),
  cores: option(count(1, 64), 1, 'Data-plane cores.', 'cores'),
  connections: option(count(1, 16_000_000), 20_000, 'Rows reserved at start: connections over all cores.', 'connections'),
  node: option(orNull(NAME), null, 'Name of this node; null takes the host name.', 'node'),
  region: option(NAME, 'local', 'Region that clients are told.', 'region'),
  name: option(orNull(NAME), null, 'Name of the shared-memory region; null derives one from the process.', 'name'),
  allowAnonymous: option(flag(), false, 'Accept clients without a token on addresses that others can reach.', 'allow-anonymous'),
  origins: option(list(origin(255), 1000), [], 'Allowed Origin headers; an empty list allows every origin.', 'origins'),
  adminHosts: option(
    list(text(255, /^[A-Za-z0-9._-]+$/, '1 to 255 letters, digits, dots, dashes or underscores'), 100), [],
    'Names by which the admin API may be asked for, beside addresses and localhost.',
  ),
  adminToken: option(
    orNull(text(512, /^\S{16,}$/, 'a text of 16 to 512 characters without spaces')),
    null,
    'Bearer token of the admin API; null makes one in the data folder.',
  ),
  ...DEVICE_OPTIONS,
} as const;

export const LIMIT_OPTIONS = {
  messageBytes: option(size(1 * KiB, 64 * MiB), 64 * KiB, 'Largest message; more is closed with 1009.', 'max-message'),
  headerBytes: option(size(256, 64 * KiB), 4 * KiB, 'Longest header line; more is refused with 1002.'),
  cursorBytes: option(size(256, 1 * MiB), 64 * KiB, 'Longest header line of `hello` and `sync`, whose cursors may be long.'),
  channelsPerSession: option(count(1, 60_000), 1000, 'Subscriptions of a session; more is err 1008.'),
  publishRate: option(count(0, 1_000_000), 50, 'Publishes a second of a session; more is err 4008. 0 sets no limit.', 'publish-rate'),
  publishBurst: option(count(1, 1_000_000), 100, 'Publishes at once of a session.', 'publish-burst'),
  publishRefusals: option(count(1, 60_000), 500, 'Publishes refused with 4008 without a pause between until the close with 4008.'),
  attachWaitMs: option(duration(0, 10 * MINUTE), 2000, 'A detached engine: how long an upgrade waits for a control plane; then 503.'),
  upgradeTimeoutMs: option(duration(100, 10 * MINUTE), 5000, 'Time for the HTTP upgrade; more is closed.'),
  upgradeBytes: option(size(1 * KiB, 64 * KiB), 8 * KiB, 'Largest HTTP upgrade request; more is status 431.'),
  helloTimeoutMs: option(duration(100, 10 * MINUTE), 10_000, 'Time for `hello`; more is closed with 4003.'),
  heartbeatMs: option(duration(100, 60 * MINUTE), 25_000, 'Heartbeat; two missed are closed with 4002.'),
  sendBudgetBytes: option(size(4 * KiB, 64 * MiB), 256 * KiB, 'Unsent bytes of a connection until it is lagging.'),
  slowConsumerTimeoutMs: option(duration(100, 60 * MINUTE), 30_000, 'Lagging without progress for this long is closed with 4009.'),
  historyMessages: option(count(1, 100_000), 10_000, 'Largest `limit` of `history`; more is err 1002.'),
  requestsPerSession: option(count(1, 10_000), 16, '`history` and `sync` requests in progress in a session; more is err 1008.'),
  clockSenders: option(count(2, 64), 16, 'Senders in the vector clock of a message (`log.vectorClocks`); more is err 1008.'),
  presenceMembers: option(count(0, 100_000), 1000, 'Members listed by `presence`; `count` is always of all.'),
  pendingBytes: option(size(4 * KiB, 64 * MiB), 256 * KiB, 'Bytes taken while a token is being checked; more is closed with 1008.'),
  catchUpChunkBytes: option(size(4 * KiB, 16 * MiB), 64 * KiB, 'Catch-up is sent in chunks of about this size.'),
  catchUpTurnBytes: option(size(4 * KiB, 256 * MiB), 1 * MiB, 'Catch-up sent per turn over all connections.'),
} as const;

export const LOG_OPTIONS = {
  hotBytes: option(size(1 * MiB, 1024 * GiB), 64 * MiB, 'Memory of the hot log.'),
  hotMessages: option(count(1, 2 ** 24), 2 ** 16, 'Messages of one channel in the hot log, rounded up to a power of two.'),
  hotAgeMs: option(duration(1000, 30 * DAY), 10 * MINUTE, 'Age up to which messages stay in the hot log.'),
  publishesInFlight: option(count(1, 1_000_000), 65_536, 'Publishes that wait for their commit; more is err 1013.'),
  recentKeys: option(count(1, 10_000_000), 65_536, 'Finished publishes whose keys are kept in memory.'),
  channelIdleMs: option(duration(1000, DAY), 10 * MINUTE, 'Unused for this long, a channel leaves memory.'),
  mapBytes: option(size(16 * MiB, 16_384 * GiB), 64 * GiB, 'Largest size of the log on disk.'),
  realtimeWrites: option(
    flag(), true, 'The thread that writes the log goes before all others, at real-time priority, where the system allows it.',
  ),
  retentionMs: option(duration(0, 3650 * DAY), 0, 'Age after which messages may be dropped; 0 keeps them all.'),
  retentionBytes: option(
    size(0, 16_384 * GiB), 0,
    'Bytes of messages above which the oldest may be dropped, beside the newest, 2 MiB or a quarter of it; 0 keeps them all.',
  ),
  ephemeral: option(list(PATTERN, 1000), [], 'Patterns of channels whose messages are not stored on disk.'),
  vectorClocks: option(list(PATTERN, 1000), [], 'Patterns of channels whose messages carry vector clocks: for small groups only.'),
} as const;

export const HISTORY_OPTIONS = {
  store: option(oneOf('none', 'lmdb', 'postgres'), 'none', 'Where messages go before they leave the log: the cold tier.'),
  folder: option(orNull(text(4096)), null, 'lmdb: its folder; null takes `history` in the data folder.'),
  mapBytes: option(size(16 * MiB, 16_384 * GiB), 256 * GiB, 'lmdb: largest size on disk.'),
  url: option(
    orNull(text(4096, /^postgres(ql)?:\/\/\S+$/, 'a URL "postgres://user@host/database"')), null, 'postgres: the database.',
  ),
  table: option(
    text(63, /^[a-z_][a-z0-9_]*$/, '1 to 63 lower-case letters, digits and underscores'), 'sluice_messages',
    'postgres: the table, made when it is missing.',
  ),
  pool: option(count(1, 64), 4, 'postgres: connections at most.'),
  timeoutMs: option(duration(100, 10 * MINUTE), 5000, 'How long a read waits for the cold tier; then clients are told `unavailable`.'),
  retentionMs: option(duration(0, 36_500 * DAY), 0, 'Age after which messages of the cold tier may be dropped; 0 keeps them all.'),
  retentionMessages: option(count(0, 1_000_000_000), 0, 'Messages of a channel in the cold tier above which the oldest go; 0 keeps all.'),
  backlogBytes: option(
    size(0, 16_384 * GiB), 16 * GiB, 'Bytes that the log keeps beyond its own retention while the cold tier does not take them.',
  ),
  backlogMessages: option(
    count(0, 1_000_000_000), 1_000_000, 'The same with store.redis: messages of a channel beyond store.messages that may wait.',
  ),
} as const;

export const STORE_OPTIONS = {
  redis: option(
    orNull(text(2048)), null,
    'Redis 7 that several nodes share: `redis://`, `redis+sentinel://` or `redis+cluster://`; null keeps all in the data folder.',
  ),
  prefix: option(text(63, /^[^{}\s]+$/, '1 to 63 characters without braces and spaces'), 'sluice:', 'Begins every key in Redis.'),
  timeoutMs: option(duration(100, 10 * MINUTE), 5000, 'How long Redis may take, reconnecting included; then publishes are err 1013.'),
  messages: option(count(1, 1_000_000_000), 100_000, 'Messages of one channel that Redis keeps, about.'),
  keysMs: option(duration(1000, 30 * DAY), 10 * MINUTE, 'How long Redis remembers the key of a publish, at least.'),
} as const;

export const CLUSTER_OPTIONS = {
  url: option(
    orNull(text(2048, /^wss?:\/\/\S+$/, 'a ws: or wss: URL')), null,
    'Where clients reach this very node: clients that leave another node are sent here. Null: they find their way by themselves.',
  ),
  sticky: option(flag(), false, 'New sessions are sent to the node that their user belongs to, of those of this region.'),
  leaseMs: option(duration(1000, 10 * MINUTE), 10_000, 'A node that was not heard of for so long is taken for dead.'),
} as const;

export const SESSION_OPTIONS = {
  resumeTtlMs: option(duration(1000, 365 * DAY), DAY, 'Time to resume a session whose connection is gone; later is 4004.'),
  resumeGraceMs: option(duration(0, 10 * MINUTE), 30_000, 'The resume token before the last is good this long, if the last was not used.'),
  leaseMs: option(duration(10_000, DAY), 10 * MINUTE, 'Lease of a connected session; renewed at half of it.'),
  cursorsTtlMs: option(duration(0, 3650 * DAY), 30 * DAY, 'How long a device keeps its cursors once its session is over.'),
  gatherMs: option(duration(0, 10_000), 200, 'Cursors that devices report are gathered this long before they are stored.'),
  storeTimeoutMs: option(duration(100, 10 * MINUTE), 5000, 'How long a `hello` waits for the session store; more is closed with 1013.'),
  closeTimeoutMs: option(duration(0, 10 * MINUTE), 5000, 'How long a stop waits for connections to close.'),
  retryAfterS: option(count(0, 3600), 1, 'Retry-After of the 503 that new upgrades get while stopping.'),
} as const;

export const DRAIN_OPTIONS = {
  deadlineMs: option(duration(0, DAY), MINUTE, 'Time of a drain, also by SIGTERM; whoever is left is closed with 1012.'),
  target: option(orNull(text(2048, /^wss?:\/\/\S+$/, 'a ws: or wss: URL')), null, 'Where clients are sent; null leaves them their URL.'),
  rate: option(count(1, 10_000_000), 200, 'Clients a second that are let go at first, and while no receiver reports its load.'),
  rateMax: option(count(1, 10_000_000), 20_000, 'Clients a second that are let go at most, unless the deadline needs more.'),
  receivers: option(list(address(), 1000), [], 'Admin addresses of the nodes that receive the clients; their load sets the pace.'),
  loadMax: option(count(1, 100), 80, 'Load of a receiver, in percent, above which the pace is halved; below it, it grows.'),
  graceMs: option(duration(0, 10 * MINUTE), 1500, 'A client that is still there so long after it was to go is closed with 1012.'),
} as const;

export const AUTH_OPTIONS = {
  issuer: option(orNull(text(1024)), null, 'Required `iss` of tokens; null does not look at it.'),
  audience: option(orNull(text(1024)), null, 'Required `aud` of tokens; null does not look at it.'),
  leewayS: option(count(0, 300), 5, 'Clock difference tolerated in `exp` and `nbf`.'),
  requireExpiry: option(flag(), true, 'Refuse tokens without `exp`.'),
  defaultRead: option(list(PATTERN, 100), [], 'Channels that a token without `read` may read.'),
  defaultWrite: option(list(PATTERN, 100), [], 'Channels that a token without `write` may write.'),
  anonymousRead: option(list(PATTERN, 100), ['**'], 'Channels that anonymous clients may read.'),
  anonymousWrite: option(list(PATTERN, 100), ['**'], 'Channels that anonymous clients may write.'),
} as const;

/** Options of a key in `auth.keys`; which of them a key needs is checked where keys are loaded. */
export const KEY_OPTIONS = {
  alg: option(orNull(oneOf('HS256', 'RS256', 'EdDSA')), null, 'The only algorithm that this key verifies.'),
  kid: option(orNull(text(255)), null, 'Key id; tokens with another `kid` do not use this key.'),
  secret: option(orNull(text(4096)), null, 'HS256: the secret, at least 32 bytes.'),
  secretFile: option(orNull(text(4096)), null, 'HS256: a file with the secret.'),
  publicKey: option(orNull(text(16_384)), null, 'RS256, EdDSA: the public key as PEM.'),
  publicKeyFile: option(orNull(text(4096)), null, 'RS256, EdDSA: a file with the public key as PEM.'),
  jwksFile: option(orNull(text(4096)), null, 'A file with a JSON Web Key Set; each key brings its own `alg`.'),
} as const;
