/** Leases of very many sessions that began together. */

import t from 'tap';
import type { GatewayContext } from '../../../src/gateway/context.js';
import { Leases } from '../../../src/gateway/sessions/leases.js';
import { SessionTable } from '../../../src/session/table.js';
import { StoreError } from '../../../src/errors.js';
import { drawSessionIds } from '../../../src/store/sessions/session-id.js';
import type { SessionRef, SessionStore } from '../../../src/store/sessions/session-store.js';

const ROWS = 100_000;
const LEASE_MS = 10_000;
const CALL_MS = 20;

/** All rows open since moment 0, in a store that keeps whom `keeps` says and counts what it is asked. */
function open({ rows = ROWS, keeps = (_generation: number): boolean => true } = {}) {
  const sessions = new SessionTable(rows);
  const ids = new Uint32Array(4 * rows);
  drawSessionIds(ids, rows);
  const all = Int32Array.from({ length: rows }, (_, i) => i);
  for (const row of all) sessions.connect(row);
  sessions.openMany(all, ids, rows, { read: ['*'], write: ['*'], expiresAt: 0, sessionGeneration: 1, leaseUntil: LEASE_MS });
  const time = { now: 0 };
  const asked: number[] = [];
  const store = {
    failing: false,
    renewMany(_ids: Uint32Array, generations: Uint32Array, count: number, _times: unknown, kept: Uint8Array): Promise<void> {
      asked.push(count);
      if (store.failing) return Promise.reject(new StoreError('full', true));
      for (let i = 0; i < count; i += 1) kept[i] = keeps(generations[i]!) ? 1 : 0;
      return Promise.resolve();
    },
  };
  const lost: SessionRef[] = [];
  const context = {
    sessions,
    store: store as Partial<SessionStore>,
    clock: { now: () => time.now, monotonic: () => time.now },
    config: { session: { leaseMs: LEASE_MS, resumeTtlMs: 0, cursorsTtlMs: 0 } },
  } as unknown as GatewayContext;
  const leases = new Leases(context, (ref) => lost.push(ref));
  /** One call of housekeeping; how many the store was asked for. */
  const call = async (): Promise<number> => {
    time.now += CALL_MS;
    asked.length = 0;
    leases.renew(ROWS / 5);
    for (let turn = 0; turn < 12; turn += 1) await new Promise(setImmediate);
    return asked.reduce((sum, count) => sum + count, 0);
  };
  return { sessions, time, store, leases, lost, call };
}

const ended = ({ sessions, time }: ReturnType<typeof open>): number => {
  let rows = 0;
  sessions.leasesBefore(0, ROWS, time.now, ROWS, () => (rows += 1));
  return rows;
};

t.test('are renewed at a steady rate, and all before they end', async (t) => {
  const all = open();
  const { time, call } = all;
  let renewed = 0;
  let most = 0;
  while (time.now < LEASE_MS - CALL_MS) {
    const now = await call();
    renewed += now;
    most = Math.max(most, now);
  }
  t.equal(renewed, ROWS);
  t.ok(most <= 1.5 * ROWS * (CALL_MS / (LEASE_MS / 2)) + 1, `${most} at a time`);
  time.now += 2 * CALL_MS;
  t.equal(ended(all), 0);
});

t.test('that the store did not take are tried again', async (t) => {
  const all = open({ rows: 1000 });
  const { time, store, leases, call } = all;
  time.now = LEASE_MS / 2 + 1000;
  store.failing = true;
  for (let i = 0; i < 10; i += 1) t.ok((await call()) > 0);
  t.equal(leases.allRenewedAt, -Infinity, 'nobody says that they were');
  store.failing = false;
  for (let i = 0; i < 10; i += 1) await call();
  t.ok(leases.allRenewedAt > LEASE_MS / 2);
  time.now = LEASE_MS + 1000;
  t.equal(ended(all), 0);
});

t.test('of sessions that went elsewhere are told', async (t) => {
  const all = open({ rows: 300, keeps: () => false });
  all.time.now = LEASE_MS / 2 + 1000;
  await all.call();
  t.equal(all.lost.length, 200, 'so many are looked at in a call, however few there are');
  t.equal(new Set(all.lost.map(({ id }) => id)).size, 200);
  t.ok(all.lost.every(({ generation }) => generation === 1));
});
