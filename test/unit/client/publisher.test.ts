import t from 'tap';
import { rig } from '../../support/fake-socket.js';
import { settle } from '../../support/fake-clock.js';
import type { Frame } from '../../../src/client/codec.js';
import type { FakeSocket } from '../../support/fake-socket.js';

const RESULT = { msg_id: '9', server_seq: 4, server_ts: 5, lamport: 20 };

function pubs(socket: FakeSocket): Frame[] {
  return socket.take().filter(({ op }) => op === 'pub');
}

function bodies(frames: readonly Frame[]): unknown[] {
  return frames.map(({ body }) => body);
}

t.test('publishes and gives the result', async (t) => {
  const r = rig();
  const socket = r.open();
  const published = r.client.publish('room', 'hello');
  const pub = socket.takeOne('pub');
  t.match(pub.header, { channel: 'room', key: /^[0-9a-z]{19}-0000000001$/, client_ts: r.clock.now(), lamport: 1 });
  t.equal(pub.body, 'hello');
  t.equal(r.client.pendingPublishes, 1);
  socket.ok(pub, RESULT);
  t.same(await published, { msgId: '9', serverSeq: 4, serverTs: 5, lamport: 20, duplicate: false });
  t.equal(r.client.pendingPublishes, 0);
  void r.client.publish('room', Uint8Array.of(1, 2), { key: 'mine' });
  const next = socket.takeOne('pub');
  t.equal(next.header['key'], 'mine');
  t.equal(next.header['lamport'], 22, 'past what was received');
  t.same(next.body, Uint8Array.of(1, 2));
});

t.test('repeats unanswered publishes with the same keys in their order', async (t) => {
  const r = rig();
  const socket = r.open();
  const results = ['a1', 'a2', 'a3'].map((body) => r.client.publish('a', body));
  const b = r.client.publish('b', 'b1');
  const first = pubs(socket);
  socket.ok(first[1]!, RESULT);
  t.equal((await results[1])?.serverSeq, 4);
  const again = r.reopen();
  const second = pubs(again);
  t.same(bodies(second), ['a1', 'a3', 'b1']);
  const keys = (frames: readonly Frame[]) => frames.map(({ header }) => [header['key'], header['lamport'], header['client_ts']]);
  t.same(keys(second), keys([first[0]!, first[2]!, first[3]!]));
  again.ok(second[0]!, { ...RESULT, duplicate: true });
  t.equal((await results[0])?.duplicate, true);
  r.reopen();
  t.same(bodies(pubs(r.socket)), ['a3', 'b1']);
  void b;
});

t.test('takes bytes in every shape, as they were when it was asked', (t) => {
  const r = rig();
  const bytes = Buffer.from([1, 2, 3, 4]);
  const copy = (): ArrayBuffer => Uint8Array.of(1, 2, 3, 4).buffer;
  const shapes = [bytes, copy(), new Uint16Array(copy()), new DataView(copy())];
  // Types allow the first only; JavaScript allows all.
  for (const body of shapes as Uint8Array[]) void r.client.publish('room', body);
  bytes.fill(0);
  t.same(bodies(pubs(r.open())), shapes.map(() => Uint8Array.of(1, 2, 3, 4)));
  t.end();
});

t.test('what cannot be sent is refused by name, and does not stand in the way of what can', async (t) => {
  const r = rig();
  const socket = r.open();
  for (const body of [undefined, null, 5, { a: 1 }, [1], 5n]) {
    await t.rejects(r.client.publish('room', body as unknown as string), { code: 'bad_option', retryable: false, message: /^body: / });
  }
  await t.rejects(r.client.publish(5n as unknown as string, 'x'), { code: 'bad_option', message: /^channel: / });
  await t.rejects(r.client.publish('room', 'x', { key: 5n as unknown as string }), { code: 'bad_option', message: /^key: / });
  t.equal(r.client.pendingPublishes, 0);
  void r.client.publish('room', 'good');
  t.same(bodies(pubs(socket)), ['good']);
});

t.test('publishes made while offline wait and go out in order, behind what was unanswered', async (t) => {
  const r = rig();
  void r.client.publish('a', '1');
  void r.client.publish('a', '2');
  r.open();
  t.same(bodies(pubs(r.socket)), ['1', '2']);
  r.socket.drop();
  void r.client.publish('a', '3');
  r.clock.advance(1000);
  r.socket.welcome();
  t.same(bodies(pubs(r.socket)), ['1', '2', '3']);
});

t.test('the outbox is bounded in messages and bytes', async (t) => {
  const r = rig({ outboxMessages: 2, outboxBytes: 10, maxBodyBytes: 8 });
  void r.client.publish('a', '12345');
  await t.rejects(r.client.publish('a', '123456'), { code: 'outbox_full', retryable: true });
  void r.client.publish('b', '1');
  await t.rejects(r.client.publish('a', '1'), { code: 'outbox_full' });
  await t.rejects(r.client.publish('a', '123456789'), { code: 'too_big' });
  r.open();
  const [first] = pubs(r.socket);
  r.socket.ok(first!, RESULT);
  await settle();
  void r.client.publish('a', '123456789'.slice(1));
  t.equal(r.client.pendingPublishes, 2, 'an answer makes room');
});

