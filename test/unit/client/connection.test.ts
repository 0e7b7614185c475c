import t from 'tap';
import { ClientError, createClient } from '../../../src/client/index.js';
import { settle } from '../../support/fake-clock.js';
import { rig } from '../../support/fake-socket.js';
import type { CloseInfo, ReconnectInfo } from '../../../src/client/index.js';

t.test('says hello and opens with the welcome', async (t) => {
  const r = rig({ token: 'jwt', device: 'phone' });
  const opened = r.client.connect();
  t.equal(r.client.state, 'connecting');
  t.equal(r.socket.url, 'ws://gateway.test/v1');
  t.equal(r.socket.protocols, 'sluice.v1');
  t.equal(r.socket.binaryType, 'arraybuffer');
  t.same(r.socket.welcome().header, { op: 'hello', token: 'jwt', device: 'phone' });
  t.same(await opened, { session: 's1', resumed: false, node: 'n1', region: 'local' });
  t.equal(r.client.state, 'open');
  t.same(await r.client.connect(), await opened, 'connect() again is answered at once');
});

t.test('presents the latest resume token', async (t) => {
  const r = rig();
  r.open();
  r.socket.drop();
  r.clock.advance(1000);
  t.equal(r.socket.welcome({ resume: 'r2' }).header['resume'], 'r1');
  r.socket.drop();
  r.clock.advance(1000);
  t.equal(r.socket.welcome().header['resume'], 'r2');
});

t.test('backs off with full jitter and starts anew after a stable time', async (t) => {
  const r = rig({ backoffBaseMs: 100, backoffCapMs: 1000, stableMs: 5000, connectTimeoutMs: 60_000 });
  const delays: ReconnectInfo[] = [];
  r.client.on('reconnecting', (info) => delays.push(info));
  r.open();
  for (let i = 0; i < 6; i += 1) {
    r.socket.drop();
    r.clock.advance(1000);
  }
  t.same(delays.map(({ delayMs }) => delayMs), [50, 100, 200, 400, 500, 500]);
  t.same(delays.map(({ attempt }) => attempt), [1, 2, 3, 4, 5, 6]);

  r.socket.welcome({ heartbeat_ms: 0 });
  r.clock.advance(4999);
  r.socket.drop();
  t.equal(delays.at(-1)?.delayMs, 500, 'a short connection does not reset it');
  r.clock.advance(500);
  r.socket.welcome({ heartbeat_ms: 0 });
  r.clock.advance(5000);
  r.socket.drop();
  t.same(delays.at(-1), { attempt: 1, delayMs: 50 });
});

t.test('answers heartbeats and dies of silence', async (t) => {
  const r = rig();
  const closes: CloseInfo[] = [];
  r.client.on('close', (info) => closes.push(info));
  const socket = r.open({ heartbeat_ms: 1000 });
  socket.take();
  for (let i = 0; i < 20; i += 1) {
    r.clock.advance(900);
    socket.pushRaw('{"op":"hb"}');
  }
  socket.pushRaw('{"op":"hb","other":1}');
  t.equal(socket.take().length, 21);
  t.equal(socket.raw.at(-1), '{"op":"hb"}');
  r.clock.advance(2499);
  t.equal(r.client.state, 'open');
  r.clock.advance(1);
  t.same(closes, [{ code: 4002, reason: 'heartbeat missed', willReconnect: true }]);
  t.not(socket.closedWith, null, 'the dead socket is given up');
  r.clock.advance(1000);
  t.equal(r.sockets.length, 2);
  socket.message('late', 1);
  socket.drop();
  t.equal(closes.length, 1, 'the dead socket is not heard any more');
});

t.test('gives up a dial that is not welcomed', async (t) => {
  const r = rig({ connectTimeoutMs: 3000 });
  r.client.connect().catch(() => undefined);
  r.socket.onopen?.({});
  r.clock.advance(3000);
  t.equal(r.client.state, 'waiting');
});

t.test('4003 stops a client with a fixed token', async (t) => {
  const r = rig({ token: 'bad' });
  const connected = r.client.connect();
  const errors: ClientError[] = [];
  r.client.on('error', (error) => errors.push(error));
  r.socket.onopen?.({});
  r.socket.drop(4003, 'expired');
  await t.rejects(connected, { code: 'not_authorised', serverCode: 4003, message: /expired/ });
  t.equal(r.client.state, 'closed');
  t.equal(errors.length, 1);
  t.equal(r.clock.pending, 0);
  await t.rejects(r.client.publish('a', 'x'), { code: 'not_authorised' });
});

t.test('4003 asks a token function for another', async (t) => {
  let asked = 0;
  const r = rig({ token: async () => `t${(asked += 1)}` });
  const connected = r.client.connect();
  await settle();
  r.socket.onopen?.({});
  t.equal(r.socket.takeOne('hello').header['token'], 't1');
  r.socket.drop(4003);
  r.clock.advance(1000);
  await settle();
  t.equal(r.socket.welcome().header['token'], 't2');
  await connected;
});

