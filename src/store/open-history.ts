import { join } from 'node:path';
import type { Config } from '../config.js';
import type { HistoryStore } from './history-store.js';
import { LmdbHistoryStore } from './lmdb-history-store.js';
import { PostgresHistoryStore } from './postgres/history-store.js';

/** The cold tier that the configuration names; null for none. Throws DataFolderError. */
export function openHistory({ data, history }: Pick<Config, 'data' | 'history'>): HistoryStore | null {
  const { store, folder, mapBytes, url, table, pool, timeoutMs } = history;
  switch (store) {
    case 'none':
      return null;
    case 'lmdb':
      return new LmdbHistoryStore({ folder: folder ?? join(data, 'history'), mapBytes });
    case 'postgres':
      return new PostgresHistoryStore({ url: url ?? '', table, pool, timeoutMs });
  }
}
