import { join } from 'node:path';
import t, { type Test } from 'tap';
import { LmdbSessionStore } from '../../../src/store/lmdb-session-store.js';
import { sessionRecord, sessionStoreSuite, type SessionStoreUnderTest } from './session-store-suite.js';

async function make(t: Test): Promise<SessionStoreUnderTest & { readonly folder: string }> {
  const folder = t.testdir();
  let store = new LmdbSessionStore({ folder });
  t.teardown(() => store.close());
  return {
    store,
    folder,
    async reopen() {
      await store.close();
      store = new LmdbSessionStore({ folder });
      return store;
    },
  };
}

t.test('conformance', (t) => {
  sessionStoreSuite(t, make);
  t.end();
});

t.test('a folder that is in use or is none is refused', async (t) => {
  const { folder } = await make(t);
  t.throws(() => new LmdbSessionStore({ folder }), { name: 'DataFolderError', message: /is using this data folder/ });
  t.throws(() => new LmdbSessionStore({ folder: join(folder, 'sessions.mdb', 'x') }), { name: 'DataFolderError' });
});

t.test('what was asked for before the end is written', async (t) => {
  const under = await make(t);
  const records = Array.from({ length: 100 }, () => sessionRecord());
  const writes = records.map((record) => under.store.create(record));
  const store = await under.reopen();
  await Promise.all(writes);
  for (const record of records) t.same(await store.get(record.id), record);
});
