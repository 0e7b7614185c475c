import type { Test } from 'tap';
import { StoreError } from '../../../src/errors.js';
import { parseSessionId, type SessionWords } from '../../../src/store/sessions/session-id.js';
import type { ChannelCursor, SessionClaim, SessionRecord, SessionStore, SessionTimes } from '../../../src/store/sessions/session-store.js';

/** What every SessionStore does, whatever it keeps sessions in. */
export interface SessionStoreUnderTest {
  readonly store: SessionStore;
  /** Closes the store and opens the same one again, as after a restart. */
  reopen(): Promise<SessionStore>;
}

type Make = (t: Test) => Promise<SessionStoreUnderTest>;

/** Near the present, because stores may forget by a clock of their own; whole seconds, to which a store may round up a longer lease. */
const NOW = Math.floor(Date.now() / 1000) * 1000;
const DAY = 86_400_000;
const TIMES: SessionTimes = { leaseUntil: NOW + 60_000, expiresAt: NOW + DAY, forgetAt: NOW + 2 * DAY };
const CLAIM: SessionClaim = { ...TIMES, previous: 1, previousUntil: NOW + 5000, owner: 'n2', generation: 2 };

let made = 0;

/** An id of its own, so that a store that is shared between tests does not mix them up. */
export function sessionId(): string {
  made += 1;
  return `${process.pid.toString(16).padStart(8, '0')}${NOW.toString(16).padStart(16, '0')}${made.toString(16).padStart(8, '0')}`;
}

export function sessionRecord(fields: Partial<SessionRecord> = {}): SessionRecord {
  return {
    id: sessionId(), user: 'alice', device: null, generation: 1, previous: 0, previousUntil: 0, owner: 'n1', ...TIMES, ended: false,
    lastSeenMessageId: null, cursors: [], ...fields,
  };
}

function cursor(channel: string, seq: number, epoch = 'e1', subscribed = true, told = false): ChannelCursor {
  return { channel, seq, epoch, subscribed, told };
}

function sorted(record: SessionRecord | null): SessionRecord | null {
  if (record === null) return null;
  return { ...record, cursors: [...record.cursors].sort((a, b) => (a.channel < b.channel ? -1 : 1)) };
}

export function sessionStoreSuite(t: Test, make: Make): void {
  recordTests(t, make);
  claimTests(t, make);
  rivalClaimTests(t, make);
  patchTests(t, make);
  endTests(t, make);
  deviceTests(t, make);
  sweepTests(t, make);
  t.test('a closed store refuses', async (t) => {
    const { store } = await make(t);
    await store.close();
    await t.rejects(store.get(sessionId()), StoreError);
    await t.rejects(store.create(sessionRecord()), StoreError);
    await store.close();
  });
}

function recordTests(t: Test, make: Make): void {
  t.test('a record comes back as it was, also after a restart', async (t) => {
    const under = await make(t);
    const records = [
      sessionRecord(),
      sessionRecord({ user: null }),
      sessionRecord({
        user: 'böb \u{1f600}', device: 'téléphone', generation: 7, previous: 6, previousUntil: NOW + 1, owner: null, leaseUntil: 0,
        lastSeenMessageId: '9223372036854775807',
        cursors: [cursor('räume/1', 2 ** 40 + 3, 'k3f'), cursor('b', 0, '', false, true), cursor('c:*', Number.MAX_SAFE_INTEGER)],
      }),
      sessionRecord({ cursors: Array.from({ length: 1000 }, (_, i) => cursor(`channel-${i}`, i * 1000)) }),
    ];
    for (const record of records) await under.store.create(record);
    for (const record of records) t.same(sorted(await under.store.get(record.id)), sorted(record));
    const store = await under.reopen();
    for (const record of records) t.same(sorted(await store.get(record.id)), sorted(record));
    t.equal(await store.get(sessionId()), null);
  });

  t.test('many at once', async (t) => {
    const { store } = await make(t);
    const records = Array.from({ length: 500 }, (_, i) => sessionRecord({ user: `u${i}`, cursors: [cursor('a', i)] }));
    await Promise.all(records.map((record) => store.create(record)));
    const found = await Promise.all(records.map(({ id }) => store.get(id)));
    t.same(found, records);
  });
}

