import t from 'tap';
import { EndedSessions } from '../../../src/session/ended.js';
import { formatSessionId, parseSessionId, randomSessionId } from '../../../src/session/session-id.js';
import { SESSION, SessionTable } from '../../../src/session/table.js';

const ALL = { read: ['**'], write: ['**'], expiresAt: 0 };

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

t.test('a row costs what the design allows', async (t) => {
  const rows = 1_000_000;
  const { columns, index } = new SessionTable(rows).memory;
  t.ok((columns + index) / rows <= 48, `${(columns + index) / rows} bytes a row`);
});

t.test('ended sessions: the latest are known', async (t) => {
  const ended = new EndedSessions(4);
  const ids = Array.from({ length: 6 }, () => randomSessionId());
  for (const id of ids) ended.add(id);
  t.same(ids.map((id) => ended.has(id)), [false, false, true, true, true, true]);
  t.notOk(ended.has(randomSessionId()));
});
