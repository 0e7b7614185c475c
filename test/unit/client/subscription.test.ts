import t from 'tap';
import { rig } from '../../support/fake-socket.js';
import { settle } from '../../support/fake-clock.js';
import type { Frame } from '../../../src/client/codec.js';
import type { Rig } from '../../support/fake-socket.js';
import type { ClientError, Incomplete, Message, Since, Subscription } from '../../../src/client/index.js';

interface Joined {
  readonly subscription: Subscription;
  readonly seqs: number[];
  readonly losses: Incomplete[];
}

/** Subscribes on an open rig and answers with the head. */
function join(r: Rig, head: number, since?: Since): Joined {
  const seqs: number[] = [];
  const losses: Incomplete[] = [];
  const subscription = r.client.subscribe('room', since === undefined ? {} : { since });
  subscription.on('message', ({ serverSeq }) => seqs.push(serverSeq));
  subscription.on('incomplete', (loss) => losses.push(loss));
  r.socket.ok(r.socket.takeOne('sub'), { server_seq: head, epoch: 'e1' });
  return { subscription, seqs, losses };
}

t.test('delivers what follows the head', async (t) => {
  const r = rig();
  r.open();
  const subscription = r.client.subscribe('room');
  const messages: Message[] = [];
  subscription.on('message', (message) => messages.push(message));
  const sub = r.socket.takeOne('sub');
  t.same(sub.header, { op: 'sub', channel: 'room', id: sub.header['id'] });
  r.socket.ok(sub, { server_seq: 7, epoch: 'e1' });
  t.same(await subscription.ready, { seq: 7, epoch: 'e1' });
  r.socket.message('room', 8, 'hello', { client_ts: 5, id: '42', server_ts: 6, lamport: 9, from: 'ada' });
  const times = { serverTs: 6, clientTs: 5, lamport: 9, clock: null };
  t.same(messages, [{ channel: 'room', id: '42', serverSeq: 8, ...times, from: 'ada', body: 'hello' }]);
  t.same(subscription.position, { seq: 8, epoch: 'e1' });
  r.socket.message('other', 1);
  t.equal(messages.length, 1);
});

t.test('subscribes again with since after a reconnect and drops doubles', async (t) => {
  const r = rig();
  r.open();
  const { seqs } = join(r, 3);
  for (const seq of [4, 5, 5, 4, 6]) r.socket.message('room', seq);
  t.same(seqs, [4, 5, 6]);
  const socket = r.reopen();
  const sub = socket.takeOne('sub');
  t.same(sub.header['since'], { seq: 6, epoch: 'e1' });
  socket.ok(sub, { server_seq: 8, epoch: 'e1' });
  for (const seq of [5, 6, 7, 8, 9]) socket.message('room', seq);
  t.same(seqs, [4, 5, 6, 7, 8, 9]);
});

t.test('subscriptions made before connect() are sent with the welcome', async (t) => {
  const r = rig();
  r.client.subscribe('a');
  r.client.subscribe('b', { since: { ts: 5 } });
  r.client.subscribe('c', { since: { msgId: '77' } });
  r.client.subscribe('d', { since: { seq: 2, epoch: 'z' } });
  const subs = r.open().take();
  t.same(subs.map(({ header }) => [header['channel'], header['since']]), [
    ['a', undefined], ['b', { ts: 5 }], ['c', { msg_id: '77' }], ['d', { seq: 2, epoch: 'z' }],
  ]);
});

t.test('a start by time is asked again until a message gives a position', async (t) => {
  const r = rig();
  r.open();
  const { seqs } = join(r, 90, { ts: 1000 });
  r.reopen();
  const again = r.socket.takeOne('sub');
  t.same(again.header['since'], { ts: 1000 });
  r.socket.ok(again, { server_seq: 90, epoch: 'e1' });
  r.socket.message('room', 41);
  r.socket.message('room', 42);
  t.same(seqs, [41, 42]);
  r.reopen();
  t.same(r.socket.takeOne('sub').header['since'], { seq: 42, epoch: 'e1' });
});