t.test('4008 is waited for, and nothing overtakes what was refused', async (t) => {
  const r = rig();
  const socket = r.open();
  const one = r.client.publish('a', '1');
  const pub = socket.takeOne('pub');
  socket.err(pub, 4008, { retry_after_ms: 400 });
  void r.client.publish('a', '2');
  void r.client.publish('b', '3');
  t.same(socket.take(), []);
  r.clock.advance(399);
  t.same(socket.take(), []);
  r.clock.advance(1);
  const retried = pubs(socket);
  t.same(bodies(retried), ['1', '2', '3']);
  t.equal(retried[0]?.header['key'], pub.header['key']);
  socket.ok(retried[0]!, RESULT);
  await one;
});

t.test('other passing errors are retried with back-off, lasting ones reject', async (t) => {
  const r = rig({ backoffBaseMs: 100 });
  const socket = r.open({ heartbeat_ms: 0 });
  const one = r.client.publish('a', '1');
  socket.err(socket.takeOne('pub'), 1013);
  r.clock.advance(50);
  socket.err(socket.takeOne('pub'), 1013);
  r.clock.advance(99);
  t.same(socket.take(), []);
  r.clock.advance(1);
  socket.ok(socket.takeOne('pub'), RESULT);
  await one;
  const refused = r.client.publish('a', '2');
  socket.err(socket.takeOne('pub'), 4003);
  await t.rejects(refused, { code: 'not_authorised', serverCode: 4003, retryable: false });
  t.equal(r.client.pendingPublishes, 0);
});

t.test('a hold does not outlive its connection', async (t) => {
  const r = rig();
  r.open();
  void r.client.publish('a', '1');
  r.socket.err(r.socket.takeOne('pub'), 1013, { retry_after_ms: 100_000 });
  r.reopen();
  t.same(bodies(pubs(r.socket)), ['1']);
});

t.test('the window bounds what is unanswered per channel', async (t) => {
  const r = rig({ publishWindow: 2 });
  const socket = r.open();
  for (const body of ['1', '2', '3', '4']) void r.client.publish('a', body);
  void r.client.publish('b', 'x');
  const sent = pubs(socket);
  t.same(bodies(sent), ['1', '2', 'x']);
  socket.ok(sent[1]!, RESULT);
  t.same(bodies(pubs(socket)), ['3']);
});

t.test('a window of one keeps the order also when one is refused for a while', async (t) => {
  const r = rig({ publishWindow: 1 });
  const socket = r.open();
  for (const body of ['1', '2', '3']) void r.client.publish('a', body);
  const order: unknown[] = [];
  for (let i = 0; i < 20 && order.length < 3; i += 1) {
    for (const pub of pubs(socket)) {
      if (i % 3 === 0) socket.err(pub, 4008, { retry_after_ms: 10 });
      else {
        order.push(pub.body);
        socket.ok(pub, RESULT);
      }
    }
    r.clock.advance(10);
    socket.pushRaw('{"op":"hb"}');
  }
  t.same(order, ['1', '2', '3']);
});

t.test('keeps to the rate that the welcome tells', async (t) => {
  const r = rig();
  const socket = r.open({ limits: { publish_rate: 10, publish_burst: 3 }, heartbeat_ms: 0 });
  for (const body of ['1', '2', '3', '4']) void r.client.publish('a', body);
  t.same(bodies(pubs(socket)), ['1', '2']);
  r.clock.advance(99);
  t.same(bodies(pubs(socket)), []);
  r.clock.advance(1);
  t.same(bodies(pubs(socket)), ['3']);
  r.clock.advance(100);
  t.same(bodies(pubs(socket)), ['4']);
});

t.test('the caller may reuse its buffer', async (t) => {
  const r = rig();
  const buffer = Uint8Array.of(1);
  void r.client.publish('a', buffer);
  buffer[0] = 2;
  r.open();
  t.same(r.socket.takeOne('pub').body, Uint8Array.of(1));
});

t.test('a thousand publishes over breaks: each answered once, sent in order', async (t) => {
  let state = 3;
  const random = () => (state = (state * 48271) % 0x7fffffff) / 0x7fffffff;
  const r = rig({ publishWindow: 16 });
  r.open({ heartbeat_ms: 0 });
  const stored = new Map<string, number>();
  const order: number[] = [];
  let answered = 0;
  for (let n = 0; n < 1000; n += 1) {
    r.client.publish('a', String(n)).then(() => (answered += 1), () => undefined);
    for (const pub of pubs(r.socket)) {
      const key = String(pub.header['key']);
      if (!stored.has(key)) order.push(Number(pub.body));
      stored.set(key, stored.get(key) ?? stored.size + 1);
      if (random() < 0.9) r.socket.ok(pub, { ...RESULT, server_seq: stored.get(key) });
    }
    if (random() < 0.1) r.reopen(1006, { heartbeat_ms: 0 });
    await settle();
  }
  for (let i = 0; i < 200 && r.client.pendingPublishes > 0; i += 1) {
    r.reopen(1006, { heartbeat_ms: 0 });
    for (;;) {
      const sent = pubs(r.socket);
      if (sent.length === 0) break;
      for (const pub of sent) {
        const key = String(pub.header['key']);
        if (!stored.has(key)) order.push(Number(pub.body));
        stored.set(key, stored.get(key) ?? stored.size + 1);
        r.socket.ok(pub, { ...RESULT, server_seq: stored.get(key) });
      }
    }
    await settle();
  }
  t.equal(answered, 1000);
  t.equal(stored.size, 1000);
  t.same(order, [...order].sort((a, b) => a - b));
});
