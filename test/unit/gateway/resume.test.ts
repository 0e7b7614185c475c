import t from 'tap';
import { StoreError } from '../../../src/errors.js';
import { decodeSyncCursor, encodeSyncCursor } from '../../../src/sync/sync-cursor.js';
import { makeHarness, type Harness, type Peer } from '../../support/gateway-harness.js';
import { Hopeless, until } from '../../support/wait.js';

async function publish(harness: Harness, channel: string, ...bodies: string[]): Promise<string[]> {
  const peer = await harness.connect();
  const ids: string[] = [];
  for (const body of bodies) {
    const [ok] = await peer.ask({ op: 'pub', id: 1, channel, key: body }, body);
    ids.push(String(ok?.['msg_id']));
  }
  harness.port.disconnect(peer.row);
  await harness.settle();
  return ids;
}

function take(peer: Peer, channel = 'room'): unknown[] {
  return peer.client.take().filter((header) => header['op'] === 'msg' && header['channel'] === channel).map(({ server_seq: seq }) => seq);
}

/** Says hello and gives the welcome and, apart, the sequences that came behind it. */
async function resume(harness: Harness, fields: Record<string, unknown>): Promise<Peer & { readonly seqs: unknown[] }> {
  const peer = await harness.connect(null);
  const [welcome = {}, ...more] = await peer.ask({ op: 'hello', ...fields });
  return { ...peer, welcome, seqs: more.filter(({ op }) => op === 'msg').map(({ server_seq: seq }) => seq) };
}

async function part(harness: Harness, peer: Peer): Promise<void> {
  harness.port.disconnect(peer.row);
  await harness.settle();
}

t.test('a resumed session has its channels again, from where they stopped', async (t) => {
  const harness = await makeHarness();
  const { epoch } = harness.log.openChannel('room');
  const first = await harness.connect();
  await first.ask({ op: 'sub', id: 1, channel: 'room' });
  await first.ask({ op: 'sub', id: 2, channel: 'other' });
  await first.ask({ op: 'unsub', id: 3, channel: 'other' });
  await publish(harness, 'room', 'a', 'b');
  t.same(take(first), [1, 2]);
  await part(harness, first);
  await publish(harness, 'room', 'c', 'd');
  await publish(harness, 'other', 'x');
  const second = await resume(harness, { resume: first.welcome['resume'] });
  t.match(second.welcome, { resumed: true, channels: { room: { seq: 2, epoch } } });
  t.same(Object.keys(second.welcome['channels'] as object), ['room'], 'not what was unsubscribed');
  t.same(second.seqs, [3, 4]);
  await publish(harness, 'room', 'e');
  t.same(take(second), [5]);
});

t.test('a client that subscribes to what came back by itself gets nothing twice', async (t) => {
  const harness = await makeHarness();
  const first = await harness.connect();
  await first.ask({ op: 'sub', id: 1, channel: 'room' });
  await publish(harness, 'room', 'a');
  await part(harness, first);
  await publish(harness, 'room', 'b', 'c');
  const second = await resume(harness, { resume: first.welcome['resume'] });
  t.same(second.seqs, [2, 3]);
  t.match(await second.ask({ op: 'sub', id: 9, channel: 'room', since: { seq: 1 } }), [{ op: 'ok', id: 9, server_seq: 3 }]);
  await publish(harness, 'room', 'd');
  t.same(take(second), [4]);
  const again = await second.ask({ op: 'sub', id: 10, channel: 'room', since: { seq: 1 } });
  t.same(again.slice(1).map(({ server_seq: seq }) => seq), [2, 3, 4], 'whoever asks once more means it');
  await part(harness, second);
  const third = await resume(harness, { resume: second.welcome['resume'] });
  const earlier = await third.ask({ op: 'sub', id: 11, channel: 'room', since: { seq: 0 } });
  t.same(earlier.slice(1).map(({ server_seq: seq }) => seq), [1, 2, 3, 4], 'what did not come back is sent');
});

