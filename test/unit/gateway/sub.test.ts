import t from 'tap';
import { StoreError } from '../../../src/errors.js';
import type { SessionStore } from '../../../src/store/sessions/session-store.js';
import { makeHarness, START, type Harness, type Peer } from '../../support/gateway-harness.js';

/** Publishes `count` messages of 10 ms distance; gives their ids. */
async function fill(harness: Harness, channel: string, count: number, from = 1): Promise<string[]> {
  const peer = await harness.connect();
  const ids: string[] = [];
  for (let i = 0; i < count; i += 1) {
    const [ok] = await peer.ask({ op: 'pub', id: i, channel, key: `k${from + i}` }, `${from + i}`);
    ids.push(String(ok?.['msg_id']));
    harness.pass(10);
  }
  return ids;
}

const seqs = (answers: readonly Record<string, unknown>[]): unknown[] =>
  answers.filter(({ op }) => op === 'msg').map(({ server_seq }) => server_seq);

t.test('answers the head, 0 for a new channel; without since only what comes after', async (t) => {
  const harness = await makeHarness();
  const peer = await harness.connect();
  t.match(await peer.ask({ op: 'sub', id: 1, channel: 'new' }), [{ op: 'ok', id: 1, server_seq: 0, epoch: String }]);
  await fill(harness, 'room', 3);
  t.match(await peer.ask({ op: 'sub', id: 2, channel: 'room' }), [{ op: 'ok', id: 2, server_seq: 3 }]);
  await fill(harness, 'room', 1, 4);
  t.same(seqs(peer.client.take()), [4]);
});

t.test('since a position, a time, an id', async (t) => {
  const harness = await makeHarness();
  const ids = await fill(harness, 'room', 5);
  const { epoch } = harness.log.openChannel('room');
  const cases: readonly (readonly [string, unknown, readonly number[]])[] = [
    ['position', { seq: 2, epoch }, [3, 4, 5]],
    ['position without an epoch', { seq: 2 }, [3, 4, 5]],
    ['the beginning', { seq: 0, epoch }, [1, 2, 3, 4, 5]],
    ['the head', { seq: 5, epoch }, []],
    ['beyond the head', { seq: 9, epoch }, []],
    ['exactly a server_ts', { ts: START + 20 }, [3, 4, 5]],
    ['between two', { ts: START + 11 }, [3, 4, 5]],
    ['before all', { ts: 0 }, [1, 2, 3, 4, 5]],
    ['after all', { ts: START + 1000 }, []],
    ['an id', { msg_id: ids[1] }, [3, 4, 5]],
    ['the last id', { msg_id: ids[4] }, []],
    ['an id between two', { msg_id: String(BigInt(ids[1] ?? 0) + 1n) }, [3, 4, 5]],
    ['an id before all', { msg_id: '0' }, [1, 2, 3, 4, 5]],
  ];
  for (const [name, since, expected] of cases) {
    const peer = await harness.connect();
    const [ok, ...delta] = await peer.ask({ op: 'sub', id: 1, channel: 'room', since });
    t.match(ok, { op: 'ok', server_seq: 5, epoch }, name);
    t.same(delta.map(({ server_seq }) => server_seq), expected, name);
  }
  await fill(harness, 'room', 1, 6);
  for (const client of harness.port.clients.values()) {
    const live = seqs(client.take());
    if (live.length > 0) t.same(live, [6]);
  }
});

t.test('a since without messages between goes live at once', async (t) => {
  const harness = await makeHarness();
  const peer = await harness.connect();
  await peer.ask({ op: 'sub', id: 1, channel: 'room', since: { seq: 0 } });
  await fill(harness, 'room', 2);
  t.same(seqs(peer.client.take()), [1, 2]);
});

