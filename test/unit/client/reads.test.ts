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
