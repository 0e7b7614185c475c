import t from 'tap';
import { rig } from '../../support/fake-socket.js';

t.test('history collects what carries its id', async (t) => {
  const r = rig();
  const socket = r.open();
  const one = r.client.history('room', { before: { seq: 9 }, limit: 2 });
  const two = r.client.history('room', { after: { msgId: '5' } });
  const [first, second] = socket.take();
  t.match(first?.header, { op: 'history', channel: 'room', before: { seq: 9 }, limit: 2 });
  t.match(second?.header, { op: 'history', channel: 'room', after: { msg_id: '5' }, limit: 50 });
  socket.message('room', 7, 'x', { history: first?.header['id'] });
  socket.message('room', 1, 'y', { history: second?.header['id'] });
  socket.message('room', 8, 'z', { history: first?.header['id'] });
  socket.ok(second!);
  socket.ok(first!);
  t.same((await one).map(({ serverSeq }) => serverSeq), [7, 8]);
  t.same((await two).map(({ body }) => body), ['y']);
});

t.test('presence', async (t) => {
  const r = rig();
  const socket = r.open();
  const presence = r.client.presence('room');
  socket.ok(socket.takeOne('presence'), { members: ['ada', 'bob'], count: 2 });
  t.same(await presence, { members: ['ada', 'bob'], count: 2 });
});

t.test('a read is asked again after a reconnect, with nothing of the half answer', async (t) => {
  const r = rig();
  r.open();
  const read = r.client.history('room');
  const first = r.socket.takeOne('history');
  r.socket.message('room', 1, 'x', { history: first.header['id'] });
  const socket = r.reopen();
  const again = socket.takeOne('history');
  for (const seq of [1, 2]) socket.message('room', seq, 'x', { history: again.header['id'] });
  socket.ok(again);
  t.same((await read).map(({ serverSeq }) => serverSeq), [1, 2]);
});

t.test('a read has its time', async (t) => {
  const r = rig({ requestTimeoutMs: 500 });
  const read = r.client.presence('room');
  r.clock.advance(500);
  await t.rejects(read, { code: 'timeout', retryable: true });
  t.equal(r.clock.pending, 0);
});

t.test('a refused read rejects with what the gateway said', async (t) => {
  const r = rig();
  const socket = r.open();
  const read = r.client.history('room');
  socket.err(socket.takeOne('history'), 1002, { name: 'bad_request' });
  await t.rejects(read, { code: 'refused', serverCode: 1002, serverName: 'bad_request' });
});

t.test('seen is sent when there is a connection', async (t) => {
  const r = rig();
  r.client.seen('room', { msgId: '5' });
  const socket = r.open();
  t.same(socket.take(), []);
  r.client.seen('room', { seq: 4, epoch: 'e1' });
  t.same(socket.takeOne('seen').header, { op: 'seen', channel: 'room', seq: 4, epoch: 'e1' });
});

t.test('sync gives the next cursor and what has no subscription; subscriptions get theirs', async (t) => {
  const r = rig();
  r.open();
  const seqs: number[] = [];
  r.client.subscribe('room').on('message', ({ serverSeq }) => seqs.push(serverSeq));
  r.socket.ok(r.socket.takeOne('sub'), { server_seq: 3, epoch: 'e1' });
  const first = r.client.sync('c0');
  const request = r.socket.takeOne('sync');
  t.match(request.header, { sync_cursor: 'c0' });
  r.socket.message('other', 7);
  r.socket.message('room', 4);
  r.socket.ok(request, { sync_cursor: 'c1' });
  t.match(await first, { cursor: 'c1', messages: [{ channel: 'other', serverSeq: 7 }] });
  t.same(seqs, [4]);
  const second = r.client.sync();
  t.equal(r.socket.takeOne('sync').header['sync_cursor'], undefined);
  r.socket.message('other', 8);
  const socket = r.reopen();
  const again = socket.take().find(({ op }) => op === 'sync')!;
  socket.message('other', 8);
  socket.ok(again, { sync_cursor: 'c2' });
  t.match(await second, { cursor: 'c2', messages: [{ serverSeq: 8 }] }, 'asked again, and counted once');
});

t.test('a client that begins with a sync cursor has its channels from there', async (t) => {
  const r = rig({ syncCursor: 'c7' });
  const seqs: number[] = [];
  const room = r.client.subscribe('room');
  room.on('message', ({ serverSeq }) => seqs.push(serverSeq));
  r.client.connect().catch(() => undefined);
  const hello = r.socket.welcome({ channels: { room: { seq: 5, epoch: 'e1' }, gone: { seq: 2, epoch: 'e1' } } });
  t.equal(hello.header['sync_cursor'], 'c7');
  t.match(r.socket.take().map(({ op, header }) => [op, header['channel']]), [['unsub', 'gone']]);
  t.same(await room.ready, { seq: 5, epoch: 'e1' });
  for (const seq of [6, 7]) r.socket.message('room', seq);
  t.same(seqs, [6, 7]);
  r.socket.drop();
  r.clock.advance(r.clock.nextIn ?? 0);
  t.match(r.socket.welcome().header, { sync_cursor: undefined, cursors: { room: { seq: 7 } } });
});
