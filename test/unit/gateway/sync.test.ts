import { SignJWT } from 'jose';
import t from 'tap';
import { StoreError } from '../../../src/errors.js';
import { decodeSyncCursor, encodeSyncCursor } from '../../../src/sync/sync-cursor.js';
import { makeHarness, START, type Harness, type Peer } from '../../support/gateway-harness.js';

type Fields = Record<string, unknown>;

async function publish(harness: Harness, channel: string, count: number, from = 1): Promise<string[]> {
  const peer = await harness.connect();
  const ids: string[] = [];
  for (let i = from; i < from + count; i += 1) {
    const [ok] = await peer.ask({ op: 'pub', id: 1, channel, key: `k${i}` }, `${i}`);
    ids.push(String(ok?.['msg_id']));
  }
  harness.port.disconnect(peer.row);
  await harness.settle();
  return ids;
}

const places = (headers: readonly Fields[]): string[] =>
  headers.filter(({ op }) => op === 'msg').map(({ channel, server_seq: seq }) => `${String(channel)} ${String(seq)}`);

async function record(harness: Harness, peer: Peer): Promise<{ readonly cursors: object; readonly lastSeen: string | null }> {
  await new Promise((resolve) => setTimeout(resolve, 250));
  await harness.settle();
  const found = harness.store.records.get(String(peer.welcome['session']));
  return {
    cursors: Object.fromEntries((found?.cursors ?? []).map(({ channel, seq }) => [channel, seq])),
    lastSeen: found?.lastSeenMessageId ?? null,
  };
}

t.test('seen moves the cursor and the last seen message, never back, and is not answered', async (t) => {
  const harness = await makeHarness();
  const ids = await publish(harness, 'room', 5);
  const { epoch } = harness.log.openChannel('room');
  const peer = await harness.connect();
  await peer.ask({ op: 'sub', id: 1, channel: 'room', since: { seq: 0 } });
  const cases: readonly (readonly [Fields, number, number])[] = [
    [{ seq: 2, epoch }, 2, 2],
    [{ msg_id: ids[2] }, 3, 3],
    [{ seq: 1, epoch }, 3, 3],
    [{ position: { seq: 4, epoch } }, 4, 4],
    [{ seq: 1, epoch: 'another' }, 4, 4],
    [{ msg_id: ids[0] }, 4, 4],
    [{ seq: 99, epoch }, 5, 5],
  ];
  for (const [fields, seq, last] of cases) {
    t.same(await peer.ask({ op: 'seen', channel: 'room', ...fields }), []);
    t.same(await record(harness, peer), { cursors: { room: seq }, lastSeen: ids[last - 1] }, JSON.stringify(fields));
  }
});

t.test('seen that cannot be understood, or is not allowed', async (t) => {
  const harness = await makeHarness({ auth: { anonymousRead: ['open'] } });
  const peer = await harness.connect();
  t.match(await peer.ask({ op: 'seen', id: 4, channel: 'open' }), [{ op: 'err', id: 4, code: 1002 }]);
  t.match(await peer.ask({ op: 'seen', id: 5, channel: 'open', msg_id: 'x' }), [{ op: 'err', id: 5, code: 1002 }]);
  t.match(await peer.ask({ op: 'seen', channel: 'secret', seq: 1 }), [{ op: 'err', code: 4003 }]);
  t.same(await peer.ask({ op: 'seen', channel: 'open', seq: 1 }), [], 'a channel that there is not');
  t.equal(harness.log.channels, 0);
  await peer.ask({ op: 'seen', channel: 'open' });
  t.equal(peer.client.closed?.code, 1002, 'without an id there is nothing to answer');
});

t.test('a resumed session goes on from what its device has seen, not from what was sent to it', async (t) => {
  const harness = await makeHarness();
  const { epoch } = harness.log.openChannel('room');
  const first = await harness.connect();
  await first.ask({ op: 'sub', id: 1, channel: 'room' });
  const ids = await publish(harness, 'room', 4);
  await first.ask({ op: 'seen', channel: 'room', seq: 2, epoch });
  harness.port.disconnect(first.row);
  await harness.settle();
  const second = await harness.connect(null);
  const answers = await second.ask({ op: 'hello', resume: first.welcome['resume'] });
  t.match(answers[0], { channels: { room: { seq: 2 } }, last_seen_message_id: ids[1] });
  t.same(places(answers), ['room 3', 'room 4']);
  harness.port.disconnect(second.row);
  await harness.settle();
  const third = await harness.connect(null);
  t.same(places(await third.ask({ op: 'hello', resume: answers[0]?.['resume'] })), ['room 3', 'room 4'], 'and so again');
});

