/** Where the messages and the sessions of a server are kept: in its data folder, or with other nodes in Redis. */

import { join } from 'node:path';
import type { Config } from '../config.js';
import { LmdbMessageLog, type LmdbMessageLogOptions } from '../store/lmdb-message-log.js';
import { loadSessionSecret } from '../session/secret.js';
import { SessionLogStore } from '../store/session-log-store.js';
import type { SharedStores } from '../store/redis/open.js';
import type { SessionStore } from '../store/session-store.js';
import type { MessageLog } from '../store/types.js';

export function logOptions({ data, log }: Config): LmdbMessageLogOptions {
  return {
    folder: join(data, 'log'),
    mapBytes: log.mapBytes,
    maxAgeMs: log.retentionMs === 0 ? null : log.retentionMs,
    maxBytes: log.retentionBytes === 0 ? null : log.retentionBytes,
  };
}

export interface Stores {
  readonly log: MessageLog | null;
  readonly shared: SharedStores | null;
  readonly store: SessionStore;
  /** Signs resume tokens. */
  readonly secret: Buffer;
  close(): Promise<void>;
}

/** What can be found out before an engine is taken is: throws DataFolderError. The function returned rejects with StoreError. */
export function prepareStores(config: Config): () => Promise<Stores> {
  const { redis } = config.store;
  if (redis !== null) return () => openShared(config, redis);
  const secret = loadSessionSecret(config.data);
  return () => openOwn(config, secret);
}

async function openShared(config: Config, redis: string): Promise<Stores> {
  // Loaded here: who is alone does without.
  const { openRedis } = await import('../store/redis/open.js');
  const shared = await openRedis({ ...config.store, redis }, config.node);
  return { log: null, shared, store: shared.sessions, secret: shared.secret, close: () => shared.close() };
}

async function openOwn(config: Config, secret: Buffer): Promise<Stores> {
  const log = new LmdbMessageLog(logOptions(config));
  try {
    const store = new SessionLogStore({ folder: join(config.data, 'sessions'), expected: config.connections });
    return { log, shared: null, store, secret, close: async () => void (await Promise.all([store.close(), log.close()])) };
  } catch (error) {
    await log.close();
    throw error;
  }
}