t.test('asks for a gap again rather than deliver past it', async (t) => {
  const r = rig();
  r.open();
  const { seqs, losses } = join(r, 0);
  r.socket.message('room', 1);
  r.socket.message('room', 4);
  const sub = r.socket.takeOne('sub');
  t.same(sub.header['since'], { seq: 1, epoch: 'e1' });
  r.socket.message('room', 5);
  t.same(r.socket.take(), [], 'one request for one gap');
  r.socket.ok(sub, { server_seq: 5, epoch: 'e1' });
  for (const seq of [2, 3, 4, 5, 6]) r.socket.message('room', seq);
  t.same(seqs, [1, 2, 3, 4, 5, 6]);
  t.same(losses, []);
});

t.test('a gap that the gateway never fills is said, and life goes on', async (t) => {
  const r = rig({ gapRefetches: 3 });
  r.open();
  const { seqs, losses } = join(r, 1);
  for (let i = 0; i < 3; i += 1) {
    r.socket.message('room', 4);
    t.same(seqs, []);
    r.clock.advance(700);
    r.socket.pushRaw('{"op":"hb"}');
    const sub = r.socket.take().filter(({ op }) => op === 'sub');
    t.equal(sub.length, 1, `request ${i + 1}`);
    r.socket.ok(sub[0]!, { server_seq: 4, epoch: 'e1' });
  }
  r.socket.message('room', 4);
  r.socket.message('room', 5);
  t.same(losses, [{ channel: 'room', fromSeq: 2, toSeq: 3, reason: 'unfilled' }]);
  t.same(seqs, [4, 5]);
});

t.test('what has expired is said and skipped', async (t) => {
  const r = rig();
  r.open();
  const { seqs, losses } = join(r, 50, { seq: 10, epoch: 'e1' });
  r.socket.push({ op: 'incomplete', channel: 'room', from_seq: 11, to_seq: 40, reason: 'expired' });
  for (const seq of [41, 42]) r.socket.message('room', seq);
  t.same(losses, [{ channel: 'room', fromSeq: 11, toSeq: 40, reason: 'expired' }]);
  t.same(seqs, [41, 42]);
});

t.test('what is missing of a delivery that is not wanted is nothing to this one', async (t) => {
  const r = rig();
  r.open();
  const { seqs, losses } = join(r, 50, { seq: 10, epoch: 'e1' });
  const socket = r.reopen(1006, { channels: { room: { seq: 19, epoch: 'e1' } } });
  const [unsub, sub] = socket.take();
  if (unsub?.op !== 'unsub' || sub?.op !== 'sub') return t.fail('the session goes on behind a hole, which is not wanted');
  socket.push({ op: 'incomplete', channel: 'room', from_seq: 20, to_seq: 25, reason: 'unavailable' });
  socket.message('room', 26);
  socket.ok(sub, { server_seq: 26, epoch: 'e1' });
  for (let seq = 11; seq <= 26; seq += 1) socket.message('room', seq);
  t.same(seqs, Array.from({ length: 16 }, (_, i) => 11 + i), 'nothing is skipped');
  t.same(losses, []);
});

for (const [order, name] of [['ok first', 'after'], ['incomplete first', 'before']] as const) {
  t.test(`another epoch is said once when the gateway's word comes ${name} the answer`, async (t) => {
    const r = rig();
    r.open();
    const { seqs, losses } = join(r, 7);
    r.socket.message('room', 8);
    const socket = r.reopen();
    const sub = socket.takeOne('sub');
    const say = () => socket.push({ op: 'incomplete', channel: 'room', from_seq: 9, to_seq: 3, reason: 'epoch_changed' });
    if (order === 'incomplete first') say();
    socket.ok(sub, { server_seq: 3, epoch: 'e2' });
    if (order === 'ok first') say();
    t.same(losses, [{ channel: 'room', fromSeq: 9, toSeq: 3, reason: 'epoch_changed' }]);
    // From its oldest retained message, which need not be the first.
    for (const seq of [2, 3, 4]) socket.message('room', seq);
    t.same(seqs, [8, 2, 3, 4]);
    r.reopen();
    t.same(r.socket.takeOne('sub').header['since'], { seq: 4, epoch: 'e2' });
  });
}

