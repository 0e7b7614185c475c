/** The log and the sessions of a server, in its data folder. */

import { join } from 'node:path';
import type { Config } from '../config.js';
import { LmdbMessageLog, type LmdbMessageLogOptions } from '../store/lmdb-message-log.js';
import { SessionLogStore } from '../store/session-log-store.js';

export function logOptions({ data, log }: Config): LmdbMessageLogOptions {
  return {
    folder: join(data, 'log'),
    mapBytes: log.mapBytes,
    maxAgeMs: log.retentionMs === 0 ? null : log.retentionMs,
    maxBytes: log.retentionBytes === 0 ? null : log.retentionBytes,
  };
}

/** Throws DataFolderError. */
export function openLog(config: Config): LmdbMessageLog {
  return new LmdbMessageLog(logOptions(config));
}

/** Throws DataFolderError. */
export function openSessions({ data, connections }: Config): SessionLogStore {
  return new SessionLogStore({ folder: join(data, 'sessions'), expected: connections });
}