t.test('4003 to a resume token is tried once more without it', async (t) => {
  const r = rig({ token: 'good' });
  r.open();
  r.socket.drop();
  r.clock.advance(1000);
  r.socket.onopen?.({});
  t.equal(r.socket.takeOne('hello').header['resume'], 'r1');
  r.socket.drop(4003);
  r.clock.advance(1000);
  r.socket.onopen?.({});
  t.equal(r.socket.takeOne('hello').header['resume'], undefined);
  r.socket.drop(4003);
  t.equal(r.client.state, 'closed');
});

t.test('a token function that fails is asked again', async (t) => {
  let asked = 0;
  const r = rig({
    token: () => {
      asked += 1;
      if (asked === 1) throw new Error('offline');
      return 'jwt';
    },
  });
  const errors: ClientError[] = [];
  r.client.on('error', (error) => errors.push(error));
  r.client.connect().catch(() => undefined);
  await settle();
  t.equal(errors[0]?.code, 'token_failed');
  t.equal(r.client.state, 'waiting');
  r.clock.advance(1000);
  await settle();
  t.equal(r.socket.welcome().header['token'], 'jwt');
});

t.test('a token that comes after close() is not used', async (t) => {
  let give: (token: string) => void = () => undefined;
  const r = rig({ token: () => new Promise((resolve) => (give = resolve)) });
  const connected = r.client.connect();
  await settle();
  r.client.close();
  await t.rejects(connected, { code: 'closed' });
  give('jwt');
  await settle();
  t.equal(r.sockets.length, 0);
});

t.test('4001 stops: the session lives elsewhere', async (t) => {
  const r = rig();
  r.open();
  const errors: ClientError[] = [];
  r.client.on('error', (error) => errors.push(error));
  r.socket.drop(4001);
  r.clock.advance(100_000);
  t.equal(errors[0]?.code, 'taken_over');
  t.equal(r.sockets.length, 1);
});

t.test('4004 begins a new session', async (t) => {
  const r = rig();
  r.open();
  r.socket.drop(4004);
  r.clock.advance(1000);
  t.equal(r.socket.welcome().header['resume'], undefined);
});

t.test('restart, overload, slow consumer and abnormal end reconnect', async (t) => {
  const r = rig();
  r.open();
  for (const code of [1012, 1013, 4009, 1006, 1001, 1011]) {
    r.reopen(code);
    t.equal(r.client.state, 'open', String(code));
  }
});

t.test('protocol errors in a row stop it', async (t) => {
  const r = rig({ protocolFailures: 3 });
  r.client.connect().catch(() => undefined);
  for (let i = 0; i < 3; i += 1) {
    // Welcomed each time, and closed for what is sent then: the same would be sent again without end.
    r.socket.welcome();
    r.socket.drop(1009);
    r.clock.advance(r.clock.nextIn ?? 0);
  }
  t.equal(r.client.state, 'closed');
  t.equal(r.sockets.length, 3);
});

t.test('a message that cannot be understood ends the connection, not the client', async (t) => {
  const r = rig();
  const errors: ClientError[] = [];
  r.client.on('error', (error) => errors.push(error));
  r.open().pushRaw('garbage');
  t.equal(errors[0]?.code, 'protocol');
  t.equal(r.client.state, 'waiting');
});

t.test('obeys drain: moves to the target after the time it was given', async (t) => {
  const r = rig();
  const old = r.open();
  const notices: unknown[] = [];
  r.client.on('drain', (notice) => notices.push(notice));
  old.push({ op: 'drain', reason: 'deploy', deadline_ms: 60_000, reconnect_in_ms: 1500, target: 'ws://other.test:9000' });
  t.same(notices, [{ reason: 'deploy', deadlineMs: 60_000, reconnectInMs: 1500, target: 'ws://other.test:9000' }]);
  r.clock.advance(1499);
  t.equal(r.sockets.length, 1);
  t.equal(r.client.state, 'open', 'it goes on being served until then');
  r.clock.advance(1);
  t.equal(r.socket.url, 'ws://other.test:9000/v1');
  t.equal(r.socket.welcome().header['resume'], 'r1');
  r.clock.advance(100);
  t.equal(r.sockets.length, 2);
});

t.test('a drained gateway that closes early is not dialled before the time', async (t) => {
  const r = rig();
  r.open().push({ op: 'drain', reason: 'deploy', deadline_ms: 1, reconnect_in_ms: 1500, target: null });
  r.socket.drop(1012);
  r.clock.advance(1499);
  t.equal(r.sockets.length, 1);
  r.clock.advance(1);
  t.equal(r.sockets.length, 2);
});

t.test('a target that cannot be reached is given up for the known URL', async (t) => {
  const r = rig();
  r.open().push({ op: 'drain', reason: 'deploy', deadline_ms: 1, reconnect_in_ms: 10, target: 'ws://gone.test/v1' });
  r.clock.advance(10);
  t.equal(r.socket.url, 'ws://gone.test/v1');
  r.socket.drop();
  r.clock.advance(1000);
  t.equal(r.socket.url, 'ws://gateway.test/v1');
});

