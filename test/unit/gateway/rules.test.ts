import t from 'tap';
import { makeHarness } from '../../support/gateway-harness.js';

t.test('a header that cannot be understood closes with 1002 where it carries no id', async (t) => {
  const { connect } = await makeHarness();
  const bad = [
    'garbage', '', '[]', '{"op":', '{}', '{"op":7}', '{"op":"sub","channel":"a"}',
    '{"op":"sub","id":"1","channel":"a"}', '{"op":"sub","id":1e999,"channel":"a"}',
  ];
  for (const line of bad) {
    const peer = await connect();
    await peer.ask(line);
    t.equal(peer.client.closed?.code, 1002, line);
  }
});

t.test('it is err 1002 where it carries one, and the session goes on', async (t) => {
  const { connect } = await makeHarness();
  const peer = await connect();
  const name = 'x'.repeat(256);
  const bad: readonly Record<string, unknown>[] = [
    {}, { op: 7 }, { op: null }, { op: 'sub' }, { op: 'sub', channel: 5 }, { op: 'sub', channel: '' }, { op: 'sub', channel: name },
    { op: 'sub', channel: 'ü'.repeat(128) }, { op: 'sub', channel: 'a\nb' }, { op: 'sub', channel: 'a\u007f' },
    { op: 'sub', channel: 'a\u0085' },
    { op: 'sub', channel: '\ud800' }, { op: 'sub', channel: 'a', since: 'x' }, { op: 'sub', channel: 'a', since: { seq: -1 } },
    { op: 'unsub' }, { op: 'unsub', channel: [] }, { op: 'presence', channel: {} }, { op: 'history', channel: name },
    { op: 'pub', channel: 'a' }, { op: 'pub', channel: 'a', key: '' }, { op: 'pub', channel: 'a', key: 'x'.repeat(129) },
    { op: 'pub', channel: 'a', key: 7 },
    { op: 'pub', channel: 'a', key: 'k\u0000' }, { op: 'pub', key: 'k' }, { op: 'pub', channel: 'a', key: 'k', client_ts: 'x' },
    { op: 'pub', channel: 'a', key: 'k', lamport: -1 }, { op: 'pub', channel: 'a', key: 'k', lamport: 1.5 },
    { op: 'history', channel: 'a', limit: 0 }, { op: 'history', channel: 'a', limit: 1.5 }, { op: 'history', channel: 'a', limit: '5' },
    { op: 'history', channel: 'a', limit: 10_001 }, { op: 'history', channel: 'a', limit: 1, before: 1, after: 1 },
    { op: 'history', channel: 'a', limit: 1, before: 'x' },
  ];
  for (const [id, header] of bad.entries()) {
    const answers = await peer.ask({ id, ...header });
    t.match(answers, [{ op: 'err', id, code: 1002, name: 'bad_request', message: String }], JSON.stringify(header));
    t.equal(answers.length, 1);
  }
  t.equal(peer.client.closed, null);
});

t.test('unknown ops are err 1002, with an id or without', async (t) => {
  const { connect } = await makeHarness();
  const peer = await connect();
  for (const op of ['nonsense', '', '__proto__', 'constructor', 'welcome', 'HELLO']) {
    t.match(await peer.ask({ op, id: 4 }), [{ op: 'err', id: 4, code: 1002, name: 'unknown_op' }], op);
  }
  const [answer = {}] = await peer.ask({ op: 'later', channel: 'a' });
  t.match(answer, { op: 'err', code: 1002 });
  t.notOk(Object.hasOwn(answer, 'id'));
  t.equal(peer.client.closed, null);
});

t.test('unknown fields are ignored, null means not given', async (t) => {
  const { connect } = await makeHarness();
  const peer = await connect();
  t.match(
    await peer.ask({ op: 'sub', id: 1, channel: 'a', since: null, colour: { deep: [1, { x: 2 }] }, ['__proto__']: 5 }),
    [{ op: 'ok', id: 1 }],
  );
  t.match(
    await peer.ask({ op: 'pub', id: 2, channel: 'a', key: 'k', client_ts: null, lamport: null }, 'x'),
    [{ op: 'msg' }, { op: 'ok', id: 2 }],
  );
  t.match(
    await peer.ask({ op: 'history', id: 3, channel: 'a', before: null, after: null, limit: null }),
    [{ op: 'msg' }, { op: 'ok', id: 3 }],
  );
});

t.test('ids are repeated as they came', async (t) => {
  const { connect } = await makeHarness();
  const peer = await connect();
  for (const id of [0, -1, 1.5, 4_294_967_296, 1e21]) t.match(await peer.ask({ op: 'unsub', id, channel: 'a' }), [{ op: 'ok', id }]);
});

t.test('a header line that is too long', async (t) => {
  const { connect } = await makeHarness();
  const peer = await connect();
  const long = (fields: string): string => `{${fields}"channel":"a","x":"${'y'.repeat(5000)}"}`;
  t.match(await peer.ask(long('"op":"sub","id":3,')), [{ op: 'err', id: 3, code: 1002, message: /4096/ }]);
  t.same(await peer.ask(long('"op":"sub",')), []);
  t.equal(peer.client.closed?.code, 1002);
  const other = await connect();
  t.match(
    await other.ask({ op: 'pub', id: 1, channel: 'a', key: 'k' }, 'z'.repeat(60_000)),
    [{ op: 'ok' }],
    'a long body is no long header',
  );
  const header = { op: 'unsub', id: 1, channel: 'a', x: '' };
  header.x = 'y'.repeat(4096 - JSON.stringify(header).length);
  t.match(await other.ask(header), [{ op: 'ok' }], 'exactly as long as is allowed');
});

t.test('neighbours never notice', async (t) => {
  const { connect } = await makeHarness();
  const good = await connect();
  await good.ask({ op: 'sub', id: 1, channel: 'a' });
  for (const line of ['garbage', '{"op":"nonsense","id":1}', '\u0000', '{"id":1}']) await (await connect()).ask(line);
  t.match(await good.ask({ op: 'pub', id: 2, channel: 'a', key: 'k' }, 'x'), [{ op: 'msg' }, { op: 'ok', id: 2 }]);
  t.equal(good.client.closed, null);
});

t.test('what comes behind a fatal message is not looked at', async (t) => {
  const { connect, settle, port, gateway } = await makeHarness();
  const peer = await connect();
  peer.send('garbage');
  peer.send({ op: 'pub', id: 1, channel: 'a', key: 'k' }, 'x');
  await settle();
  t.equal(gateway.admin.stats().published, 0);
  t.same(peer.client.take(), []);
  t.ok(peer.client.released, 'and its row is given back');
  t.equal(port.clients.size, 0);
});

t.test('a failing log is told, not thrown', async (t) => {
  const { connect, log } = await makeHarness();
  const peer = await connect();
  await peer.ask({ op: 'sub', id: 1, channel: 'a' });
  log.openChannel = () => {
    throw new Error('map is full');
  };
  t.match(await peer.ask({ op: 'sub', id: 2, channel: 'b' }), [{ op: 'err', id: 2, code: 1011, message: 'internal error' }]);
  t.equal(peer.client.closed, null);
});