t.test('what expired is said, then the rest is given', async (t) => {
  const harness = await makeHarness({ log: { hotAgeMs: 1000 } });
  const ids = await fill(harness, 'room', 6);
  harness.log.expire('room', 4);
  const { epoch } = harness.log.openChannel('room');
  // The hot log forgets in housekeeping only.
  harness.pass(10_000);
  harness.gateway.start();
  await new Promise((resolve) => setTimeout(resolve, 600));
  const lost = (from: number): object => ({ op: 'incomplete', channel: 'room', from_seq: from, to_seq: 3, reason: 'expired' });
  for (const [since, from] of [[{ seq: 1, epoch }, 2], [{ seq: 0 }, 1], [{ ts: START }, 1], [{ msg_id: ids[0] }, 1]] as const) {
    const peer = await harness.connect();
    const answers = await peer.ask({ op: 'sub', id: 1, channel: 'room', since });
    t.match(answers, [{ op: 'ok' }, lost(from), { server_seq: 4 }, { server_seq: 5 }, { server_seq: 6 }], JSON.stringify(since));
  }
  const peer = await harness.connect();
  t.match(
    await peer.ask({ op: 'sub', id: 1, channel: 'room', since: { seq: 3, epoch } }),
    [{ op: 'ok' }, { server_seq: 4 }, {}, {}],
    'nothing is lost',
  );
  await harness.gateway.stop();
});

t.test('another epoch: incomplete, and the channel from its oldest retained message', async (t) => {
  const harness = await makeHarness();
  await fill(harness, 'room', 3);
  const peer = await harness.connect();
  const expected = [{ op: 'ok', id: 1 }, { op: 'incomplete', channel: 'room', from_seq: 1, to_seq: 0, reason: 'epoch_changed' }];
  const answers = await peer.ask({ op: 'sub', id: 1, channel: 'room', since: { seq: 100, epoch: 'other' } });
  t.match(answers.slice(0, 2), expected);
  t.same(seqs(answers), [1, 2, 3]);
  t.match(
    await peer.ask({ op: 'sub', id: 1, channel: 'empty', since: { seq: 9, epoch: 'other' } }),
    [{ op: 'ok' }, { op: 'incomplete', reason: 'epoch_changed' }],
  );
});

t.test('subscribing again: ok with the head; with since from there, without a double', async (t) => {
  const harness = await makeHarness();
  const peer = await harness.connect();
  await peer.ask({ op: 'sub', id: 1, channel: 'room' });
  await fill(harness, 'room', 3);
  t.same(seqs(peer.client.take()), [1, 2, 3]);
  t.match(await peer.ask({ op: 'sub', id: 2, channel: 'room' }), [{ op: 'ok', id: 2, server_seq: 3 }]);
  t.same(seqs(await peer.ask({ op: 'sub', id: 3, channel: 'room', since: { seq: 1 } })), [2, 3]);
  await fill(harness, 'room', 1, 4);
  t.same(seqs(peer.client.take()), [4], 'live once');
  t.equal(harness.gateway.admin.stats().subscriptions, 1);
});

t.test('unsub: ok always; nothing comes afterwards', async (t) => {
  const harness = await makeHarness();
  const peer = await harness.connect();
  await peer.ask({ op: 'sub', id: 1, channel: 'room' });
  t.match(await peer.ask({ op: 'unsub', id: 2, channel: 'room' }), [{ op: 'ok', id: 2 }]);
  t.match(await peer.ask({ op: 'unsub', id: 3, channel: 'room' }), [{ op: 'ok', id: 3 }]);
  t.match(await peer.ask({ op: 'unsub', id: 4, channel: 'never heard of' }), [{ op: 'ok', id: 4 }]);
  t.equal(harness.log.channels, 1, 'and makes no channel');
  await fill(harness, 'room', 1);
  t.same(peer.client.take(), []);
});

t.test('unsub stops a catch-up', async (t) => {
  const harness = await makeHarness({ limits: { catchUpChunkBytes: 4096 } });
  const writer = await harness.connect();
  for (let i = 0; i < 20; i += 1) await writer.ask({ op: 'pub', id: i, channel: 'room', key: `${i}` }, 'x'.repeat(1000));
  const peer = await harness.connect();
  peer.client.reading = false;
  t.ok(seqs(await peer.ask({ op: 'sub', id: 1, channel: 'room', since: { seq: 0 } })).length < 10);
  await peer.ask({ op: 'unsub', id: 2, channel: 'room' });
  peer.client.reading = true;
  harness.port.drain(peer.row);
  await harness.settle();
  await fill(harness, 'room', 1);
  t.same(peer.client.take(), []);
  t.match(harness.gateway.admin.stats(), { subscriptions: 0 });
});