t.test('sync sends the delta of all channels and answers with the next cursor', async (t) => {
  const harness = await makeHarness();
  await publish(harness, 'a', 3);
  await publish(harness, 'b', 2);
  const [a, b] = [harness.log.openChannel('a').epoch, harness.log.openChannel('b').epoch];
  const peer = await harness.connect();
  const cursor = encodeSyncCursor([{ channel: 'a', seq: 1, epoch: a }, { channel: 'b', seq: 0, epoch: b }]);
  const answers = await peer.ask({ op: 'sync', id: 7, sync_cursor: cursor });
  t.same(places(answers), ['a 2', 'a 3', 'b 1', 'b 2']);
  const ok = answers.at(-1);
  t.match(ok, { op: 'ok', id: 7 });
  const next = String(ok?.['sync_cursor']);
  t.same(decodeSyncCursor(next, 10), [{ channel: 'a', seq: 3, epoch: a }, { channel: 'b', seq: 2, epoch: b }]);
  t.same(places(await peer.ask({ op: 'sync', id: 8, sync_cursor: next })), []);
  t.same(places(await peer.ask({ op: 'sync', id: 9, sync_cursor: cursor })), ['a 2', 'a 3', 'b 1', 'b 2'], 'the same cursor again');
  await publish(harness, 'a', 1, 4);
  t.same(places(await peer.ask({ op: 'sync', id: 10, sync_cursor: next })), ['a 4']);
  t.same(places(peer.client.take()), [], 'it subscribes to nothing');
});

t.test('sync without a cursor is of what the device has not seen', async (t) => {
  const harness = await makeHarness();
  const { epoch } = harness.log.openChannel('room');
  const peer = await harness.connect();
  await peer.ask({ op: 'sub', id: 1, channel: 'room' });
  await peer.ask({ op: 'sub', id: 2, channel: 'quiet' });
  await publish(harness, 'room', 3);
  t.same(places(peer.client.take()), ['room 1', 'room 2', 'room 3']);
  t.same(places(await peer.ask({ op: 'sync', id: 3 })), [], 'everything was sent');
  await peer.ask({ op: 'seen', channel: 'room', seq: 1, epoch });
  const answers = await peer.ask({ op: 'sync', id: 4 });
  t.same(places(answers), ['room 2', 'room 3']);
  t.same(decodeSyncCursor(String(answers.at(-1)?.['sync_cursor']), 9)?.map(({ channel, seq }) => [channel, seq]).sort(),
    [['quiet', 0], ['room', 3]]);
  await publish(harness, 'room', 1, 4);
  t.same(places(peer.client.take()), ['room 4'], 'live again');
});

t.test('syncs that wait for a slow store are bounded too', async (t) => {
  const harness = await makeHarness({ limits: { requestsPerSession: 2 } });
  const peer = await harness.connect();
  const gates: (() => void)[] = [];
  harness.store.before = (step) => (step === 'get' ? new Promise((resolve) => gates.push(resolve)) : undefined);
  for (let id = 1; id <= 4; id += 1) peer.send({ op: 'sync', id });
  await harness.settle();
  t.match(peer.client.take(), [3, 4].map((id) => ({ op: 'err', id, code: 1008, name: 'too_many_requests' })));
  t.match(await peer.ask({ op: 'history', id: 5, channel: 'room' }), [{ op: 'err', id: 5, code: 1008 }], 'history is a request as well');
  harness.store.before = () => undefined;
  for (const open of gates) open();
  await harness.settle();
  t.match(peer.client.take(), [{ op: 'ok', id: 1 }, { op: 'ok', id: 2 }]);
  t.match(await peer.ask({ op: 'sync', id: 6 }), [{ op: 'ok', id: 6 }], 'what was answered counts no more');
});

