import t from 'tap';
import { decodeSession, encodeSession, sessionBound, writeSession } from '../../../src/store/sessions/session-codec.js';
import { applyPatch, type SessionRecord } from '../../../src/store/sessions/session-store.js';

const PLAIN: SessionRecord = {
  id: '00112233445566778899aabbccddeeff', user: null, device: null, generation: 1, previous: 0, previousUntil: 0, owner: null, ended: false,
  leaseUntil: 0, expiresAt: 1, forgetAt: 2, lastSeenMessageId: null, cursors: [],
};
const CURSOR = { channel: 'room', seq: 5, epoch: 'k3f', subscribed: true, told: false };

const RECORDS: readonly SessionRecord[] = [
  PLAIN,
  { ...PLAIN, user: 'ann', device: 'phone', owner: 'node-1', ended: true },
  { ...PLAIN, user: 'Zoë', device: '電話', owner: 'n'.repeat(200), generation: 2 ** 32 - 1, previous: 2 ** 31 },
  { ...PLAIN, previousUntil: 2 ** 48 - 1, leaseUntil: 1_800_000_000_123, expiresAt: 2 ** 32, forgetAt: 2 ** 32 - 1 },
  { ...PLAIN, lastSeenMessageId: '9223372036854775807' },
  { ...PLAIN, lastSeenMessageId: '4294967296' },
  { ...PLAIN, cursors: [CURSOR, { channel: 'räume', seq: 2 ** 53 - 1, epoch: 'é', subscribed: false, told: true }] },
  { ...PLAIN, owner: 'n1', cursors: Array.from({ length: 300 }, (_, i) => ({ ...CURSOR, channel: `room-${i}`, seq: i })) },
];

t.test('a session comes back as it was written, wherever it stands', async (t) => {
  for (const record of RECORDS) {
    t.same(decodeSession(record.id, encodeSession(record)), record);
    const at = 77;
    const bytes = Buffer.alloc(at + sessionBound(record), 0xff);
    const end = writeSession(record, bytes, at);
    t.ok(end <= bytes.length);
    t.same(decodeSession(record.id, bytes, at), record);
    t.equal(bytes[end], 0xff, 'nothing is written behind it');
  }
});

t.test('texts that share a place in memory are not taken for one another', async (t) => {
  for (let i = 0; i < 50_000; i += 1) {
    const record = { ...PLAIN, cursors: [{ ...CURSOR, channel: `c${i * 7919}` }] };
    if (decodeSession(PLAIN.id, encodeSession(record)).cursors[0]?.channel !== record.cursors[0]?.channel) t.fail(`channel ${i}`);
  }
});

t.test('a patch of one cursor, of the only one, of another, of several', async (t) => {
  const one = { ...PLAIN, cursors: [CURSOR] };
  const moved = { channel: 'room', seq: 9, epoch: 'k3f', told: true };
  const other = { ...CURSOR, channel: 'other' };
  t.same(applyPatch(PLAIN, { upsert: [CURSOR] }).cursors, [CURSOR]);
  t.same(applyPatch(one, { upsert: [moved] }).cursors, [{ ...moved, subscribed: true }], 'subscribed stays as it is');
  t.same(applyPatch(one, { upsert: [{ ...moved, seq: 1 }] }).cursors, [{ ...CURSOR, told: true }], 'it never moves back');
  t.same(applyPatch(one, { upsert: [{ ...moved, seq: 1, epoch: 'new' }] }).cursors[0]?.seq, 1, 'but begins anew in another epoch');
  t.same(applyPatch(one, { upsert: [other] }).cursors, [CURSOR, other]);
  t.same(applyPatch(one, { upsert: [other], remove: ['room'] }).cursors, [other]);
  t.same(applyPatch({ ...PLAIN, cursors: [CURSOR, other] }, { upsert: [moved] }).cursors, [{ ...moved, subscribed: true }, other]);
  t.same(applyPatch({ ...one, previous: 3, previousUntil: 4 }, { confirmed: true }), one);
  t.same(applyPatch(one, { lastSeenMessageId: '10' }), { ...one, lastSeenMessageId: '10' });
});
