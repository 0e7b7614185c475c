import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import t from 'tap';
import { PublishRate } from '../../../src/gateway/message/rate.js';
import { randomSessionId } from '../../../src/store/sessions/session-id.js';
import { Subscriptions } from '../../../src/session/subscriptions.js';
import { SessionTable } from '../../../src/session/table.js';

const ROWS = 1_000_000;
const START = { user: null, read: ['**'], write: ['**'], expiresAt: 0, sessionGeneration: 1, leaseUntil: 0, unconfirmed: false };

t.test('a million idle sessions with a subscription take at most 128 bytes each, and none of the heap', async (t) => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const used = (): { readonly off: number; readonly heap: number } => {
    collect();
    const { arrayBuffers, heapUsed } = process.memoryUsage();
    return { off: arrayBuffers, heap: heapUsed };
  };
  const before = used();
  const table = new SessionTable(ROWS);
  const subscriptions = new Subscriptions(ROWS);
  const rate = new PublishRate(ROWS, { publishRate: 50, publishBurst: 100, publishRefusals: 500 });
  for (let row = 0; row < ROWS; row += 1) {
    table.connect(row);
    table.open(row, { ...START, id: randomSessionId() });
    subscriptions.add(row, row % 1000);
  }
  const { columns, index, users } = table.memory;
  const stated = columns + index + users + subscriptions.memoryBytes + rate.memoryBytes;
  t.ok(stated / ROWS <= 128, `${(stated / ROWS).toFixed(1)} bytes a session by its own account`);
  const after = used();
  const off = (after.off - before.off) / ROWS;
  t.ok(off <= 128, `${off.toFixed(1)} bytes a session as Node counts buffers`);
  t.ok((after.heap - before.heap) / ROWS < 1, `${((after.heap - before.heap) / ROWS).toFixed(1)} bytes of the heap`);
  t.comment(`${off.toFixed(1)} bytes a session`);
});