t.test('unsubscribed channels are not synced, also from an older cursor', async (t) => {
  const harness = await makeHarness();
  const peer = await harness.connect();
  await peer.ask({ op: 'sub', id: 1, channel: 'a' });
  await peer.ask({ op: 'sub', id: 2, channel: 'b' });
  const [ok] = await peer.ask({ op: 'sync', id: 3 });
  await peer.ask({ op: 'unsub', id: 4, channel: 'b' });
  await publish(harness, 'a', 1);
  await publish(harness, 'b', 1);
  peer.client.take();
  t.same(places(await peer.ask({ op: 'sync', id: 5, sync_cursor: ok?.['sync_cursor'] })), ['a 1']);
});

t.test('live traffic that never stops: each message once, in order, around the seam', async (t) => {
  const harness = await makeHarness({ limits: { catchUpChunkBytes: 4096, catchUpTurnBytes: 4096, publishRate: 0 } });
  await publish(harness, 'room', 100);
  const { epoch } = harness.log.openChannel('room');
  const peer = await harness.connect();
  await peer.ask({ op: 'sub', id: 1, channel: 'room', since: { seq: 90 } });
  peer.client.take();
  const source = await harness.connect();
  peer.send({ op: 'sync', id: 5, sync_cursor: encodeSyncCursor([{ channel: 'room', seq: 0, epoch }]) });
  for (let i = 101; i <= 300; i += 1) {
    source.send({ op: 'pub', id: i, channel: 'room', key: `k${i}` }, `${i}`);
    harness.port.deliver();
    await new Promise((resolve) => setImmediate(resolve));
  }
  await harness.settle();
  const headers = peer.client.take();
  const again = places(headers).slice(places(headers).indexOf('room 1'));
  t.same(again, Array.from({ length: 300 }, (_, i) => `room ${i + 1}`));
  t.equal(headers.filter(({ op }) => op === 'ok').length, 1);
});

t.test('a sync goes on when one of its channels is unsubscribed or subscribed meanwhile', async (t) => {
  const harness = await makeHarness({ limits: { catchUpChunkBytes: 4096, catchUpTurnBytes: 4096 } }, { sendBudget: 1 << 20 });
  for (const channel of ['a', 'b', 'c']) await publish(harness, channel, 60);
  const peer = await harness.connect();
  const positions = ['a', 'b', 'c'].map((channel) => ({ channel, seq: 0, epoch: harness.log.openChannel(channel).epoch }));
  peer.client.reading = false;
  peer.send({ op: 'sub', id: 1, channel: 'b' });
  peer.send({ op: 'sync', id: 2, sync_cursor: encodeSyncCursor(positions) });
  await harness.settle();
  peer.send({ op: 'unsub', id: 3, channel: 'b' });
  peer.send({ op: 'sub', id: 4, channel: 'c' });
  peer.client.reading = true;
  for (let i = 0; i < 20; i += 1) {
    harness.port.drain(peer.row);
    await harness.settle();
  }
  const headers = peer.client.take();
  t.same(headers.filter(({ op }) => op === 'ok').map(({ id }) => id).sort(), [1, 2, 3, 4]);
  t.equal(places(headers).filter((place) => place.startsWith('a ')).length, 60);
  t.equal(places(headers).filter((place) => place.startsWith('c ')).length, 0, 'from now on, as it asked');
  await publish(harness, 'c', 1, 61);
  t.same(places(peer.client.take()), ['c 61']);
});

t.test('what cannot be served any more is said', async (t) => {
  const harness = await makeHarness({ log: { hotAgeMs: 1000 } });
  await publish(harness, 'room', 5);
  const { epoch } = harness.log.openChannel('room');
  harness.log.expire('room', 4);
  harness.pass(10_000);
  harness.gateway.start();
  await new Promise((resolve) => setTimeout(resolve, 600));
  const peer = await harness.connect();
  const answers = await peer.ask({ op: 'sync', id: 1, sync_cursor: encodeSyncCursor([{ channel: 'room', seq: 0, epoch }]) });
  t.match(answers, [
    { op: 'incomplete', channel: 'room', from_seq: 1, to_seq: 3, reason: 'expired' },
    { op: 'msg', server_seq: 4 }, { op: 'msg', server_seq: 5 }, { op: 'ok', id: 1 },
  ]);
  const other = await peer.ask({ op: 'sync', id: 2, sync_cursor: encodeSyncCursor([{ channel: 'room', seq: 9, epoch: 'former' }]) });
  t.match(other[0], { op: 'incomplete', reason: 'epoch_changed' });
  t.same(places(other), ['room 4', 'room 5']);
  await harness.gateway.stop();
});

