import t from 'tap';
import { StoreError } from '../../../../src/errors.js';
import { PostgresHistoryStore } from '../../../../src/store/postgres/history-store.js';
import { noPostgres, PostgresServer } from '../../../support/postgres-server.js';
import { bodies, historyStoreSuite, segment, type HistoryUnderTest } from '../history-store-suite.js';

t.setTimeout(240_000);

t.test('PostgreSQL', { skip: noPostgres, timeout: 230_000 }, async (t) => {
  const server = await PostgresServer.start();
  t.teardown(() => server.remove());
  let tables = 0;
  const open = (table: string, timeoutMs = 20_000): PostgresHistoryStore =>
    new PostgresHistoryStore({ url: server.url, table, pool: 3, timeoutMs });

  await t.test('conformance', async (t) => {
    historyStoreSuite(t, async (t): Promise<HistoryUnderTest> => {
      const table = `messages_${(tables += 1)}`;
      let store = open(table);
      t.teardown(() => store.close());
      return {
        store,
        reopen: async () => {
          await store.close();
          store = open(table);
          return store;
        },
      };
    });
  });

  await t.test('several nodes make the table at once and write the same messages', async (t) => {
    const stores = Array.from({ length: 4 }, () => open('shared'));
    const place = { channel: 'room', epoch: 'e' };
    await Promise.all(stores.map((store) => store.write([segment(place, 1, 500)])));
    const rows = await server.query('SELECT count(*)::int AS n, max(seq)::int AS last FROM shared');
    t.same(rows, [{ n: 500, last: 500 }]);
    await Promise.all(stores.map((store) => store.close()));
  });

  await t.test('a wrong database is told once and for all, a dead or silent server for now', async (t) => {
    const wrong = new PostgresHistoryStore({ url: server.url.replace(/postgres$/, 'nothing'), table: 'x', pool: 1, timeoutMs: 20_000 });
    t.match(await wrong.bounds({ channel: 'a', epoch: 'e' }).catch((error: unknown) => error), { retryable: false, message: /nothing/ });
    await wrong.close();
    const place = { channel: 'room', epoch: 'e' };
    const store = open('restarted');
    await store.write([segment(place, 1, 3)]);
    await server.stop();
    const refused = await store.write([segment(place, 4, 5)]).catch((error: unknown) => error);
    t.ok(refused instanceof StoreError && refused.retryable, String(refused));
    await server.start();
    await store.write([segment(place, 4, 5)]);
    t.equal(bodies(await store.read(place, 1, 10, 1e6)).length, 5);
    await store.close();
    const hasty = open('restarted', 500);
    await hasty.bounds(place);
    server.signal('SIGSTOP');
    const silent = await hasty.bounds(place).catch((error: unknown) => error);
    server.signal('SIGCONT');
    t.ok(silent instanceof StoreError && silent.retryable, String(silent));
    await hasty.close();
  });
});
