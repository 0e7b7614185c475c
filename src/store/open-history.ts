import { randomUUID } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Config } from '../config.js';
import { DataFolderError, type StoreError } from '../errors.js';
import type { HistoryStore } from './history-store.js';
import { LmdbHistoryStore } from './lmdb-history-store.js';
import { PostgresHistoryStore } from './postgres/history-store.js';

/** The cold tier that the configuration names; null for none. `onDamage`: of a file of this node. Throws DataFolderError. */
export function openHistory(
  { data, history }: Pick<Config, 'data' | 'history'>, onDamage: (error: StoreError) => void,
): HistoryStore | null {
  const { store, folder, mapBytes, url, table, pool, timeoutMs } = history;
  switch (store) {
    case 'none':
      return null;
    case 'lmdb':
      return new LmdbHistoryStore({ folder: lmdbFolder(folder, data), mapBytes, onDamage });
    case 'postgres':
      return new PostgresHistoryStore({ url: url ?? '', table, pool, timeoutMs });
  }
}

function lmdbFolder(folder: string | null, data: string): string {
  return folder ?? join(data, 'history');
}

/**
 * By which nodes find that they have the same cold tier: the table of a database, whose address may differ from host to host; or a folder's
 * own mark. Throws DataFolderError.
 */
export function coldTierOf({ data, history }: Pick<Config, 'data' | 'history'>): string {
  const { store, table, folder } = history;
  return store === 'lmdb' ? `lmdb ${folderMark(lmdbFolder(folder, data))}` : `${store} ${table}`;
}

function folderMark(folder: string): string {
  const file = join(folder, 'identity');
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    try {
      writeFileSync(file, randomUUID(), { flag: 'wx' });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    return readFileSync(file, 'utf8');
  } catch (cause) {
    throw new DataFolderError(file, 'the mark of the history folder cannot be read or written', { cause });
  }
}