t.test('too many channels', async (t) => {
  const harness = await makeHarness({ limits: { channelsPerSession: 3 } });
  const peer = await harness.connect();
  for (let i = 0; i < 3; i += 1) t.match(await peer.ask({ op: 'sub', id: i, channel: `c${i}` }), [{ op: 'ok' }]);
  t.match(await peer.ask({ op: 'sub', id: 9, channel: 'c9' }), [{ op: 'err', id: 9, code: 1008, name: 'too_many_channels' }]);
  t.match(await peer.ask({ op: 'sub', id: 10, channel: 'c1' }), [{ op: 'ok' }], 'one that is subscribed already is no new one');
  await peer.ask({ op: 'unsub', id: 11, channel: 'c0' });
  t.match(await peer.ask({ op: 'sub', id: 12, channel: 'c9' }), [{ op: 'ok' }]);
});

t.test('rights', async (t) => {
  const harness = await makeHarness({ auth: { anonymousRead: ['open.*'], anonymousWrite: ['open.w'] } });
  const peer: Peer = await harness.connect();
  const denied = { op: 'err', code: 4003, name: 'not_authorised' };
  for (const op of ['sub', 'history', 'presence']) {
    t.match(await peer.ask({ op, id: 1, channel: 'closed', limit: 1 }), [denied], op);
    t.match((await peer.ask({ op, id: 1, channel: 'open.r', limit: 1 })).at(-1), { op: 'ok' }, op);
  }
  t.match(await peer.ask({ op: 'pub', id: 1, channel: 'open.r', key: 'k' }), [denied]);
  t.match(await peer.ask({ op: 'pub', id: 1, channel: 'open.w', key: 'k' }), [{ op: 'ok' }]);
  t.equal(harness.log.findChannel('closed'), null, 'what may not be used is not made');
});

t.test('a first subscription that the store does not take at once, or fails to keep, is stored all the same', async (t) => {
  const harness = await makeHarness();
  const taken: string[] = [];
  let answer = (): Promise<boolean> | null => null;
  const store: SessionStore = harness.store;
  store.addFirstCursor = (_words, _generation, { channel }) => {
    const stored = answer();
    if (stored !== null) taken.push(channel);
    return stored;
  };
  const cursors = (): unknown => [...harness.store.records.values()].at(-1)?.cursors;
  const usual = await harness.connect();
  await usual.ask({ op: 'sub', id: 1, channel: 'usual' });
  t.match(cursors(), [{ channel: 'usual', subscribed: true }]);

  answer = () => Promise.reject(new StoreError('the disk is full', true));
  const failed = await harness.connect();
  await failed.ask({ op: 'sub', id: 1, channel: 'failed' });
  t.match(cursors(), [{ channel: 'failed', subscribed: true }], 'the writer has it');

  let fail = (_error: Error): void => undefined;
  answer = () => new Promise((_resolve, reject) => (fail = reject));
  const left = await harness.connect();
  await left.ask({ op: 'sub', id: 1, channel: 'left' });
  await left.ask({ op: 'unsub', id: 2, channel: 'left' });
  fail(new StoreError('the disk is full', true));
  await harness.settle();
  t.match(cursors(), [{ channel: 'left', subscribed: false }], 'it was left meanwhile, and stays so');

  answer = () => Promise.resolve(true);
  const kept = await harness.connect();
  await kept.ask({ op: 'sub', id: 1, channel: 'kept' });
  await kept.ask({ op: 'sub', id: 2, channel: 'second' });
  t.same(taken, ['failed', 'left', 'kept'], 'only the first goes that way');
  t.match(cursors(), [{ channel: 'second', subscribed: true }]);
  await harness.gateway.stop();
});