t.test('positions that hello names come before those that are stored', async (t) => {
  const harness = await makeHarness();
  const ids = await publish(harness, 'room', 'a', 'b', 'c');
  await publish(harness, 'other', 'x');
  const first = await harness.connect();
  await first.ask({ op: 'sub', id: 1, channel: 'room' });
  const { epoch } = harness.log.openChannel('room');
  await part(harness, first);
  let token = first.welcome['resume'];
  const cases: readonly (readonly [string, Record<string, unknown>, readonly number[]])[] = [
    ['stored', {}, []],
    ['a position', { cursors: { room: { seq: 1, epoch } } }, [2, 3]],
    ['an id', { cursors: { room: { msg_id: ids[0] } } }, [2, 3]],
    ['a time', { cursors: { room: { ts: 0 } } }, [1, 2, 3]],
    ['a sync cursor', { sync_cursor: encodeSyncCursor([{ channel: 'room', seq: 2, epoch }]) }, [3]],
    ['a sync cursor, again', { sync_cursor: encodeSyncCursor([{ channel: 'room', seq: 2, epoch }]) }, [3]],
    ['the last message seen', { last_seen_message_id: ids[1] }, [3]],
    ['cursors over the sync cursor', {
      cursors: { room: { seq: 0, epoch } }, sync_cursor: encodeSyncCursor([{ channel: 'room', seq: 2, epoch }]),
    }, [1, 2, 3]],
  ];
  for (const [name, fields, seqs] of cases) {
    const peer = await resume(harness, { resume: token, ...fields });
    t.same(peer.seqs, seqs, name);
    token = peer.welcome['resume'];
    await part(harness, peer);
  }
});

t.test('cursors work without a session, and a channel that is named is subscribed', async (t) => {
  const harness = await makeHarness();
  await publish(harness, 'room', 'a', 'b', 'c');
  const { epoch } = harness.log.openChannel('room');
  const peer = await resume(harness, { cursors: { room: { seq: 1, epoch }, unknown: { seq: 7, epoch: 'old' } } });
  t.match(peer.welcome, { resumed: false, channels: { room: { seq: 1 }, unknown: { seq: 0 } } });
  t.same(peer.seqs, [2, 3]);
  await publish(harness, 'room', 'd');
  t.same(take(peer), [4]);
});

t.test('the welcome has a sync cursor of what is delivered', async (t) => {
  const harness = await makeHarness();
  const first = await harness.connect();
  await first.ask({ op: 'sub', id: 1, channel: 'room' });
  await publish(harness, 'room', 'a', 'b');
  await part(harness, first);
  await publish(harness, 'room', 'c');
  const second = await resume(harness, { resume: first.welcome['resume'] });
  const { epoch } = harness.log.openChannel('room');
  const cursor = String(second.welcome['sync_cursor']);
  t.same(decodeSyncCursor(cursor, 10), [{ channel: 'room', seq: 2, epoch }]);
  for (let i = 0; i < 2; i += 1) t.same((await resume(harness, { sync_cursor: cursor })).seqs, [3], 'the same cursor, the same delta');
});

t.test('another epoch and expired messages are said, not skipped', async (t) => {
  const harness = await makeHarness({ log: { hotAgeMs: 1000 } });
  await publish(harness, 'room', 'a', 'b', 'c');
  const { epoch } = harness.log.openChannel('room');
  harness.log.expire('room', 3);
  // The hot log forgets in housekeeping only.
  harness.pass(10_000);
  harness.gateway.start();
  await new Promise((resolve) => setTimeout(resolve, 600));
  const expired = await harness.connect(null);
  const answers = await expired.ask({ op: 'hello', cursors: { room: { seq: 0, epoch } } });
  t.match(answers.slice(1), [{ op: 'incomplete', from_seq: 1, to_seq: 2, reason: 'expired' }, { op: 'msg', server_seq: 3 }]);
  const other = await harness.connect(null);
  const others = await other.ask({ op: 'hello', cursors: { room: { seq: 3, epoch: 'former' } } });
  t.match(others.slice(1), [{ op: 'incomplete', reason: 'epoch_changed' }, { op: 'msg', server_seq: 3 }]);
});