function claimTests(t: Test, make: Make): void {
  t.test('a claim takes the next generation, and only from the one it expects', async (t) => {
    const under = await make(t);
    const record = sessionRecord({ cursors: [cursor('a', 5)], lastSeenMessageId: '12' });
    await under.store.create(record);
    t.equal(await under.store.claim(record.id, 2, CLAIM), null, 'from the future');
    t.equal(await under.store.claim(sessionId(), 1, CLAIM), null, 'of nothing');
    const claimed = { ...record, ...CLAIM };
    t.same(await under.store.claim(record.id, 1, CLAIM), claimed);
    t.equal(await under.store.claim(record.id, 1, CLAIM), null, 'again');
    const store = await under.reopen();
    t.same(await store.get(record.id), claimed);
  });

  t.test('a claim may leave generations out', async (t) => {
    const under = await make(t);
    const record = sessionRecord();
    await under.store.create(record);
    t.match(await under.store.claim(record.id, 1, { ...CLAIM, generation: 7 }), { generation: 7 });
    t.notOk(await under.store.update(record.id, 2, {}));
    t.ok(await under.store.update(record.id, 7, { lastSeenMessageId: '5' }));
    const store = await under.reopen();
    t.match(await store.get(record.id), { generation: 7, lastSeenMessageId: '5' });
  });
}

function rivalClaimTests(t: Test, make: Make): void {
  t.test('a claim that is decided within the turn is one for whoever comes behind it', async (t) => {
    const under = await make(t);
    const record = sessionRecord();
    await under.store.create(record);
    const claimed = under.store.claimNow?.(record.id, () => CLAIM) ?? null;
    if (claimed === null) return t.pass('this store answers later');
    t.same(claimed.record, { ...record, ...CLAIM });
    t.equal(await under.store.claim(record.id, 1, CLAIM), null, 'again');
    t.notOk(await under.store.update(record.id, 1, {}), 'the former owner is fenced');
    let told: unknown = undefined;
    t.equal(under.store.claimNow?.(record.id, (found) => ((told = found), null)), null);
    t.same(told, claimed.record);
    t.equal(under.store.claimNow?.(sessionId(), (found) => ((told = found), CLAIM)), null, 'of nothing');
    t.equal(told, null);
    await claimed.stored;
    const store = await under.reopen();
    t.same(await store.get(record.id), claimed.record);
  });

  t.test('of claims at the same time one succeeds', async (t) => {
    const { store } = await make(t);
    const record = sessionRecord();
    await store.create(record);
    const claims = Array.from({ length: 20 }, (_, i) => store.claim(record.id, 1, { ...CLAIM, owner: `n${i}` }));
    const winners = (await Promise.all(claims)).filter((claimed) => claimed !== null);
    t.equal(winners.length, 1);
    t.same(await store.get(record.id), winners[0]);
  });

  t.test('who lost the session writes nothing more', async (t) => {
    const { store } = await make(t);
    const record = sessionRecord({ cursors: [cursor('a', 5)] });
    await store.create(record);
    const claimed = await store.claim(record.id, 1, CLAIM);
    t.equal(await store.update(record.id, 1, { upsert: [cursor('a', 9)], lastSeenMessageId: '99' }), false);
    t.equal(await store.release(record.id, 1, { ...TIMES, leaseUntil: 0 }, { remove: ['a'] }), false);
    t.equal(await store.end(record.id, 1, {}, NOW + DAY), false);
    t.same(await store.renew([{ id: record.id, generation: 1 }], { ...TIMES, leaseUntil: NOW + 1 }), [false]);
    t.same(await store.get(record.id), claimed);
  });

  t.test('leases are prolonged and given up', async (t) => {
    const { store } = await make(t);
    const [a, b] = [sessionRecord({ generation: 3 }), sessionRecord()];
    await store.create(a);
    await store.create(b);
    const times = { leaseUntil: NOW + 120_000, expiresAt: NOW + 2 * DAY, forgetAt: NOW + 3 * DAY };
    const refs = [
      { id: a.id, generation: 3 }, { id: sessionId(), generation: 1 }, { id: b.id, generation: 2 }, { id: b.id, generation: 1 },
    ];
    t.same(await store.renew(refs, times), [true, false, false, true]);
    t.same(await store.renew([], times), []);
    const kept = new Uint8Array(3).fill(7);
    const words = [a.id, b.id, sessionId()].flatMap((id) => [...(parseSessionId(id) as SessionWords)]);
    const many = store.renewMany?.(Uint32Array.from(words), Uint32Array.of(3, 2, 1), 3, times, kept) ?? null;
    await many;
    if (many !== null) t.same([...kept], [1, 0, 0], 'the same for many at once');
    t.same(await store.get(a.id), { ...a, ...times });
    t.equal(await store.release(b.id, 1, { ...times, leaseUntil: 0 }, { upsert: [cursor('x', 1)] }), true);
    t.same(await store.get(b.id), { ...b, ...times, leaseUntil: 0, owner: null, cursors: [cursor('x', 1)] });
    t.match(await store.claim(b.id, 1, CLAIM), { generation: 2, owner: 'n2' }, 'and it can be claimed');
  });
}

