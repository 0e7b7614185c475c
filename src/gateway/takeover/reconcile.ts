/**
 * After a takeover: a control plane that dies may have answered a `sub` or an `unsub` of which the session store was not told yet. What
 * the engine says of each row's subscriptions is what its client was told, so the store is brought in line with it, a few rows at a time.
 */

import type { Row } from '../../engine/port.js';
import { SESSION } from '../../session/table.js';
import type { CursorChange } from '../../store/sessions/session-store.js';
import type { GatewayContext } from '../context.js';

const ROWS_AT_ONCE = 100;
/** Between two slices: ten thousand rows a second. */
const PAUSE_MS = 10;

/** Looks at the rows that are open now. Resolves when that is done, or `over`. A store that fails is left to what follows by itself. */
export async function reconcile(context: GatewayContext, over: () => boolean): Promise<void> {
  const rows: Row[] = [];
  context.sessions.forEachConnection((row) => {
    if (context.sessions.state(row) === SESSION.open) rows.push(row);
  });
  for (let at = 0; at < rows.length && !over(); at += ROWS_AT_ONCE) {
    await Promise.all(rows.slice(at, at + ROWS_AT_ONCE).map((row) => reconcileRow(context, row).catch(() => undefined)));
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
}

async function reconcileRow(context: GatewayContext, row: Row): Promise<void> {
  const { sessions, keeper, writer } = context;
  if (sessions.state(row) !== SESSION.open) return;
  const generation = sessions.generation(row);
  const record = await keeper.record(row);
  if (record === null || sessions.generation(row) !== generation || sessions.state(row) !== SESSION.open) return;
  const stored = new Map(record.cursors.filter(({ subscribed }) => subscribed).map((cursor) => [cursor.channel, cursor]));
  const upsert: CursorChange[] = [];
  for (const cursor of keeper.positions(row)) {
    const known = stored.get(cursor.channel);
    stored.delete(cursor.channel);
    if (known === undefined || known.epoch !== cursor.epoch) upsert.push(cursor);
  }
  for (const cursor of stored.values()) upsert.push({ ...cursor, subscribed: false });
  if (upsert.length > 0) writer.change(keeper.ref(row), { upsert }, false);
}
