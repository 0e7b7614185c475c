/** Where the messages and the sessions of a server are kept: in its data folder and the cold tier, or with other nodes in Redis. */

import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { WorkerNumber } from '../cluster/worker-number.js';
import type { Config } from '../config.js';
import { ConfigError, StoppedError, type StoreError } from '../errors.js';
import type { ArchiveLoopOptions } from '../store/archive/archive-loop.js';
import { Archiver, type Archiving } from '../store/archive/archiver.js';
import { DamageWatch, type DamageCounts } from '../store/damage.js';
import { FileWorkerLeases } from '../store/file-worker-leases.js';
import type { HistoryStore } from '../store/history-store.js';
import { LogFollower } from '../store/log/follower.js';
import { LmdbMessageLog, type LmdbMessageLogOptions } from '../store/log/lmdb-message-log.js';
import { LateSessionStore } from '../store/sessions/late-session-store.js';
import { coldTierOf, openHistory } from '../store/open-history.js';
import { loadSessionSecret } from '../session/secret.js';
import { SessionFollower } from '../store/session-log/follower.js';
import { SessionLogStore } from '../store/sessions/session-log-store.js';
import type { RedisStores, SharedStores } from '../store/redis/open.js';
import type { SessionStore } from '../store/sessions/session-store.js';
import { SharedArchiver } from '../store/archive/shared-archiver.js';
import type { MessageLog } from '../store/types.js';
import type { WorkerLeases } from '../store/worker-leases.js';
import { TimeLeft } from './time-left.js';

function logOptions({ data, log, history }: Config): LmdbMessageLogOptions {
  return {
    folder: join(data, 'log'),
    mapBytes: log.mapBytes,
    realtimeWrites: log.realtimeWrites,
    maxAgeMs: log.retentionMs === 0 ? null : log.retentionMs,
    maxBytes: log.retentionBytes === 0 ? null : log.retentionBytes,
    backlogBytes: history.store === 'none' ? null : history.backlogBytes,
  };
}

/** The numbers of dead nodes are missed by the others. In a folder of one's own nobody misses them, and each renewal is a write. */
const SHARED_LEASE_MS = 60_000;
const OWN_LEASE_MS = 600_000;

/** The cold tier does not take messages; null: it does again. */
type OnHistory = (error: Error | null) => void;

export interface StoreNotices {
  readonly onHistory?: OnHistory;
  /** Messages cannot be read any more, because bits of the log, or of the cold tier's file, have changed on the disk. */
  readonly onDamage?: (error: StoreError) => void;
}

export interface Stores {
  readonly log: MessageLog | null;
  readonly shared: SharedStores | null;
  readonly store: SessionStore;
  readonly worker: WorkerNumber;
  /** The cold tier, and what fills it; null where there is none. */
  readonly history: HistoryStore | null;
  readonly archiver: Archiving | null;
  /** The same, where several nodes share a log: told of what is appended to it. */
  readonly sharedArchiver: SharedArchiver | null;
  readonly damage: Readonly<DamageCounts>;
  /** Signs resume tokens. */
  readonly secret: Buffer;
  /** What an operator should know of them; null where nothing is to be said. */
  readonly notice: string | null;
  /** What was put off when they were opened. Rejects with DataFolderError. */
  openRest(): Promise<void>;
  /** `time`: for what is written to stores that others share. */
  close(time?: TimeLeft): Promise<void>;
}

/** Stores that are not open yet. */
export interface PreparedStores {
  /** Reads of what another process has and writes, for whoever opens it next; null where there is nothing to be read beforehand. */
  readonly followers: StoreFollowers | null;
  /** `hurried`: sessions are read behind the first messages, by openRest(). Rejects with StoreError, DataFolderError. */
  open(hurried: boolean): Promise<Stores>;
}

export interface StoreFollowers {
  readonly log: LogFollower;
  readonly sessions: SessionFollower;
}

/** What can be found out before an engine is taken is: throws DataFolderError. */
export function prepareStores(config: Config, notices: StoreNotices): PreparedStores {
  const { redis } = config.store;
  if (redis !== null) return { followers: null, open: () => openShared(config, redis, notices) };
  const secret = loadSessionSecret(config.data);
  const followers = {
    log: new LogFollower(logOptions(config)),
    sessions: new SessionFollower(sessionFolder(config), config.connections),
  };
  return { followers, open: (hurried) => openOwn(config, secret, followers, hurried, notices) };
}

function sessionFolder({ data }: Config): string {
  return join(data, 'sessions');
}

