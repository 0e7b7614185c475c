import t from 'tap';
import { makeHarness } from '../../support/gateway-harness.js';

const RAW = { log: { vectorClocks: ['doc.*'] }, limits: { clockSenders: 3 } };

t.test('messages of a channel with vector clocks carry what their author said', async (t) => {
  const { connect } = await makeHarness(RAW);
  const reader = await connect();
  await reader.ask({ op: 'sub', id: 1, channel: 'doc.a' });
  await reader.ask({ op: 'sub', id: 2, channel: 'chat' });
  const peer = await connect();
  await peer.ask({ op: 'pub', id: 1, channel: 'doc.a', key: 'a' }, 'x');
  await peer.ask({ op: 'pub', id: 2, channel: 'doc.a', key: 'b', clock: { 'bö': 1 } }, 'y');
  await peer.ask({ op: 'pub', id: 3, channel: 'chat', key: 'c', clock: { bob: 1 } }, 'z');
  const [first, second, chat] = reader.client.received;
  t.same(first?.header['clock'], {});
  t.same(second?.header['clock'], { 'bö': 1 }, 'also where a name is not ASCII');
  t.equal(second?.body.toString(), 'y');
  t.notOk(Object.hasOwn(chat?.header ?? {}, 'clock'), 'other channels have none');
  const [, old] = await reader.ask({ op: 'history', id: 3, channel: 'doc.a', limit: 5 });
  t.same(old?.['clock'], { 'bö': 1 }, 'history has it too');
});

t.test('a clock above the limit, or none at all, is refused and not sequenced', async (t) => {
  const { connect } = await makeHarness(RAW);
  const peer = await connect();
  const [many] = await peer.ask({ op: 'pub', id: 1, channel: 'doc.a', key: 'a', clock: { a: 1, b: 1, c: 1 } }, 'x');
  t.match(many, { op: 'err', id: 1, code: 1008, name: 'too_many_senders', message: /4 senders, and limits\.clockSenders is 3/ });
  const [bad] = await peer.ask({ op: 'pub', id: 2, channel: 'doc.a', key: 'a', clock: [1] }, 'x');
  t.match(bad, { op: 'err', id: 2, code: 1002, name: 'bad_request', message: /clock/ });
  t.match(await peer.ask({ op: 'pub', id: 3, channel: 'doc.a', key: 'a', clock: { a: 1, b: 1 } }, 'x'), [{ op: 'ok', server_seq: 1 }]);
});

t.test('publishes over HTTP come after nothing', async (t) => {
  const { connect, gateway, settle } = await makeHarness(RAW);
  const reader = await connect();
  await reader.ask({ op: 'sub', id: 1, channel: 'doc.a' });
  const published = gateway.admin.publish('doc.a', 'admin', 'k', 'x');
  await settle();
  await published;
  t.same(reader.client.received[0]?.header['clock'], {});
});