t.test('a secure client is not led to an open target', async (t) => {
  const r = rig({ url: 'wss://gateway.test/v1' });
  r.open().push({ op: 'drain', reason: 'deploy', deadline_ms: 1, reconnect_in_ms: 10, target: 'ws://other.test/v1' });
  r.clock.advance(10);
  t.equal(r.socket.url, 'wss://gateway.test/v1');
});

t.test('connect() while waiting tries at once', async (t) => {
  const r = rig({ backoffBaseMs: 10_000 });
  r.open();
  r.socket.drop();
  t.equal(r.client.state, 'waiting');
  r.client.connect().catch(() => undefined);
  t.equal(r.sockets.length, 2);
});

t.test('close() says bye, and later calls reject', async (t) => {
  const r = rig();
  const socket = r.open();
  socket.take();
  const pending = r.client.publish('a', 'x');
  const read = r.client.presence('a');
  r.client.close();
  await t.rejects(pending, { code: 'closed' });
  await t.rejects(read, { code: 'closed' });
  t.equal(socket.take().at(-1)?.op, 'bye');
  t.equal(socket.closedWith, 1000);
  t.equal(r.clock.pending, 0, 'no timer is left');
  const calls: Promise<unknown>[] = [r.client.connect(), r.client.publish('a', 'x'), r.client.history('a'), r.client.presence('a')];
  for (const call of calls) {
    await t.rejects(call, { code: 'closed' });
  }
  t.throws(() => r.client.subscribe('a'), { code: 'closed' });
  r.client.close();
});

t.test('bad options are named', async (t) => {
  const WebSocket = class {} as never;
  t.throws(() => createClient({ url: 'nonsense', WebSocket }), { code: 'bad_option', message: /url/ });
  t.throws(() => createClient({ url: 'http://x', WebSocket }), { code: 'bad_option', message: /ws:\/\// });
  t.throws(() => createClient({ url: 'ws://x', WebSocket, queueMessages: 0 }), { code: 'bad_option', message: /queueMessages/ });
  const devices = [7, '', 'a\nb', 'a\u0085', '\ud800', 'ü'.repeat(200)].map((device) => ({ device }));
  const wrongs = [{ WebSocket: {} }, { token: 5 }, ...devices, { syncCursor: [] }];
  for (const wrong of wrongs) {
    const [name = ''] = Object.keys(wrong);
    const message = new RegExp(`^${name}: `);
    t.throws(() => createClient({ url: 'ws://x', WebSocket, ...wrong } as never), { code: 'bad_option', message });
  }
  for (const none of [undefined, null, 'ws://x']) {
    t.throws(() => createClient(none as never), { name: 'ClientError', code: 'bad_option', message: /`url`/ });
  }
  const client = createClient({ url: 'ws://x', WebSocket });
  for (const nowhere of [{}, null, undefined, { seq: '3' }, { msgId: 4 }]) {
    t.throws(() => client.seen('room', nowhere as never), { name: 'ClientError', code: 'bad_option', message: /^point: / });
  }
  await t.rejects(client.history('room', { before: {} as never }), { code: 'bad_option', message: /^before: / });
  if ((globalThis as { WebSocket?: unknown }).WebSocket === undefined) {
    t.throws(() => createClient({ url: 'ws://x' }), { code: 'no_websocket', message: /option `WebSocket`/ });
  }
});

t.test('a listener that throws harms no other and is not swallowed', async (t) => {
  const r = rig();
  const seen: string[] = [];
  r.client.on('state', () => {
    throw new Error('listener');
  });
  r.client.on('state', (state) => seen.push(state));
  const uncaught = new Promise<Error>((resolve) => {
    const before = process.listeners('uncaughtException');
    process.removeAllListeners('uncaughtException');
    process.once('uncaughtException', (error) => {
      for (const listener of before) process.on('uncaughtException', listener);
      resolve(error);
    });
  });
  r.client.connect().catch(() => undefined);
  t.same(seen, ['connecting']);
  t.equal((await uncaught).message, 'listener');
});

t.test('what is refused without an id says whether it passes', async (t) => {
  const r = rig();
  r.open();
  const errors: ClientError[] = [];
  r.client.on('error', (error) => errors.push(error));
  r.socket.push({ op: 'err', code: 1013, name: 'TRY_AGAIN_LATER', message: 'the message log cannot be written', retry_after_ms: 1000 });
  r.socket.push({ op: 'err', code: 1002, message: 'channel is missing' });
  t.match(errors, [
    { code: 'refused', serverCode: 1013, serverName: 'TRY_AGAIN_LATER', retryable: true, retryAfterMs: 1000 },
    { code: 'refused', serverCode: 1002, retryable: false, retryAfterMs: null },
  ]);
});
