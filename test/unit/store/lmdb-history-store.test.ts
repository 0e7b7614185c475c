import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { DataFolderError } from '../../../src/errors.js';
import { LmdbHistoryStore } from '../../../src/store/lmdb-history-store.js';
import { historyStoreSuite, type HistoryUnderTest } from './history-store-suite.js';

function folder(t: Test): string {
  const path = mkdtempSync(join(tmpdir(), 'sluice-history-'));
  t.teardown(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

historyStoreSuite(t, async (t): Promise<HistoryUnderTest> => {
  const options = { folder: join(folder(t), 'history'), mapBytes: 2 ** 28 };
  let store = new LmdbHistoryStore(options);
  t.teardown(() => store.close());
  return {
    store,
    reopen: async () => {
      await store.close();
      store = new LmdbHistoryStore(options);
      return store;
    },
  };
});

t.test('a folder has one owner, and a foreign file is refused', async (t) => {
  const path = folder(t);
  const store = new LmdbHistoryStore({ folder: path, mapBytes: 2 ** 28 });
  t.throws(() => new LmdbHistoryStore({ folder: path, mapBytes: 2 ** 28 }), DataFolderError);
  await store.close();
  const other = folder(t);
  writeFileSync(join(other, 'history.mdb'), 'not a database at all, but long enough to look at');
  t.throws(() => new LmdbHistoryStore({ folder: other, mapBytes: 2 ** 28 }), DataFolderError);
});
