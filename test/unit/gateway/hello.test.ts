import { SignJWT } from 'jose';
import t from 'tap';
import { ResumeTokens } from '../../../src/session/resume-token.js';
import { encodeSyncCursor } from '../../../src/sync/sync-cursor.js';
import { makeHarness, START, type Harness, type Peer } from '../../support/gateway-harness.js';

const KEY = 'a secret of thirty-two characters';
const WITH_KEYS = { auth: { keys: [{ alg: 'HS256', secret: KEY }] } };

function token(user: string, claims: Record<string, unknown> = {}): Promise<string> {
  const exp = START / 1000 + 600;
  const jwt = new SignJWT({ sub: user, exp, read: ['**'], write: ['**'], ...claims });
  return jwt.setProtectedHeader({ alg: 'HS256' }).sign(Buffer.from(KEY));
}

/** Tokens are checked in other threads: waits for the outcome. */
async function outcome(harness: Harness, peer: Peer): Promise<Record<string, unknown>[]> {
  for (let i = 0; i < 500 && peer.client.received.length === 0 && peer.client.closed === null; i += 1) {
    await harness.settle();
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  await harness.settle();
  return peer.client.take();
}

async function hello(harness: Harness, fields: Record<string, unknown>): Promise<{ peer: Peer; welcome: Record<string, unknown> }> {
  const peer = await harness.connect(null);
  peer.send({ op: 'hello', ...fields });
  const [welcome = {}] = await outcome(harness, peer);
  return { peer, welcome };
}

t.test('welcome has every field of the protocol', async (t) => {
  const { connect } = await makeHarness({ region: 'eu' });
  const { welcome, client } = await connect({ device: 'phone', sync_cursor: null, cursors: {} });
  t.match(welcome, {
    op: 'welcome', session: /^[0-9a-f]{32}$/, resume: /\./, resumed: false, node: 'n1', region: 'eu', heartbeat_ms: 25_000,
    sync_cursor: /^[\w-]+$/, channels: {},
    limits: { message_bytes: 65_536, header_bytes: 4096, channels: 1000, publish_rate: 50, publish_burst: 100 },
  });
  t.ok(client.admitted, 'its deadline is over');
});

t.test('any op before hello closes with 4003', async (t) => {
  const { connect, settle } = await makeHarness();
  for (const op of ['sub', 'pub', 'unsub', 'history', 'presence', 'bye', 'seen', 'sync', 'nonsense']) {
    const peer = await connect(null);
    peer.send({ op, id: 1, channel: 'a', key: 'k' });
    await settle();
    t.equal(peer.client.closed?.code, 4003, op);
    t.same(peer.client.take(), []);
  }
});

t.test('hb is ignored before and after hello', async (t) => {
  const { connect } = await makeHarness();
  const peer = await connect(null);
  t.same(await peer.ask({ op: 'hb' }), []);
  t.equal(peer.client.closed, null);
  t.match(await peer.ask({ op: 'hello' }), [{ op: 'welcome' }]);
  t.same(await peer.ask('{ "op" : "hb" }'), []);
});

t.test('a second hello is err 1002, and the session goes on', async (t) => {
  const { connect } = await makeHarness();
  const peer = await connect();
  t.match(await peer.ask({ op: 'hello', id: 5 }), [{ op: 'err', id: 5, code: 1002, name: 'second_hello' }]);
  const [answer] = await peer.ask({ op: 'hello' });
  t.match(answer, { op: 'err', code: 1002 });
  t.notOk(Object.hasOwn(answer ?? {}, 'id'), 'no id where there was none');
  t.match(await peer.ask({ op: 'unsub', id: 1, channel: 'a' }), [{ op: 'ok', id: 1 }]);
});

t.test('fields of a wrong type', async (t) => {
  const { connect } = await makeHarness();
  const fields = [
    { token: 5 }, { resume: {} }, { device: 7 }, { device: 'a\u0000' }, { device: '' }, { sync_cursor: 1 },
    { cursors: [] }, { cursors: 'x' },
    ...['', 'a\nb', '\ud800', 'x'.repeat(256)].map((channel) => ({ sync_cursor: encodeSyncCursor([{ channel, seq: 0, epoch: 'e' }]) })),
  ];
  for (const field of fields) {
    const peer = await connect(null);
    await peer.ask({ op: 'hello', ...field });
    t.equal(peer.client.closed?.code, 1002, JSON.stringify(field));
    const other = await connect(null);
    t.match(await other.ask({ op: 'hello', id: 1, ...field }), [{ op: 'err', id: 1, code: 1002 }]);
    t.match(await other.ask({ op: 'hello' }), [{ op: 'welcome' }], 'it may be said again, correctly');
  }
});

t.test('a token is required where anonymous clients are not allowed', async (t) => {
  const harness = await makeHarness(WITH_KEYS);
  const peer = await harness.connect(null);
  await peer.ask({ op: 'hello' });
  t.match(peer.client.closed, { code: 4003, reason: /token is required/ });
});

t.test('a valid token is welcomed, a bad one closed with 4003 and the reason', async (t) => {
  const harness = await makeHarness(WITH_KEYS);
  t.match((await hello(harness, { token: await token('alice') })).welcome, { op: 'welcome', resumed: false });
  const cases: readonly (readonly [string, RegExp])[] = [
    [await token('alice', { exp: START / 1000 - 60 }), /expired/],
    [`${await token('alice')}x`, /signature|malformed/],
    ['nonsense', /malformed/],
  ];
  for (const [bad, reason] of cases) {
    const { peer } = await hello(harness, { token: bad });
    t.match(peer.client.closed, { code: 4003, reason });
  }
});

t.test('a bad token is not turned into an anonymous session', async (t) => {
  const { peer } = await hello(await makeHarness(), { token: 'nonsense' });
  t.match(peer.client.closed, { code: 4003, reason: /not configured|malformed/ });
});

t.test('what follows a hello waits for its check, in order', async (t) => {
  const harness = await makeHarness(WITH_KEYS);
  const peer = await harness.connect(null);
  peer.send({ op: 'hello', token: await token('alice') });
  peer.send({ op: 'sub', id: 1, channel: 'room' });
  peer.send({ op: 'pub', id: 2, channel: 'room', key: 'k' }, Buffer.from([0xff, 0, 1]));
  peer.send({ op: 'hello', id: 3 });
  harness.port.deliver();
  t.ok(peer.client.paused, 'no more is received meanwhile');
  const answers = await outcome(harness, peer);
  t.match(answers.map(({ op, id }) => [op, id]), [['welcome'], ['ok', 1], ['err', 3], ['msg'], ['ok', 2]]);
  t.equal(peer.client.paused, false);
  t.equal((await harness.gateway.admin.history('room', { limit: 1 })).messages[0]?.body, Buffer.from([0xff, 0, 1]).toString('base64'));
});

t.test('too much before the check is done closes with 1008', async (t) => {
  const harness = await makeHarness({ ...WITH_KEYS, limits: { pendingBytes: 4096 } });
  const peer = await harness.connect(null);
  peer.send({ op: 'hello', token: await token('alice') });
  for (let i = 0; i < 100; i += 1) peer.send('{}');
  harness.port.deliver();
  t.equal(peer.client.closed?.code, 1008);
  await outcome(harness, peer);
  t.equal(harness.gateway.admin.stats().connections, 0);
});

t.test('a connection that is gone before its check is done leaves nothing', async (t) => {
  const harness = await makeHarness(WITH_KEYS);
  const peer = await harness.connect(null);
  peer.send({ op: 'hello', token: await token('alice') });
  harness.port.deliver();
  harness.port.disconnect(peer.row);
  harness.port.deliver();
  const next = await harness.connect(null);
  t.equal(next.row, peer.row, 'another one has the row');
  await new Promise((resolve) => setTimeout(resolve, 30));
  await harness.settle();
  t.same(next.client.take(), []);
  t.match(harness.gateway.admin.stats(), { connections: 1, sessions: 0 });
});

t.test('the session ends with its token: 4004', async (t) => {
  const harness = await makeHarness(WITH_KEYS);
  const soon = await token('alice', { exp: START / 1000 + 10 });
  const idle = await hello(harness, { token: soon });
  const busy = await hello(harness, { token: soon });
  harness.pass(9_000);
  t.match(await busy.peer.ask({ op: 'unsub', id: 1, channel: 'a' }), [{ op: 'ok' }]);
  harness.pass(1_000);
  await busy.peer.ask({ op: 'unsub', id: 2, channel: 'a' });
  t.equal(busy.peer.client.closed?.code, 4004, 'at its next message');
  harness.gateway.start();
  await new Promise((resolve) => setTimeout(resolve, 700));
  t.equal(idle.peer.client.closed?.code, 4004, 'or by itself');
  await harness.gateway.stop();
});

t.test('resuming', async (t) => {
  const harness = await makeHarness();
  const first = await harness.connect();
  harness.port.disconnect(first.row);
  await harness.settle();
  const second = await harness.connect({ resume: first.welcome['resume'] });
  t.match(second.welcome, { resumed: true, session: first.welcome['session'] });
  t.not(second.welcome['resume'], undefined);
  const again = await harness.connect({ resume: first.welcome['resume'] });
  t.match(again.welcome, { resumed: true, session: first.welcome['session'] }, 'taking over');
  t.match(second.client.closed, { code: 4001 });
  t.equal(harness.gateway.admin.stats().sessions, 1);
});

t.test('presence does not count a session twice while it is taken over', async (t) => {
  const harness = await makeHarness();
  const first = await harness.connect();
  await first.ask({ op: 'sub', id: 1, channel: 'room' });
  const second = await harness.connect({ resume: first.welcome['resume'] });
  await second.ask({ op: 'sub', id: 1, channel: 'room' });
  const observer = await harness.connect();
  const [answer] = await observer.ask({ op: 'presence', id: 1, channel: 'room' });
  t.match(answer, { count: 1, members: [/^anon-/] });
});

t.test('a resume token that is forged, damaged or replayed closes with 4003', async (t) => {
  const harness = await makeHarness();
  const first = await harness.connect();
  const stolen = String(first.welcome['resume']);
  const forged = new ResumeTokens(Buffer.alloc(32, 9)).sign({ session: String(first.welcome['session']), user: null, generation: 1 });
  for (const resume of [forged, '', 'x.y', 'nonsense']) {
    const peer = await harness.connect({ resume });
    t.match(peer.client.closed, { code: 4003, reason: /forged or damaged/ }, resume.slice(0, 10));
  }
  t.equal(first.client.closed, null, 'and nothing happens to the session');
  const second = await harness.connect({ resume: stolen });
  await second.ask({ op: 'unsub', id: 1, channel: 'a' });
  t.match((await harness.connect({ resume: stolen })).client.closed, { code: 4003, reason: /used before/ });
  t.equal(second.client.closed, null);
});

t.test('the token before the last is good while nothing shows that its welcome came, and not for long', async (t) => {
  const harness = await makeHarness({ session: { resumeGraceMs: 10_000 } });
  const first = await harness.connect();
  const { resume } = first.welcome;
  const lost = await harness.connect({ resume });
  const again = await harness.connect({ resume });
  t.match(again.welcome, { resumed: true, session: first.welcome['session'] });
  t.equal(lost.client.closed?.code, 4001);
  t.match((await harness.connect({ resume: lost.welcome['resume'] })).client.closed, { code: 4003 }, 'nobody has this one');
  harness.pass(10_000);
  t.match((await harness.connect({ resume })).client.closed, { code: 4003, reason: /used before/ });
  t.match((await harness.connect({ resume: again.welcome['resume'] })).welcome, { resumed: true });
});

t.test('a session that can be resumed no more closes with 4004', async (t) => {
  const harness = await makeHarness({ session: { resumeTtlMs: 5000 } });
  const first = await harness.connect();
  harness.port.disconnect(first.row);
  await harness.settle();
  harness.pass(4_999);
  const second = await harness.connect({ resume: first.welcome['resume'] });
  t.match(second.welcome, { resumed: true }, 'just in time');
  harness.port.disconnect(second.row);
  await harness.settle();
  harness.pass(5_000);
  const late = await harness.connect({ resume: second.welcome['resume'] });
  t.match(late.client.closed, { code: 4004, reason: /expired/ });
  await harness.store.sweep(harness.time.now + 31 * 86_400_000, 100);
  t.match((await harness.connect({ resume: second.welcome['resume'] })).client.closed, { code: 4004 }, 'also when it is forgotten');
});

t.test('a resume token of another user closes with 4003', async (t) => {
  const harness = await makeHarness({ ...WITH_KEYS, allowAnonymous: true });
  const alice = await hello(harness, { token: await token('alice') });
  const anonymous = await hello(harness, {});
  const cases = [
    { token: await token('bob'), resume: alice.welcome['resume'] },
    { token: await token('alice'), resume: anonymous.welcome['resume'] },
    { resume: alice.welcome['resume'] },
  ];
  for (const fields of cases) t.match((await hello(harness, fields)).peer.client.closed, { code: 4003, reason: /another user/ });
  t.match((await hello(harness, { token: await token('alice'), resume: alice.welcome['resume'] })).welcome, { resumed: true });
  t.equal(alice.peer.client.closed?.code, 4001);
});

t.test('after bye the session cannot be resumed', async (t) => {
  const harness = await makeHarness();
  const first = await harness.connect();
  await first.ask({ op: 'sub', id: 1, channel: 'room' });
  t.same(await first.ask({ op: 'bye' }), []);
  t.equal(first.client.closed?.code, 1000);
  t.match(harness.gateway.admin.stats(), { connections: 0, sessions: 0, subscriptions: 0 });
  t.match((await harness.connect({ resume: first.welcome['resume'] })).client.closed, { code: 4004, reason: /ended/ });
});

t.test('publishes that came before bye are answered before the connection closes, what comes behind it is not looked at', async (t) => {
  const harness = await makeHarness();
  const peer = await harness.connect();
  for (const id of [1, 2]) peer.send({ op: 'pub', id, channel: 'room', key: `k${id}` }, 'x');
  peer.send({ op: 'bye' });
  peer.send({ op: 'pub', id: 3, channel: 'room', key: 'k3' }, 'x');
  await harness.settle();
  t.match(peer.client.take(), [{ op: 'ok', id: 1, server_seq: 1 }, { op: 'ok', id: 2, server_seq: 2 }]);
  t.equal(peer.client.closed?.code, 1000);
  t.match((await harness.connect({ resume: peer.welcome['resume'] })).client.closed, { code: 4004, reason: /ended/ });
  const again = await harness.connect();
  t.match(await again.ask({ op: 'pub', id: 1, channel: 'room', key: 'k' }, 'x'), [{ op: 'ok', server_seq: 3 }]);
});

t.test('who says bye and does not wait has ended the session all the same', async (t) => {
  const harness = await makeHarness();
  const peer = await harness.connect();
  peer.send({ op: 'pub', id: 1, channel: 'room', key: 'k' }, 'x');
  peer.send({ op: 'bye' });
  harness.port.disconnect(peer.row);
  await harness.settle();
  t.match((await harness.connect({ resume: peer.welcome['resume'] })).client.closed, { code: 4004, reason: /ended/ });
});

t.test('an anonymous session keeps its name, and its keys, over a resume', async (t) => {
  const harness = await makeHarness();
  const first = await harness.connect();
  const [published] = await first.ask({ op: 'pub', id: 1, channel: 'room', key: 'k' }, 'x');
  harness.port.disconnect(first.row);
  await harness.settle();
  const second = await harness.connect({ resume: first.welcome['resume'] });
  t.match(
    await second.ask({ op: 'pub', id: 9, channel: 'room', key: 'k' }, 'x'),
    [{ op: 'ok', id: 9, msg_id: published?.['msg_id'], duplicate: true }],
  );
  const other = await harness.connect();
  const [fresh] = await other.ask({ op: 'pub', id: 1, channel: 'room', key: 'k' }, 'x');
  t.match(fresh, { op: 'ok', server_seq: 2 }, 'the same key of somebody else is another message');
});
