import { readFileSync, readdirSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { ENCODED_BYTES, EncodedCursor } from '../../../src/store/sessions/encoded-cursor.js';
import { writeCursor } from '../../../src/store/sessions/session-codec.js';
import { SessionLogStore } from '../../../src/store/sessions/session-log-store.js';
import { drawSessionIds, formatSessionId, parseSessionId } from '../../../src/store/sessions/session-id.js';
import type { ChannelCursor, SessionRecord, SessionStore } from '../../../src/store/sessions/session-store.js';
import { sessionRecord, sessionStoreSuite, type SessionStoreUnderTest } from './session-store-suite.js';

async function make(t: Test, segmentBytes?: number): Promise<SessionStoreUnderTest & { readonly folder: string }> {
  let store: SessionLogStore;
  // Before there is a folder: tap removes one ahead of what is to be torn down that it was told of later, and a store may still clean it.
  t.teardown(() => store.close());
  const folder = t.testdir();
  const options = segmentBytes === undefined ? {} : { segmentBytes };
  store = new SessionLogStore({ folder, owner: 'n1', ...options });
  return {
    store,
    folder,
    async reopen() {
      await store.close();
      store = new SessionLogStore({ folder, owner: 'n1', ...options });
      return store;
    },
  };
}

t.test('conformance', (t) => {
  sessionStoreSuite(t, (t) => make(t));
  t.end();
});

t.test('a folder that is in use or is none is refused', async (t) => {
  const { folder } = await make(t);
  t.throws(() => new SessionLogStore({ folder }), { name: 'DataFolderError', message: /is using this data folder/ });
  t.throws(() => new SessionLogStore({ folder: join(folder, 'sluice.lock', 'x') }), { name: 'DataFolderError' });
});

t.test('the first cursor of a session is added by the words of its id, and survives', async (t) => {
  const under = await make(t);
  const record = sessionRecord();
  const words = parseSessionId(record.id)!;
  const cursor = { channel: 'room', seq: 41, epoch: 'k3f', subscribed: true, told: false };
  t.equal(under.store.addFirstCursor!(words, 1, cursor), null, 'there is no such session');
  await under.store.create(record, words);
  t.equal(under.store.addFirstCursor!(words, record.generation + 1, cursor), null, 'of another generation');
  const other = sessionRecord();
  await under.store.create(other);
  const first = under.store.addFirstCursor!(words, record.generation, cursor);
  t.equal(under.store.addFirstCursor!(parseSessionId(other.id)!, other.generation, cursor), first, 'one promise for one write');
  t.equal(await first, true);
  t.equal(under.store.addFirstCursor!(words, record.generation, { ...cursor, channel: 'b' }), null, 'it is not the first');
  const store = await under.reopen();
  t.same((await store.get(record.id))?.cursors, [cursor]);
});

t.test('a session is released by the words of its id as it is by its text', async (t) => {
  const under = await make(t);
  const room = { channel: 'room', seq: 41, epoch: 'k3f', subscribed: true, told: false };
  const times = { leaseUntil: 0, expiresAt: Date.now() + 60_000, forgetAt: Date.now() + 120_000 };
  const cases: readonly (readonly [string, Partial<SessionRecord>, ChannelCursor | null, boolean])[] = [
    ['without a channel', {}, null, true],
    ['with one', { cursors: [room] }, { ...room, seq: 99 }, true],
    ['that does not go back', { cursors: [room] }, { ...room, seq: 7 }, true],
    ['nobody\'s, with a device', { user: null, device: 'phone', cursors: [room] }, room, true],
    ['with a device', { device: '電話', owner: 'n'.repeat(255), cursors: [room], lastSeenMessageId: '4294967296' }, room, true],
    ['with a token that is not confirmed', { generation: 7, previous: 6, previousUntil: 5, cursors: [room] }, room, true],
    ['of another channel', { cursors: [room] }, { ...room, channel: 'moor' }, false],
    ['of another epoch', { cursors: [room] }, { ...room, epoch: 'k3g' }, false],
    ['a name that is not ASCII', { cursors: [{ ...room, channel: 'räum' }] }, { ...room, channel: 'räum' }, false],
    ['with two channels', { cursors: [room, { ...room, channel: 'b' }] }, room, false],
    ['with one that is not told', { cursors: [room] }, null, false],
    ['with none, one told', {}, room, false],
    ['released before', { owner: null }, null, false],
    ['ended', { ended: true }, null, false],
  ];
  for (const [name, fields, cursor, isSimple] of cases) {
    const [ours, theirs] = [sessionRecord(fields), sessionRecord(fields)];
    await Promise.all([ours, theirs].map((record) => under.store.create(record)));
    const words = parseSessionId(ours.id)!;
    t.equal(under.store.releaseNow!(words, ours.generation + 1, times, cursor), null, `${name}, of another generation`);
    const released = under.store.releaseNow!(words, ours.generation, times, cursor);
    t.equal(released !== null, isSimple, name);
    if (released === null) continue;
    t.same({ ...(await under.store.get(ours.id)), id: '' }, { ...(await expected()), id: '' }, name);
    t.equal(await released, true);
    async function expected(): Promise<SessionRecord | null> {
      await under.store.release(theirs.id, theirs.generation, times, cursor === null ? {} : { upsert: [cursor] });
      return under.store.get(theirs.id);
    }
  }
  const [last, other] = [sessionRecord({ cursors: [room] }), sessionRecord()];
  await Promise.all([last, other].map((record) => under.store.create(record)));
  const first = under.store.releaseNow!(parseSessionId(last.id)!, 1, times, { ...room, seq: 50 });
  t.equal(under.store.releaseNow!(parseSessionId(other.id)!, 1, times, null), first, 'one promise for one write');
  t.equal(under.store.releaseNow!(parseSessionId(other.id)!, 1, times, null), null, 'not twice');
  const store = await under.reopen();
  t.match(await store.get(last.id), { ...times, owner: null, cursors: [{ ...room, seq: 50 }] });
  t.match(await store.get(other.id), { ...times, owner: null });
});

t.test('many new sessions at once are sessions as others are, and survive', async (t) => {
  const under = await make(t);
  const COUNT = 300;
  const ids = new Uint32Array(COUNT * 4);
  drawSessionIds(ids, COUNT);
  const words = Array.from({ length: COUNT }, (_, i) => ids.slice(i * 4, i * 4 + 4));
  const record = sessionRecord({ id: '', user: null });
  const cursor = { channel: 'room', seq: 41, epoch: 'k3f', subscribed: true, told: false };
  const own = words.map((_, i) => (i % 5 === 1 ? { ...cursor, channel: `room${'m'.repeat(i)}`.slice(0, 255), seq: i } : null));
  const given = own.map((each, i) => (each !== null && i % 2 === 0 && i < 80 ? encoded(each) : each));
  const created = under.store.createMany!(ids, COUNT, record, given);
  for (const each of given) if (each instanceof EncodedCursor) each.view.setFloat64(each.at, -1);
  t.equal(under.store.create(sessionRecord()), created, 'one promise for one write');
  ids.fill(0);
  const first = under.store.addFirstCursor!(words[7]!, record.generation, cursor);
  t.equal(under.store.addFirstCursor!(words[11]!, record.generation, cursor), null, 'it has one');
  await created;
  t.equal(await first, true);
  const second = formatSessionId(words[8]!);
  const { leaseUntil, expiresAt, forgetAt } = record;
  const claim = { leaseUntil, expiresAt, forgetAt, previous: 1, previousUntil: 0, owner: 'n2', generation: 2 };
  t.match(await under.store.claim(second, 1, claim), { id: second, generation: 2, owner: 'n2' });
  t.equal(await under.store.end(formatSessionId(words[9]!), 1, {}, record.forgetAt), true);
  const check = async (store: SessionStore): Promise<void> => {
    for (const [i, each] of words.entries()) {
      const id = formatSessionId(each);
      const found = await store.get(id);
      const begun = own[i] ?? null;
      if (i < 7 || i > 9) t.strictSame(found, { ...record, id, cursors: begun === null ? record.cursors : [begun] });
    }
    t.same((await store.get(formatSessionId(words[7]!)))?.cursors, [cursor]);
    t.match(await store.get(second), { generation: 2, owner: 'n2' });
    t.match(await store.get(formatSessionId(words[9]!)), { ended: true });
  };
  await check(under.store);
  await check(await under.reopen());
});

function encoded(cursor: ChannelCursor): EncodedCursor {
  const bytes = Buffer.alloc(ENCODED_BYTES);
  const length = writeCursor(cursor, bytes, 0);
  const [made] = EncodedCursor.many(1) as [EncodedCursor];
  made.set(cursor.channel, cursor.epoch, cursor.seq, new DataView(bytes.buffer, bytes.byteOffset, bytes.length), 0, length);
  return made;
}

t.test('of many new sessions of which one cannot be written there is none', async (t) => {
  const under = await make(t);
  const ids = new Uint32Array(8);
  drawSessionIds(ids, 2);
  const cursor = { channel: 'room', seq: 1, epoch: 'e', subscribed: true, told: false };
  const record = sessionRecord({ id: '', user: null });
  await t.rejects(under.store.createMany!(ids, 2, record, [cursor, { ...cursor, channel: 'r'.repeat(256) }])!, { name: 'StoreError' });
  const other = sessionRecord();
  await under.store.create(other);
  const check = async (store: SessionStore): Promise<void> => {
    for (const at of [0, 4]) t.equal(await store.get(formatSessionId(ids, at)), null);
    t.same(await store.get(other.id), other);
  };
  await check(under.store);
  await check(await under.reopen());
});

t.test('what was asked for before the end is written', async (t) => {
  const under = await make(t);
  const records = Array.from({ length: 100 }, () => sessionRecord());
  const writes = records.map((record) => under.store.create(record));
  const store = await under.reopen();
  await Promise.all(writes);
  for (const record of records) t.same(await store.get(record.id), record);
});

/** Writes one session again and again, until about so many bytes were written. */
async function overwrite(store: SessionLogStore, id: string, bytes: number): Promise<void> {
  const upsert = Array.from({ length: 900 }, (_, i) => ({ channel: `${'c'.repeat(200)}${i}`, seq: 1, epoch: 'e', told: false }));
  for (let written = 0; written < bytes; written += 190_000) await store.update(id, 1, { upsert, lastSeenMessageId: String(written + 1) });
}

function segments(folder: string): string[] {
  return readdirSync(folder).filter((name) => name.endsWith('.log')).sort();
}

t.test('what was overwritten goes, what is live stays, over restarts', async (t) => {
  const under = await make(t, 1 << 20);
  const live = Array.from({ length: 200 }, (_, i) => sessionRecord({ device: `d${i}` }));
  await Promise.all(live.map((record) => under.store.create(record)));
  const busy = sessionRecord();
  await under.store.create(busy);
  const [first] = segments(under.folder);
  await overwrite(under.store as SessionLogStore, busy.id, 10 << 20);
  const left = segments(under.folder);
  t.not(left[0], first, 'the oldest segment is gone');
  t.ok(left.length <= 6, `${left.length} segments are left`);
  const store = await under.reopen();
  for (const record of live) t.same(await store.get(record.id), record);
  t.equal((await store.findDevice('alice', 'd7'))?.id, live[7]?.id);
  t.equal((await store.get(busy.id))?.cursors.length, 900);
});

/** Overwrites `busy` until the segment is gone, or for so long that it would be. */
async function cleanOff(store: SessionLogStore, busy: string, folder: string, segment: string): Promise<void> {
  for (let tries = 0; segments(folder).includes(segment) && tries < 50; tries += 1) await overwrite(store, busy, 2 << 20);
}

t.test('what lives in a batch longer than what cleaning reads at a time stays', async (t) => {
  const under = await make(t, 1 << 20);
  const store = under.store as SessionLogStore;
  const [live, wide] = [20, 3].map((count) => Array.from({ length: count }, () => sessionRecord())) as [SessionRecord[], SessionRecord[]];
  const busy = sessionRecord();
  await Promise.all([busy, ...wide].map((record) => store.create(record)));
  const upsert = Array.from({ length: 900 }, (_, i) => ({ channel: `${'c'.repeat(200)}${i}`, seq: 1, epoch: 'e', told: false }));
  // In one turn of the event loop, so in one batch.
  const half = wide.map(({ id }) => store.update(id, 1, { upsert }));
  await Promise.all([...half, ...live.map((record) => store.create(record))]);
  const [first = ''] = segments(under.folder);
  await cleanOff(store, busy.id, under.folder, first);
  t.notOk(segments(under.folder).includes(first), 'cleaned');
  const reopened = await under.reopen();
  for (const record of live) t.same(await reopened.get(record.id), record);
  for (const { id } of wide) t.equal((await reopened.get(id))?.cursors.length, 900);
});

t.test('a segment that is damaged is not given up for cleaned', async (t) => {
  const under = await make(t, 1 << 20);
  const store = under.store as SessionLogStore;
  const [kept, hit, busy] = [sessionRecord(), sessionRecord(), sessionRecord()];
  for (const record of [kept, hit, busy]) await store.create(record);
  const [first = ''] = segments(under.folder);
  const path = join(under.folder, first);
  const bytes = readFileSync(path);
  bytes[Math.floor(bytes.length / 2)]! ^= 1;
  writeFileSync(path, bytes);
  await overwrite(store, busy.id, 10 << 20);
  t.ok(segments(under.folder).includes(first), 'it is still there');
  t.same(await store.get(kept.id), kept);
});

t.test('of a write that a crash cut off nothing is there, and everything before it is', async (t) => {
  const under = await make(t);
  const [kept, cut] = [sessionRecord(), sessionRecord()];
  await under.store.create(kept);
  const [name = ''] = segments(under.folder);
  const whole = statSync(join(under.folder, name)).size;
  await under.store.create(cut);
  await under.store.close();
  for (const size of [statSync(join(under.folder, name)).size - 1, whole + 10, whole]) {
    truncateSync(join(under.folder, name), size);
    const store = new SessionLogStore({ folder: under.folder });
    t.same(await store.get(kept.id), kept);
    t.equal(await store.get(cut.id), null);
    await store.close();
  }
});

t.test('a hole in the log is refused with what to do about it', async (t) => {
  const under = await make(t);
  await under.store.create(sessionRecord());
  await under.reopen();
  await (await under.reopen()).create(sessionRecord());
  const [first = ''] = segments(under.folder);
  await (await under.reopen()).close();
  const bytes = readFileSync(join(under.folder, first));
  bytes[bytes.length - 1] = (bytes[bytes.length - 1] ?? 0) ^ 1;
  writeFileSync(join(under.folder, first), bytes);
  t.throws(() => new SessionLogStore({ folder: under.folder }), { name: 'DataFolderError', message: /should follow/ });
  writeFileSync(join(under.folder, first), 'something else that is long enough to be looked at');
  t.throws(() => new SessionLogStore({ folder: under.folder }), { name: 'DataFolderError', message: /is not a segment/ });
});

t.test('leases that were prolonged are so after a restart; those of an earlier process do not go on with the next one', async (t) => {
  const under = await make(t);
  const second = 1000;
  const [old, recent] = [sessionRecord(), sessionRecord()];
  const at = (ms: number) => ({ leaseUntil: old.leaseUntil + ms, expiresAt: old.expiresAt + ms, forgetAt: old.forgetAt + ms });
  await under.store.create(old);
  await under.store.renew([{ id: old.id, generation: 1 }], at(5 * second));
  let store = await under.reopen();
  t.same(await store.get(old.id), { ...old, ...at(5 * second) });
  await store.create(recent);
  t.same(await store.renew([{ id: recent.id, generation: 1 }], at(60 * second)), [true]);
  store = await under.reopen();
  t.same(await store.get(old.id), { ...old, ...at(5 * second) });
  t.same(await store.get(recent.id), { ...recent, ...at(60 * second) });
  const release = { leaseUntil: 0, expiresAt: old.expiresAt, forgetAt: old.forgetAt };
  t.equal(await store.release(recent.id, 1, release, {}), true);
  t.same(await store.get(recent.id), { ...recent, ...release, owner: null });
});

t.test('leases of connections that outlive who wrote their sessions go on, cleaned or not', async (t) => {
  const under = await make(t, 1 << 20);
  const connected = Array.from({ length: 200 }, () => sessionRecord());
  await Promise.all(connected.map((record) => under.store.create(record)));
  const refs = connected.map(({ id }) => ({ id, generation: 1 }));
  const [{ leaseUntil, expiresAt, forgetAt }] = connected as [SessionRecord];
  const later = (ms: number) => ({ leaseUntil: leaseUntil + ms, expiresAt: expiresAt + ms, forgetAt: forgetAt + ms });
  let store = await under.reopen();
  t.notOk((await store.renew(refs, later(5000))).includes(false));
  store = await under.reopen();
  t.same(await store.get(connected[0]!.id), { ...connected[0], ...later(5000) }, 'who took over has kept what another wrote');
  const busy = sessionRecord();
  await store.create(busy);
  const [first] = segments(under.folder);
  await cleanOff(store as SessionLogStore, busy.id, under.folder, first!);
  t.notOk(segments(under.folder).includes(first!), 'cleaned');
  t.notOk((await store.renew(refs, later(9000))).includes(false));
  store = await under.reopen();
  for (const { id, owner } of connected) t.match(await store.get(id), { ...later(9000), owner });
});

t.test('cleaning leaves a session its owner where the connection is known to go on', async (t) => {
  const under = await make(t, 1 << 20);
  const records = Array.from({ length: 40 }, () => sessionRecord());
  await Promise.all(records.map((record) => under.store.create(record)));
  const store = (await under.reopen()) as SessionLogStore;
  const connected = new Set(records.slice(0, 20).map(({ id }) => id));
  store.keepConnected((words, generation) => generation === 1 && connected.has(formatSessionId(words)));
  const busy = sessionRecord();
  await store.create(busy);
  const [first] = segments(under.folder);
  await cleanOff(store, busy.id, under.folder, first!);
  t.notOk(segments(under.folder).includes(first!), 'cleaned');
  for (const record of records) {
    const given = connected.has(record.id) ? {} : { owner: null, leaseUntil: 0 };
    t.same(await store.get(record.id), { ...record, ...given });
  }
});

t.test('the device finds the session that was begun last, whichever was written last', async (t) => {
  const under = await make(t);
  const [first, second] = [sessionRecord({ device: 'd' }), sessionRecord({ device: 'd' })];
  await under.store.create(first);
  await under.store.create(second);
  let store = await under.reopen();
  await store.update(first.id, 1, { lastSeenMessageId: '5' });
  store = await under.reopen();
  t.equal((await store.findDevice('alice', 'd'))?.id, second.id);
});

t.test('writes of a crowd are gathered, one at a time and in their order', async (t) => {
  const under = await make(t);
  const records: ReturnType<typeof sessionRecord>[] = [];
  const stored: Promise<void>[] = [];
  const order: number[] = [];
  // Each round comes while the one before is being written, or is paused behind.
  for (let round = 0; round < 6; round += 1) {
    for (let i = 0; i < 60; i += 1) {
      const record = sessionRecord();
      records.push(record);
      stored.push(under.store.create(record).then(() => void order.push(round)));
    }
    if (round > 0) await stored[(round - 1) * 60];
    await new Promise((resolve) => setImmediate(resolve));
  }
  await Promise.all(stored);
  t.same(order, [...order].sort((a, b) => a - b));
  const store = await under.reopen();
  for (const record of records) t.same(await store.get(record.id), record);
});