function patchTests(t: Test, make: Make): void {
  t.test('cursors come, go and never move back', async (t) => {
    const under = await make(t);
    const { id } = sessionRecord();
    await under.store.create(sessionRecord({ id, cursors: [cursor('a', 5), cursor('b', 5), cursor('c', 5)] }));
    const upsert = [cursor('a', 4, 'e1', false), cursor('b', 6), cursor('d', 1)];
    t.equal(await under.store.update(id, 1, { upsert, remove: ['c', 'nothing'] }), true);
    t.same(sorted(await under.store.get(id))?.cursors, [cursor('a', 5, 'e1', false), cursor('b', 6), cursor('d', 1)]);
    t.equal(await under.store.update(id, 1, { upsert: [cursor('a', 2, 'e2')] }), true);
    t.same(sorted(await under.store.get(id))?.cursors[0], cursor('a', 2, 'e2'), 'another epoch begins anew');
    const change = { channel: 'b', seq: 7, epoch: 'e1', told: true };
    t.equal(await under.store.update(id, 1, { upsert: [change, { ...change, channel: 'e' }] }), true);
    t.match(sorted(await under.store.get(id))?.cursors.slice(1), [cursor('b', 7, 'e1', true, true), cursor('d', 1), { subscribed: false }],
      'what is not said of a subscription stays');
    t.equal(await under.store.update(id, 1, { upsert: [cursor('b', 6)], remove: ['e'] }), true);
    t.equal(await under.store.update(id, 1, {}), true);
    t.equal(await under.store.update(sessionId(), 1, { upsert }), false);
    const store = await under.reopen();
    t.same(sorted(await store.get(id))?.cursors, [cursor('a', 2, 'e2'), cursor('b', 7), cursor('d', 1)]);
  });

  t.test('a confirmed generation ends the grace of the token before it', async (t) => {
    const { store } = await make(t);
    const record = sessionRecord({ cursors: [cursor('a', 1)] });
    await store.create(record);
    t.match(await store.claim(record.id, 1, CLAIM), { previous: 1 });
    t.equal(await store.update(record.id, 1, { confirmed: true }), false, 'not by who lost it');
    t.match(await store.get(record.id), { previous: 1 });
    t.equal(await store.update(record.id, 2, { confirmed: true, upsert: [cursor('a', 2)] }), true);
    t.match(await store.get(record.id), { previous: 0, previousUntil: 0, generation: 2, cursors: [cursor('a', 2)] });
  });

  t.test('the last seen message never moves back', async (t) => {
    const { store } = await make(t);
    const record = sessionRecord();
    await store.create(record);
    const seen = async (id: string): Promise<string | null | undefined> => {
      await store.update(record.id, 1, { lastSeenMessageId: id });
      return (await store.get(record.id))?.lastSeenMessageId;
    };
    t.equal(await seen('999'), '999');
    t.equal(await seen('1000'), '1000');
    t.equal(await seen('999'), '1000');
    t.equal(await seen('9007199254740993001'), '9007199254740993001');
    t.equal(await seen('9007199254740993000'), '9007199254740993001');
  });

  t.test('writes of one session that come together are all applied, in order', async (t) => {
    const { store } = await make(t);
    const record = sessionRecord();
    await store.create(record);
    const writes = Array.from({ length: 50 }, (_, i) => {
      return store.update(record.id, 1, { upsert: [cursor('a', i, 'e1', i % 2 === 0), cursor(`b${i}`, i)] });
    });
    t.ok((await Promise.all(writes)).every((applied) => applied));
    const { cursors } = (await store.get(record.id))!;
    t.equal(cursors.length, 51);
    t.same(cursors.find(({ channel }) => channel === 'a'), cursor('a', 49, 'e1', false));
  });

  t.test('a read sees what was changed before it, whatever is under way', async (t) => {
    const { store } = await make(t);
    const record = sessionRecord();
    await store.create(record);
    const writes = [1, 2, 3].map((seq) => store.update(record.id, 1, { upsert: [cursor('a', seq)] }));
    t.match(await store.get(record.id), { cursors: [{ channel: 'a', seq: 3 }] });
    t.same(await Promise.all(writes), [true, true, true]);
  });
}

