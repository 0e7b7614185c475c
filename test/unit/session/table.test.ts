import t from 'tap';
import { drawSessionIds, formatSessionId, parseSessionId, randomSessionId } from '../../../src/store/sessions/session-id.js';
import { SESSION, SessionTable } from '../../../src/session/table.js';
import { seeded } from '../../support/random.js';

const ALL = { read: ['**'], write: ['**'], expiresAt: 0, sessionGeneration: 1, leaseUntil: 0, unconfirmed: false };

t.test('session ids', async (t) => {
  const ids = new Set(Array.from({ length: 1000 }, () => formatSessionId(randomSessionId())));
  t.equal(ids.size, 1000);
  const text = '00112233445566778899aabbccddeeff';
  t.equal(formatSessionId(parseSessionId(text) ?? []), text);
  for (const bad of ['', text.slice(1), `${text}0`, text.toUpperCase(), 'g'.repeat(32)]) t.equal(parseSessionId(bad), null);
});

t.test('the life of a row', async (t) => {
  const table = new SessionTable(8);
  const id = randomSessionId();
  table.connect(3);
  const generation = table.generation(3);
  t.equal(table.state(3), SESSION.connected);
  table.open(3, { ...ALL, id, user: 'alice', expiresAt: 100 });
  t.equal(table.userName(3), 'alice');
  t.equal(table.userName(3), 'alice', 'from the cache');
  t.equal(table.findSession(id), 3);
  t.equal(table.sessionId(3), formatSessionId(id));
  t.match(table, { connections: 1, sessions: 1, expiring: 1 });
  t.notOk(table.hasExpired(3, 99.9));
  t.ok(table.hasExpired(3, 100));
  table.end(3);
  t.equal(table.state(3), SESSION.closing);
  t.equal(table.findSession(id), -1);
  t.match(table, { connections: 1, sessions: 0, expiring: 0 });
  t.equal(table.users.count, 0);
  t.equal(table.permissions.count, 0);
  table.end(3);
  table.disconnect(3);
  t.equal(table.connections, 0);
  table.connect(3);
  t.not(table.generation(3), generation);
  table.open(3, { ...ALL, id: randomSessionId(), user: 'bob' });
  t.equal(table.userName(3), 'bob', 'the cache does not answer for the row before');
});

t.test('anonymous sessions are named by their id', async (t) => {
  const table = new SessionTable(8);
  const id = parseSessionId('00112233445566778899aabbccddeeff') ?? randomSessionId();
  table.connect(0);
  table.open(0, { ...ALL, id, user: null });
  t.equal(table.userName(0), 'anon-0011223344556677');
  t.equal(table.users.count, 0, 'and take no place among the users');
});

t.test('visits', async (t) => {
  const table = new SessionTable(8);
  for (const [row, user] of [[0, 'a'], [1, 'b'], [2, 'a'], [3, null]] as const) {
    table.connect(row);
    table.open(row, { ...ALL, id: randomSessionId(), user, expiresAt: row * 10 });
  }
  table.connect(5);
  const rows = (visit: (add: (row: number) => void) => void): number[] => {
    const found: number[] = [];
    visit((row) => found.push(row));
    return found;
  };
  t.same(rows((add) => table.forEachConnection(add)), [0, 1, 2, 3, 5]);
  t.same(rows((add) => table.forEachOf('a', add)), [0, 2]);
  t.same(rows((add) => table.forEachOf(table.userName(3), add)), [3]);
  t.same(rows((add) => table.forEachOf('nobody', add)), []);
  t.same(rows((add) => table.sweep(0, 8, 20, add)), [1, 2]);
});

t.test('leases that are about to end', async (t) => {
  const table = new SessionTable(8);
  for (const row of [0, 1, 2]) {
    table.connect(row);
    table.open(row, { ...ALL, id: randomSessionId(), user: null, sessionGeneration: 7, leaseUntil: 10_000 * (row + 1) });
  }
  table.connect(3);
  t.equal(table.sessionGeneration(1), 7);
  const due = (before: number): number[] => {
    const rows: number[] = [];
    table.leasesBefore(0, 8, before, 8, (row) => rows.push(row));
    return rows;
  };
  t.same(due(10_000), []);
  t.same(due(20_001), [0, 1]);
  table.setLease(0, 90_000);
  t.same(due(20_001), [1]);
  table.end(1);
  t.same(due(99_000), [0, 2]);
});

t.test('leases that are about to end, among very many', async (t) => {
  const { below: random } = seeded(31);
  const ROWS = 20_000;
  const table = new SessionTable(ROWS);
  const leases = new Map<number, number>();
  const give = (row: number, at: number): void => void leases.set(row, at + random(100));
  const open = (row: number, at: number): void => {
    give(row, at);
    table.connect(row);
    table.open(row, { ...ALL, id: randomSessionId(), user: null, leaseUntil: (leases.get(row) as number) * 1000 });
  };
  for (let at = 1000, next = 0; at < 3000; at += 50) {
    for (let i = 0; i < 450; i += 1, next += 1) open(next, at + 300);
    const due: number[] = [];
    const some = 4096 * 2 + 100;
    for (let from = 0; from < ROWS;) {
      from = table.leasesBefore(from, Math.min(ROWS, from + some), at * 1000, 1 + random(200), (row) => due.push(row));
    }
    t.same(due, [...leases].filter(([, until]) => until < at).map(([row]) => row).sort((a, b) => a - b), `at ${at}`);
    for (const row of due) {
      if (random(5) > 0) {
        give(row, at + 300);
        table.setLease(row, (leases.get(row) as number) * 1000);
        continue;
      }
      table.end(row);
      table.disconnect(row);
      leases.delete(row);
      if (random(2) === 0) open(row, at + 300);
    }
  }
});

t.test('sessions that are opened together', async (t) => {
  const table = new SessionTable(300);
  const rows = Int32Array.from({ length: 300 }, (_, i) => 299 - i);
  const ids = new Uint32Array(4 * 300);
  drawSessionIds(ids, 300);
  for (const row of rows) table.connect(row);
  const { unconfirmed: _, ...alike } = ALL;
  table.openMany(rows, ids, 200, { ...alike, leaseUntil: 5000 });
  t.equal(table.sessions, 200);
  for (let i = 0; i < 300; i += 1) {
    const id = ids.slice(i * 4, i * 4 + 4);
    t.equal(table.findSession(id), i < 200 ? 299 - i : -1);
    if (i < 200) t.equal(table.sessionId(299 - i), formatSessionId(id));
  }
  t.equal(table.state(99), SESSION.connected);
  t.ok(table.canRead(299, 'room'));
  for (let i = 0; i < 200; i += 1) table.end(299 - i);
  t.equal(table.permissions.count, 0, 'nothing refers to their permissions any more');
});

t.test('a row is unconfirmed until it is confirmed', async (t) => {
  const table = new SessionTable(2);
  table.connect(0);
  table.open(0, { ...ALL, id: randomSessionId(), user: null, unconfirmed: true });
  t.equal(table.isUnconfirmed(0), true);
  table.confirm(0);
  t.equal(table.isUnconfirmed(0), false);
});