t.test('cursors of many channels need a longer header line, which hello and sync may have', async (t) => {
  const harness = await makeHarness();
  const positions = Array.from({ length: 500 }, (_, i) => ({ channel: `channel-number-${i}`, seq: 3, epoch: 'e' }));
  const peer = await harness.connect(null);
  const [welcome] = await peer.ask({ op: 'hello', sync_cursor: encodeSyncCursor(positions) });
  t.equal(Object.keys(welcome?.['channels'] as object).length, 500);
  const sync = await peer.ask({ op: 'sync', id: 1, sync_cursor: welcome?.['sync_cursor'] });
  t.match(sync.at(-1), { op: 'ok', id: 1 });
  const padding = 'x'.repeat(5000);
  t.match(await peer.ask({ op: 'presence', id: 2, channel: 'a', padding }), [{ op: 'err', id: 2, code: 1002 }]);
  t.match(await peer.ask({ op: 'sync', id: 3, padding: 'x'.repeat(65_536) }), [{ op: 'err', id: 3, code: 1002 }]);
});

t.test('damaged cursors are refused', async (t) => {
  const { connect } = await makeHarness({ limits: { channelsPerSession: 3 } });
  const peer = await connect();
  const many = encodeSyncCursor(Array.from({ length: 4 }, (_, i) => ({ channel: `c${i}`, seq: 0, epoch: 'e' })));
  const json = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const bad = [
    5, '!', 'abc', many, json({}), json([2, []]), json([1, 'e', 'a', 1, 0]), json([1, ['e'], 'a', -1, 0]), json([1, ['e'], 'a', 1, 1]),
    json([1, ['e'], 'a', 1]),
  ];
  for (const [id, sync_cursor] of bad.entries()) {
    t.match(await peer.ask({ op: 'sync', id, sync_cursor }), [{ op: 'err', id, code: 1002 }], JSON.stringify(sync_cursor));
  }
  t.match(await peer.ask({ op: 'sync', id: 99, sync_cursor: '' }), [{ op: 'ok', id: 99 }], 'an empty one is none');
});

t.test('a store that fails is told, and to be asked again', async (t) => {
  const harness = await makeHarness();
  const peer = await harness.connect();
  harness.store.before = (step) => (step === 'get' ? Promise.reject(new StoreError('away', true)) : undefined);
  t.match(await peer.ask({ op: 'sync', id: 1 }), [{ op: 'err', id: 1, code: 1013, retry_after_ms: 1000 }]);
  harness.store.before = () => undefined;
  t.match(await peer.ask({ op: 'sync', id: 2 }), [{ op: 'ok', id: 2 }]);
});

t.test('a new session of a known device goes on with its cursors, when it syncs', async (t) => {
  const key = 'a secret of thirty-two characters';
  const harness = await makeHarness({ auth: { keys: [{ alg: 'HS256', secret: key }] } });
  const exp = START / 1000 + 600;
  const jwt = new SignJWT({ sub: 'alice', exp, read: ['**'], write: ['**'] }).setProtectedHeader({ alg: 'HS256' });
  const token = await jwt.sign(Buffer.from(key));
  const hello = async (fields: Fields): Promise<Peer> => {
    const peer = await harness.connect(null);
    peer.send({ op: 'hello', token, ...fields });
    for (let i = 0; i < 200 && peer.client.received.length === 0; i += 1) {
      await harness.settle();
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    return { ...peer, welcome: peer.client.take()[0] ?? {} };
  };
  const phone = await hello({ device: 'phone' });
  const { epoch } = harness.log.openChannel('room');
  await phone.ask({ op: 'sub', id: 1, channel: 'room' });
  const tablet = await hello({ device: 'tablet' });
  for (let i = 1; i <= 4; i += 1) await tablet.ask({ op: 'pub', id: i, channel: 'room', key: `k${i}` }, 'x');
  await phone.ask({ op: 'seen', channel: 'room', seq: 2, epoch });
  await phone.ask({ op: 'bye' });
  const again = await hello({ device: 'phone' });
  t.match(again.welcome, { resumed: false, channels: {} });
  t.match(decodeSyncCursor(String(again.welcome['sync_cursor']), 9), [{ channel: 'room', seq: 2 }]);
  t.same(places(await again.ask({ op: 'sync', id: 9 })), ['room 3', 'room 4']);
  t.same(places(await tablet.ask({ op: 'sync', id: 9 })), [], 'each device has its own');
});