t.test('an epoch that changes in mid-stream is looked up', async (t) => {
  const r = rig();
  r.open();
  const { seqs, losses } = join(r, 7);
  r.socket.push({ op: 'incomplete', channel: 'room', from_seq: 8, to_seq: 0, reason: 'epoch_changed' });
  const sub = r.socket.takeOne('sub');
  r.socket.ok(sub, { server_seq: 1, epoch: 'e2' });
  r.socket.message('room', 1);
  t.same(seqs, [1]);
  t.equal(losses.length, 1);
});

t.test('a head behind what was delivered is another life too', async (t) => {
  const r = rig();
  r.open();
  const { seqs, losses } = join(r, 7);
  r.socket.message('room', 8);
  const socket = r.reopen();
  socket.ok(socket.takeOne('sub'), { server_seq: 5, epoch: 'e1' });
  t.equal(losses[0]?.reason, 'epoch_changed');
  socket.message('room', 6);
  t.same(seqs, [8, 6], 'nothing is taken for a double in silence');
});

t.test('a refusal for a while is waited for, another ends the subscription', async (t) => {
  const r = rig();
  r.open();
  const subscription = r.client.subscribe('room');
  const errors: ClientError[] = [];
  subscription.on('error', (error) => errors.push(error));
  r.socket.err(r.socket.takeOne('sub'), 4008, { retry_after_ms: 300 });
  r.clock.advance(299);
  t.same(r.socket.take(), []);
  r.clock.advance(1);
  r.socket.err(r.socket.takeOne('sub'), 4003);
  t.equal(errors[0]?.code, 'not_authorised');
  await t.rejects(subscription.ready, { code: 'not_authorised' });
  t.doesNotThrow(() => r.client.subscribe('room'), 'the name is free again');
});

t.test('one subscription per channel', async (t) => {
  const r = rig();
  r.open();
  const { subscription } = join(r, 0);
  t.throws(() => r.client.subscribe('room'), { code: 'already_subscribed' });
  subscription.close();
  t.same(r.socket.takeOne('unsub').header['channel'], 'room');
  join(r, 0);
});

t.test('messages before the first listener wait for it', async (t) => {
  const r = rig();
  r.open();
  const subscription = r.client.subscribe('room');
  r.socket.ok(r.socket.takeOne('sub'), { server_seq: 0, epoch: 'e1' });
  for (const seq of [1, 2]) r.socket.message('room', seq);
  const seqs: number[] = [];
  subscription.on('message', ({ serverSeq }) => seqs.push(serverSeq));
  r.socket.message('room', 3);
  await settle();
  t.same(seqs, [1, 2, 3]);
});

t.test('the client has the messages of all channels', async (t) => {
  const r = rig();
  r.open();
  for (const channel of ['a', 'b']) {
    r.client.subscribe(channel);
    r.socket.ok(r.socket.takeOne('sub'), { server_seq: 0, epoch: 'e1' });
  }
  r.socket.message('a', 1);
  const got: string[] = [];
  r.client.on('message', ({ channel, serverSeq }) => got.push(`${channel}${serverSeq}`));
  await settle();
  r.socket.message('b', 1);
  r.socket.message('a', 2);
  t.same(got, ['a1', 'b1', 'a2']);
});

t.test('an iterator gets each message once, in order, to the end', async (t) => {
  const r = rig();
  r.open();
  const { subscription } = join(r, 0);
  const got: number[] = [];
  const done = (async () => {
    for await (const { serverSeq } of subscription) got.push(serverSeq);
  })();
  for (let seq = 1; seq <= 3; seq += 1) r.socket.message('room', seq);
  await settle();
  r.socket.message('room', 4);
  r.socket.message('room', 5);
  subscription.close();
  await done;
  t.same(got, [1, 2, 3, 4, 5]);
});

