/** All that the nodes of a cluster share, over one Redis. */

import { randomBytes } from 'node:crypto';
import { StoreError } from '../../errors.js';
import type { NodeDirectory, NodeMail, PresenceBoard } from '../cluster-store.js';
import type { SessionStore } from '../sessions/session-store.js';
import type { SharedLog, SharedLogEvents } from '../shared-log.js';
import type { WorkerLeases } from '../worker-leases.js';
import type { SharedArchive } from '../archive/shared-archive.js';
import { parseRedisAddress } from './address.js';
import { RedisArchive } from './archive.js';
import { RedisClient } from './client.js';
import { RedisNodeDirectory, RedisPresenceBoard } from './cluster-store.js';
import { RedisNodeMail } from './node-mail.js';
import { RedisSessionStore } from './session-store.js';
import { RedisSharedLog } from './shared-log.js';
import { RedisWorkerLeases } from './worker-leases.js';

export interface RedisOptions {
  readonly redis: string;
  readonly prefix: string;
  readonly timeoutMs: number;
  readonly messages: number;
  readonly keysMs: number;
  /** Messages of a channel above `messages` that are kept until the cold tier has taken them; null where there is none. */
  readonly backlog: number | null;
  /** Age above which messages may go, ms; 0 keeps them all. */
  readonly retentionMs: number;
}

export interface SharedStores {
  /** "Redis at 127.0.0.1:6379" */
  readonly what: string;
  readonly sessions: SessionStore;
  readonly leases: WorkerLeases;
  readonly directory: NodeDirectory;
  readonly board: PresenceBoard;
  readonly mail: NodeMail;
  /** Signs the resume tokens of all nodes. */
  readonly secret: Buffer;
  openLog(events: SharedLogEvents): SharedLog;
  /** Whether commands are answered at the moment. */
  readonly reachable: boolean;
  /** Since the start: commands, those that failed or were not answered in time, connections made. */
  readonly counts: { readonly commands: number; readonly failures: number; readonly connects: number };
  close(): Promise<void>;
}

export interface RedisStores extends SharedStores {
  /** What an operator should know of this Redis; null where nothing is to be said. */
  readonly notice: string | null;
  /** Opened once where this node has a cold tier, under a name that no other process has. */
  openArchive(owner: string): SharedArchive;
  /** The cold tier of all nodes: `identity`, or what another node said before. Rejects with StoreError. */
  coldTier(identity: string): Promise<string>;
}

const SECRET_BYTES = 32;

/** Rejects with StoreError when Redis does not answer in `timeoutMs`, or is not fit; with ConfigError for an address that is none. */
export async function openRedis(options: RedisOptions, node: string): Promise<RedisStores> {
  const { redis: address, prefix, timeoutMs, messages, keysMs, backlog, retentionMs } = options;
  const redis = new RedisClient({ address: parseRedisAddress(address, 'store.redis'), prefix, timeoutMs });
  try {
    const notice = await redis.check();
    const secret = await sharedSecret(redis);
    redis.accept();
    const mail = new RedisNodeMail(redis);
    const logs: SharedLog[] = [];
    return {
      what: redis.what, secret, mail, notice,
      sessions: new RedisSessionStore(redis),
      leases: new RedisWorkerLeases(redis),
      directory: new RedisNodeDirectory(redis),
      board: new RedisPresenceBoard(redis),
      openLog: (events) => {
        const log = new RedisSharedLog({ redis, events, node, messagesMax: messages, keysMs, backlog, retentionMs, now: () => Date.now() });
        logs.push(log);
        return log;
      },
      openArchive: (owner) => new RedisArchive({ redis, owner, messagesMax: messages, backlogMax: backlog ?? 0, retentionMs }),
      coldTier: async (identity) => String(await firstValue(redis, `${prefix}history`, Buffer.from(identity))),
      get reachable() {
        return redis.ready && !redis.silent;
      },
      counts: redis.counts,
      close: async () => {
        await mail.close();
        for (const log of logs) await log.close();
        await redis.close();
      },
    };
  } catch (error) {
    await redis.close();
    throw error;
  }
}

async function sharedSecret(redis: RedisClient): Promise<Buffer> {
  const key = `${redis.prefix}secret`;
  const secret = await firstValue(redis, key, randomBytes(SECRET_BYTES));
  if (secret?.length !== SECRET_BYTES) throw new StoreError(`${redis.what}: ${key} is no secret of Sluice's`, false);
  return secret;
}

/** What the first node set. */
async function firstValue(redis: RedisClient, key: string, value: Buffer): Promise<Buffer | null> {
  await redis.command('set', key, value, 'NX');
  return (await redis.command('get', key)) as Buffer | null;
}
