/** Messages that left the log and come from PostgreSQL, through deaths of the gateway and of the database. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import type { Incomplete } from '../../src/client/index.js';
import { history, publish, range, readAll } from '../support/cold.js';
import { noPostgres, PostgresServer } from '../support/postgres-server.js';
import { startSluice, type SluiceProcess } from '../support/sluice-process.js';
import { until } from '../support/wait.js';

const COUNT = 1500;

t.setTimeout(590_000);

t.test('a cold tier in PostgreSQL', { skip: noPostgres, timeout: 560_000 }, async (t) => {
  const database = await PostgresServer.start();
  t.teardown(() => database.remove());
  const data = mkdtempSync(join(tmpdir(), 'sluice-cold-'));
  t.teardown(() => rmSync(data, { recursive: true, force: true }));
  const config = join(data, 'sluice.json');
  writeFileSync(config, JSON.stringify({
    limits: { publishRate: 0 },
    log: { retentionBytes: 200_000 },
    history: { store: 'postgres', url: database.url, timeoutMs: 5000 },
  }));
  const start = (): Promise<SluiceProcess> =>
    startSluice(['serve', '--config', config, '--listen', '127.0.0.1:0', '--admin', '127.0.0.1:0', '--data', join(data, 'data')]);
  let server = await start();
  t.teardown(() => server.stop('SIGKILL'));
  await publish(t, server, 1, COUNT);
  await until('the first messages in the database', async () => (await history(server)).archived > 0);
  await server.stop('SIGKILL');
  server = await start();
  await until('all of them', async () => {
    const { backlog_bytes: left } = await history(server);
    const [row] = (await database.query('SELECT count(*)::int AS n FROM sluice_messages')) as { n: number }[];
    return left === 0 && row?.n === COUNT;
  });
  await server.stop('SIGKILL');
  // Memory is gone with the process, and the log has kept the end only.
  server = await start();
  t.same(await readAll(t, server, COUNT), { seqs: range(1, COUNT), losses: [] }, 'every message once and in order');

  await database.stop();
  await publish(t, server, COUNT + 1, 50);
  let seqs: number[] = [];
  let losses: Incomplete[] = [];
  // The log lets go of what is archived when it tidies up, once a second.
  await until('a loss', async () => {
    ({ seqs, losses } = await readAll(t, server, COUNT + 50));
    return losses.length > 0;
  });
  t.same([...new Set(losses.map(({ reason }) => reason))], ['unavailable'], 'what is away is said');
  // The log may lose more to the cold tier while it is read: then that is said too.
  const missing = losses.flatMap(({ fromSeq, toSeq }) => range(fromSeq, toSeq));
  t.same([...missing, ...seqs].sort((a, b) => a - b), range(1, COUNT + 50), 'exactly, and the rest comes');
  t.equal((await fetch(`${server.admin}readyz`)).status, 200, 'the node stays ready');

  await database.start();
  await until('what was published meanwhile', async () => {
    const [row] = (await database.query('SELECT count(*)::int AS n FROM sluice_messages')) as { n: number }[];
    return row?.n === COUNT + 50;
  });
  t.same(await readAll(t, server, COUNT + 50), { seqs: range(1, COUNT + 50), losses: [] });
  t.equal(await server.stop(), 0);
});