t.test('a takeover goes on where the former connection was, live', async (t) => {
  const harness = await makeHarness();
  const first = await harness.connect();
  await first.ask({ op: 'sub', id: 1, channel: 'room' });
  await publish(harness, 'room', 'a', 'b');
  const second = await resume(harness, { resume: first.welcome['resume'] });
  t.match(first.client.closed, { code: 4001 });
  t.match(second.welcome, { channels: { room: { seq: 2 } } });
  t.same(second.seqs, []);
  await publish(harness, 'room', 'c');
  t.same(take(second), [3]);
  t.match(harness.gateway.admin.stats(), { sessions: 1, subscriptions: 1 });
  const [answer] = await (await harness.connect()).ask({ op: 'presence', id: 1, channel: 'room' });
  t.match(answer, { count: 1 });
});

t.test('of two that show the same token at once, the later has the session', async (t) => {
  const harness = await makeHarness();
  const first = await harness.connect();
  await part(harness, first);
  const a = await harness.connect(null);
  const b = await harness.connect(null);
  a.send({ op: 'hello', resume: first.welcome['resume'] });
  b.send({ op: 'hello', resume: first.welcome['resume'] });
  await harness.settle();
  t.match(a.client.closed, { code: 4001 });
  t.match(b.client.take(), [{ op: 'welcome', resumed: true }]);
  t.match(harness.gateway.admin.stats(), { sessions: 1, connections: 1 });
});

t.test('a right that was lost does not come back with the session', async (t) => {
  const harness = await makeHarness({ auth: { anonymousRead: ['open.*'] } });
  const peer = await resume(harness, { cursors: { 'open.a': { ts: 0 }, 'secret.a': { ts: 0 } } });
  t.same(Object.keys(peer.welcome['channels'] as object), ['open.a']);
});

t.test('the store fails: who is connected stays, hello is told to come again, and it heals by itself', async (t) => {
  const harness = await makeHarness();
  const first = await harness.connect();
  await first.ask({ op: 'sub', id: 1, channel: 'room' });
  harness.store.before = () => Promise.reject(new StoreError('away', true));
  const refused = await harness.connect();
  t.match(refused.client.closed, { code: 1013 });
  const resumer = await harness.connect({ resume: first.welcome['resume'] });
  t.match(resumer.client.closed, { code: 1013 });
  t.match(await first.ask({ op: 'sub', id: 2, channel: 'other' }), [{ op: 'ok' }], 'operations go on');
  t.equal(first.client.closed, null);
  t.equal(harness.gateway.admin.notReady(), 'sessions cannot be stored');
  harness.store.before = () => undefined;
  await new Promise((resolve) => setTimeout(resolve, 700));
  await harness.settle();
  t.equal(harness.gateway.admin.notReady(), null);
  const record = harness.store.records.get(String(first.welcome['session']));
  t.same(record?.cursors.map(({ channel }) => channel), ['room', 'other'], 'what was not written meanwhile is written');
  t.match((await harness.connect({ resume: first.welcome['resume'] })).welcome, { resumed: true });
});

t.test('a store that does not answer is not waited for, and what it opens late is given back', async (t) => {
  const harness = await makeHarness({ session: { storeTimeoutMs: 100 } });
  const first = await harness.connect();
  await part(harness, first);
  let answer: () => void = () => undefined;
  harness.store.after = (step) => (step === 'claim' ? new Promise((resolve) => (answer = resolve)) : undefined);
  const peer = await harness.connect(null);
  peer.send({ op: 'hello', resume: first.welcome['resume'] });
  await harness.settle();
  await new Promise((resolve) => setTimeout(resolve, 200));
  await harness.settle();
  t.match(peer.client.closed, { code: 1013 });
  harness.store.after = () => undefined;
  answer();
  await harness.settle();
  t.match(harness.store.records.get(String(first.welcome['session'])), { generation: 2, owner: null });
  t.match((await harness.connect({ resume: first.welcome['resume'] })).welcome, { resumed: true }, 'its welcome was lost');
});