async function openShared(config: Config, redis: string, { onHistory, onDamage }: StoreNotices): Promise<Stores> {
  // Loaded here: who is alone does without.
  const { openRedis } = await import('../store/redis/open.js');
  const { store: settings, log, history: { store: tier, backlogMessages }, node } = config;
  const backlog = tier === 'none' ? null : backlogMessages;
  const shared = await openRedis({ ...settings, redis, backlog, retentionMs: log.retentionMs }, node);
  const watch = new DamageWatch(onDamage);
  let history: HistoryStore | null = null;
  try {
    await checkColdTier(config, shared);
    history = openHistory(config, watch.of('history'));
  } catch (error) {
    await shared.close();
    throw error;
  }
  const { sessions: store, secret, leases, notice } = shared;
  const worker = makeWorker(config, leases, SHARED_LEASE_MS, 0);
  const archiver = history === null ? null : makeSharedArchiver(config, shared, history, onHistory);
  const close = async (time = TimeLeft.forStores(config.session.closeTimeoutMs, true)): Promise<void> => {
    await time.of(Promise.all([archiver?.close(), worker.stop()]));
    await shared.close();
    await time.of(history?.close() ?? Promise.resolve());
  };
  const openRest = async (): Promise<void> => undefined;
  const { counts: damage } = watch;
  return { log: null, shared, store, worker, history, archiver, sharedArchiver: archiver, damage, secret, notice, openRest, close };
}

/** What one node archives, every other must find. */
async function checkColdTier({ data, history, store }: Config, shared: RedisStores): Promise<void> {
  if (history.store === 'none') return;
  const identity = coldTierOf({ data, history });
  const known = await shared.coldTier(identity);
  if (known === identity) return;
  throw new ConfigError('history', `the nodes of this store archive to another cold tier: ${known}, not ${identity}`, {
    remedy: `Give all nodes the same (with several, PostgreSQL); where none uses the former any more, delete ${store.prefix}history.`,
  });
}

async function openOwn(
  config: Config, secret: Buffer, followers: StoreFollowers, hurried: boolean, { onHistory, onDamage }: StoreNotices,
): Promise<Stores> {
  const watch = new DamageWatch(onDamage);
  const log = new LmdbMessageLog({ ...logOptions(config), follower: followers.log, hurried, onDamage: watch.of('log') });
  const store = new LateSessionStore((over) => openSessions(config, followers.sessions, hurried, over));
  let worker: WorkerNumber | null = null;
  try {
    worker = makeWorker(config, new FileWorkerLeases(config.data), OWN_LEASE_MS, log.maxTimestamp());
    // Under way while the next store is opened; who needs the number waits for it, and hears of a failure.
    worker.start().catch(() => undefined);
    if (!hurried) await store.opened();
    followers.log.close();
    const history = openHistory(config, watch.of('history'));
    const archiver = history === null ? null : makeArchiver(config, log, history, onHistory);
    const close = async (): Promise<void> => {
      // What the cold tier was given last, it is given again after the next start.
      await archiver?.close();
      await history?.close();
      await Promise.all([store.close(), log.close(), worker?.stop()]);
    };
    const openRest = (): Promise<void> => store.opened();
    const { counts: damage } = watch;
    return { log, shared: null, store, worker, history, archiver, sharedArchiver: null, damage, secret, notice: null, openRest, close };
  } catch (error) {
    await store.close();
    await worker?.stop();
    await log.close();
    throw error;
  }
}

/** `sliced`: with turns of others in between, until there is little left to read. */
async function openSessions(config: Config, follower: SessionFollower, sliced: boolean, over: () => boolean): Promise<SessionLogStore> {
  if (sliced) await follower.follow(over);
  if (over()) throw new StoppedError('the gateway is closing');
  return new SessionLogStore({ folder: sessionFolder(config), follower, owner: config.node });
}

function makeWorker({ node }: Config, leases: WorkerLeases, leaseMs: number, floor: number): WorkerNumber {
  return new WorkerNumber({ leases, owner: `${node} ${randomUUID()}`, leaseMs, floor, now: () => Date.now() });
}

function makeArchiver(config: Config, log: LmdbMessageLog, store: HistoryStore, onHealth?: OnHistory): Archiver {
  return new Archiver({ log, ...archiverOptions(config, store, onHealth) });
}

function makeSharedArchiver(config: Config, shared: RedisStores, store: HistoryStore, onHealth?: OnHistory): SharedArchiver {
  return new SharedArchiver({ log: shared.openArchive(`${config.node} ${randomUUID()}`), ...archiverOptions(config, store, onHealth) });
}

function archiverOptions({ history }: Config, store: HistoryStore, onHealth?: OnHistory): ArchiveLoopOptions {
  const { retentionMs, retentionMessages } = history;
  return {
    store,
    maxAgeMs: retentionMs === 0 ? null : retentionMs,
    maxMessages: retentionMessages === 0 ? null : retentionMessages,
    now: () => Date.now(),
    after: (ms, run) => void setTimeout(run, ms).unref(),
    ...(onHealth === undefined ? {} : { onHealth }),
  };
}
