/** Messages that left the log and come from PostgreSQL, through deaths of the gateway and of the database. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { WebSocket } from 'ws';
import { createClient, type Client, type Incomplete, type WebSocketConstructor } from '../../src/client/index.js';
import { noPostgres, PostgresServer } from '../support/postgres-server.js';
import { startSluice, type SluiceProcess } from '../support/sluice-process.js';

const CHANNEL = 'room';
const COUNT = 1500;
const BODY = 'x'.repeat(400);

t.setTimeout(300_000);

function client(t: Test, server: SluiceProcess): Client {
  const made = createClient({
    url: server.url, WebSocket: WebSocket as unknown as WebSocketConstructor, outboxMessages: 10_000, publishWindow: 100,
  });
  t.teardown(() => made.close());
  return made;
}

interface History {
  readonly archived: number;
  readonly failing: boolean;
  readonly backlog_bytes: number;
}

async function history(server: SluiceProcess): Promise<History> {
  const stats = (await (await fetch(`${server.admin}stats`)).json()) as { history: History };
  return stats.history;
}

async function until(what: string, condition: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 90_000;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`waited in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** Everything of the channel from its beginning, up to this number: what came, and what was said to be missing. */
async function readAll(t: Test, server: SluiceProcess, last: number): Promise<{ seqs: number[]; losses: Incomplete[] }> {
  const reader = client(t, server);
  const subscription = reader.subscribe(CHANNEL, { since: { ts: 0 } });
  const seqs: number[] = [];
  const losses: Incomplete[] = [];
  subscription.on('message', ({ serverSeq }) => void seqs.push(serverSeq));
  subscription.on('incomplete', (loss) => void losses.push(loss));
  await reader.connect();
  await until(`message ${last}`, async () => seqs.at(-1) === last);
  reader.close();
  return { seqs, losses };
}

async function publish(t: Test, server: SluiceProcess, from: number, count: number): Promise<void> {
  const publisher = client(t, server);
  await publisher.connect();
  await Promise.all(Array.from({ length: count }, (_, i) => publisher.publish(CHANNEL, `${from + i} ${BODY}`)));
  publisher.close();
}

const range = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, i) => from + i);

t.test('a cold tier in PostgreSQL', { skip: noPostgres, timeout: 290_000 }, async (t) => {
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