t.test('an iterator throws what stopped the client', async (t) => {
  const r = rig();
  r.open();
  const { subscription } = join(r, 0);
  const next = subscription[Symbol.asyncIterator]().next();
  r.socket.drop(4001);
  await t.rejects(next, { code: 'taken_over' });
});

t.test('a full queue pauses the subscription and loses nothing', async (t) => {
  const r = rig({ queueMessages: 4 });
  r.open();
  const subscription = r.client.subscribe('room');
  r.socket.ok(r.socket.takeOne('sub'), { server_seq: 0, epoch: 'e1' });
  for (let seq = 1; seq <= 9; seq += 1) r.socket.message('room', seq);
  t.same(r.socket.take().map(({ op }) => op), ['unsub'], 'paused once');
  const iterator = subscription[Symbol.asyncIterator]();
  const got: number[] = [];
  const pull = async () => got.push((await iterator.next()).value.serverSeq);
  await pull();
  t.same(r.socket.take(), []);
  await pull();
  const sub = r.socket.takeOne('sub');
  t.same(sub.header['since'], { seq: 4, epoch: 'e1' }, 'goes on when half of the queue is free');
  r.socket.ok(sub, { server_seq: 9, epoch: 'e1' });
  for (let seq = 5; seq <= 6; seq += 1) r.socket.message('room', seq);
  for (let i = 0; i < 4; i += 1) await pull();
  t.same(got, [1, 2, 3, 4, 5, 6]);
});

t.test('a paused subscription stays so over a reconnect', async (t) => {
  const r = rig({ queueMessages: 1 });
  r.open();
  const subscription = r.client.subscribe('room');
  r.socket.ok(r.socket.takeOne('sub'), { server_seq: 0, epoch: 'e1' });
  for (let seq = 1; seq <= 2; seq += 1) r.socket.message('room', seq);
  r.reopen();
  t.same(r.socket.take(), []);
  await subscription[Symbol.asyncIterator]().next();
  t.same(r.socket.takeOne('sub').header['since'], { seq: 1, epoch: 'e1' });
});

t.test('leaving a loop keeps the subscription', async (t) => {
  const r = rig();
  r.open();
  const subscription = r.client.subscribe('room');
  r.socket.ok(r.socket.takeOne('sub'), { server_seq: 0, epoch: 'e1' });
  for (let seq = 1; seq <= 4; seq += 1) r.socket.message('room', seq);
  const got: number[] = [];
  for await (const { serverSeq } of subscription) {
    got.push(serverSeq);
    if (serverSeq === 2) break;
  }
  for await (const { serverSeq } of subscription) {
    got.push(serverSeq);
    if (serverSeq === 4) break;
  }
  t.same(got, [1, 2, 3, 4]);
});

t.test('random losses, doubles and breaks: each message once and in order', async (t) => {
  let state = 7;
  const random = () => (state = (state * 48271) % 0x7fffffff) / 0x7fffffff;
  const r = rig({ gapRefetches: 1000 });
  r.open();
  const { seqs, losses } = join(r, 0);
  let head = 0;
  let sent = 0;
  for (let step = 0; step < 5000; step += 1) {
    for (const frame of r.socket.take()) {
      if (frame.op !== 'sub') continue;
      r.socket.ok(frame, { server_seq: head, epoch: 'e1' });
      sent = (frame.header['since'] as { seq: number }).seq;
    }
    const dice = random();
    if (dice < 0.5) head += 1;
    if (dice < 0.02) r.reopen();
    else if (dice < 0.07 && sent < head) sent += 1;
    else if (dice < 0.12 && sent > 3) sent -= 3;
    else if (sent < head) {
      sent += 1;
      r.socket.message('room', sent);
    }
    // Less than a heartbeat, so that the connection lives.
    r.clock.advance(20);
    r.socket.pushRaw('{"op":"hb"}');
  }
  t.ok(seqs.length > 1000, `${seqs.length} delivered`);
  t.ok(seqs.every((seq, index) => seq === index + 1));
  t.same(losses, []);
});