t.test('leases are renewed, and a session that went elsewhere ends with 4001', async (t) => {
  const harness = await makeHarness({ session: { leaseMs: 10_000 } });
  const [a, b] = [await harness.connect(), await harness.connect()];
  const leaseOf = (peer: Peer): number => harness.store.records.get(String(peer.welcome['session']))?.leaseUntil ?? 0;
  const before = leaseOf(a);
  harness.gateway.start();
  harness.pass(6_000);
  await harness.store.claim(String(b.welcome['session']), 1, {
    previous: 1, previousUntil: 0, generation: 2, owner: 'n2', leaseUntil: 0, expiresAt: Infinity, forgetAt: Infinity,
  });
  await new Promise((resolve) => setTimeout(resolve, 700));
  await harness.settle();
  t.ok(leaseOf(a) > before);
  t.equal(a.client.closed, null);
  t.match(b.client.closed, { code: 4001 });
  await harness.gateway.stop();
});

t.test('a clock that steps by years ends nobody who is connected', async (t) => {
  const harness = await makeHarness();
  const peers = await Promise.all([harness.connect(), harness.connect()]);
  harness.gateway.start();
  const renewed = (): boolean => peers.every(({ welcome, client }) => {
    if (client.closed !== null) throw new Hopeless(`closed with ${client.closed.code}`);
    return (harness.store.records.get(String(welcome['session']))?.leaseUntil ?? 0) > harness.time.now;
  });
  // Each at another place of the rounds of renewals and of sweeps, which go on in real time.
  for (let step = 0; step < 10; step++) {
    harness.time.now += 400 * 86_400_000;
    await until('leases', async () => {
      await harness.settle();
      return renewed();
    });
  }
  harness.time.now -= 4000 * 86_400_000;
  for (const { ask } of peers) t.match(await ask({ op: 'sub', id: 1, channel: 'room' }), [{ op: 'ok', id: 1 }]);
  await harness.gateway.stop();
});

t.test('where the store decides at once the welcome does not wait for its write', async (t) => {
  const harness = await makeHarness();
  const first = await harness.connect();
  await first.ask({ op: 'sub', id: 1, channel: 'room' });
  harness.port.disconnect(first.row);
  await harness.settle();
  harness.store.decides = true;
  let write: () => void = () => undefined;
  harness.store.before = (step) => (step === 'claim' ? new Promise((resolve) => (write = resolve)) : undefined);
  const second = await harness.connect(null);
  second.send({ op: 'hello', resume: first.welcome['resume'] });
  second.send({ op: 'pub', id: 2, channel: 'room', key: 'k' }, 'x');
  await harness.settle();
  const told = second.client.take();
  t.match(told[0], { op: 'welcome', resumed: true, session: first.welcome['session'] });
  t.same(told.slice(1).map(({ op }) => op).sort(), ['msg', 'ok']);
  write();
  await harness.settle();
  t.equal(second.client.closed, null);
});

t.test('a claim that cannot be written after all ends its connection, and then the store is waited for', async (t) => {
  const harness = await makeHarness();
  const first = await harness.connect();
  harness.port.disconnect(first.row);
  await harness.settle();
  harness.store.decides = true;
  harness.store.before = (step) => (step === 'claim' ? Promise.reject(new StoreError('the disk is full', true)) : undefined);
  const second = await harness.connect({ resume: first.welcome['resume'] });
  t.match(second.welcome, { resumed: true });
  t.match(second.client.closed, { code: 1013 });
  const third = await harness.connect({ resume: second.welcome['resume'] });
  t.match(third.welcome, {}, 'nobody is welcomed while it fails');
  t.match(third.client.closed, { code: 1013 });
  harness.store.before = () => undefined;
  const fourth = await harness.connect({ resume: second.welcome['resume'] });
  t.match(fourth.welcome, { resumed: true, session: first.welcome['session'] }, 'with the token that was given out and not stored');
  t.not(fourth.welcome['resume'], second.welcome['resume']);
});