function endTests(t: Test, make: Make): void {
  t.test('a session that ended is kept for its device only', async (t) => {
    const { store } = await make(t);
    const record = sessionRecord({ device: `d${sessionId()}`, cursors: [cursor('a', 1)] });
    await store.create(record);
    t.equal(await store.end(record.id, 1, { upsert: [cursor('a', 2)], lastSeenMessageId: '7' }, NOW + DAY), true);
    t.match(await store.get(record.id), { ended: true, owner: null, leaseUntil: 0, forgetAt: NOW + DAY, lastSeenMessageId: '7' });
    t.same((await store.findDevice('alice', record.device!))?.cursors, [cursor('a', 2)]);
    t.equal(await store.claim(record.id, 1, CLAIM), null);
    t.equal(await store.update(record.id, 1, {}), false);
    t.same(await store.renew([{ id: record.id, generation: 1 }], TIMES), [false]);
    t.equal(await store.end(record.id, 1, {}, NOW), false);
  });
}

function deviceTests(t: Test, make: Make): void {
  t.test('a device is found by its user and name: the session that was created last', async (t) => {
    const under = await make(t);
    const device = `d${sessionId()}`;
    const [first, second] = [sessionRecord({ device }), sessionRecord({ device })];
    const others = [sessionRecord({ device, user: 'bob' }), sessionRecord({ device: `${device}x` }), sessionRecord({ user: null, device })];
    await under.store.create(first);
    t.equal((await under.store.findDevice('alice', device))?.id, first.id);
    await under.store.create(second);
    for (const other of others) await under.store.create(other);
    await under.store.claim(first.id, 1, CLAIM);
    t.equal((await under.store.findDevice('alice', device))?.id, second.id);
    t.equal((await under.store.findDevice('bob', device))?.id, others[0]?.id);
    t.equal(await under.store.findDevice('carol', device), null);
    t.equal(await under.store.findDevice(`alice${device[0]}`, device.slice(1)), null, 'names do not run into each other');
    const store = await under.reopen();
    t.equal((await store.findDevice('alice', device))?.id, second.id);
  });
}

function sweepTests(t: Test, make: Make): void {
  t.test('what may be forgotten goes, the rest stays', async (t) => {
    const { store } = await make(t);
    const device = `d${sessionId()}`;
    const gone = sessionRecord({ device, leaseUntil: 0, owner: null, expiresAt: NOW - 2000, forgetAt: NOW - 1000 });
    const live = Array.from({ length: 30 }, () => sessionRecord());
    await store.create(gone);
    for (const record of live) await store.create(record);
    for (let i = 0; i < 200; i += 1) await store.sweep(NOW, 10);
    t.equal(await store.get(gone.id), null);
    t.equal(await store.findDevice('alice', device), null);
    for (const { id } of live) t.not(await store.get(id), null);
  });
}