t.test('what the resumed session brings by itself is not asked for', async (t) => {
  const r = rig();
  r.open();
  const { seqs } = join(r, 3);
  r.socket.message('room', 4);
  const socket = r.reopen(1006, { channels: { room: { seq: 4, epoch: 'e1' } } });
  t.same(socket.take(), []);
  for (const seq of [4, 5, 6]) socket.message('room', seq);
  t.same(seqs, [4, 5, 6]);
});

t.test('hello tells how far each subscription is', async (t) => {
  const r = rig();
  const hello = (): unknown => {
    const before = r.sockets.length;
    r.socket.drop();
    r.clock.advance(r.clock.nextIn ?? 0);
    t.equal(r.sockets.length, before + 1);
    return r.socket.welcome().header['cursors'];
  };
  r.open();
  t.equal(hello(), undefined, 'nothing yet');
  join(r, 3);
  r.client.subscribe('unanswered');
  r.socket.message('room', 4);
  t.same(hello(), { room: { seq: 4, epoch: 'e1' } });
  for (let i = 0; i < 200; i += 1) {
    r.client.subscribe(`channel-number-${i}`);
    r.socket.ok(r.socket.take().findLast(({ op }) => op === 'sub')!, { server_seq: 0, epoch: 'e1' });
  }
  const many = JSON.stringify(hello());
  t.ok(many.length > 1000 && many.length < 2000, `${many.length} characters, so that the header line stays within its limit`);
});

t.test('what comes from behind the last position, or of another life, is asked for again', async (t) => {
  for (const position of [{ seq: 6, epoch: 'e1' }, { seq: 4, epoch: 'e2' }]) {
    const r = rig();
    r.open();
    const { seqs } = join(r, 4);
    const socket = r.reopen(1006, { channels: { room: position } });
    const sub = socket.takeOne('sub');
    t.same(sub.header['since'], { seq: 4, epoch: 'e1' });
    socket.message('room', 7);
    socket.ok(sub, { server_seq: 7, epoch: 'e1' });
    for (const seq of [5, 6, 7]) socket.message('room', seq);
    t.same(seqs, [5, 6, 7]);
  }
});

t.test('of a channel that comes back before it is known where it stands nothing is lost', async (t) => {
  const r = rig();
  r.open();
  const seqs: number[] = [];
  r.client.subscribe('room', { since: { ts: 0 } }).on('message', ({ serverSeq }) => seqs.push(serverSeq));
  r.socket.ok(r.socket.takeOne('sub'), { server_seq: 0, epoch: 'e1' });
  // Message 1 was lost with the connection. The gateway brings it by itself, and does not send again what is on its way.
  const socket = r.reopen(1006, { channels: { room: { seq: 0, epoch: 'e1' } } });
  socket.message('room', 1);
  const [unsub, sub] = socket.take();
  t.match(unsub?.header, { op: 'unsub', channel: 'room' }, 'so it is asked for anew');
  t.match(sub?.header, { op: 'sub', since: { ts: 0 } });
  socket.ok(sub as Frame, { server_seq: 2, epoch: 'e1' });
  for (const seq of [1, 2]) socket.message('room', seq);
  t.same(seqs, [1, 2]);
});

t.test('a channel that comes back but is not wanted any more is unsubscribed', async (t) => {
  const r = rig();
  r.open();
  const { subscription } = join(r, 3);
  r.socket.drop();
  subscription.close();
  r.clock.advance(r.clock.nextIn ?? 0);
  r.socket.welcome({ channels: { room: { seq: 3, epoch: 'e1' } } });
  t.match(r.socket.takeOne('unsub').header, { channel: 'room' });
});
