import t from 'tap';
import { makeHarness, START, type Harness, type Peer } from '../../support/gateway-harness.js';

async function filled(count: number, raw = {}): Promise<{ harness: Harness; peer: Peer; ids: string[]; epoch: string }> {
  const harness = await makeHarness({ ...raw });
  const peer = await harness.connect();
  const ids: string[] = [];
  for (let i = 1; i <= count; i += 1) {
    const [ok] = await peer.ask({ op: 'pub', id: i, channel: 'room', key: `${i}` }, `body ${i}`);
    ids.push(String(ok?.['msg_id']));
    harness.pass(10);
    if (i % 50 === 0) harness.pass(2000);
  }
  return { harness, peer, ids, epoch: harness.log.openChannel('room').epoch };
}

t.test('always ascending: the first after, the last before, the position excluded', async (t) => {
  const { peer, ids, epoch } = await filled(10);
  const cases: readonly (readonly [object, readonly number[]])[] = [
    [{ limit: 3 }, [8, 9, 10]],
    [{ limit: 100 }, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]],
    [{}, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]],
    [{ after: { seq: 3, epoch }, limit: 3 }, [4, 5, 6]],
    [{ after: 3, limit: 3 }, [4, 5, 6]],
    [{ after: { seq: 0 }, limit: 2 }, [1, 2]],
    [{ after: { seq: 10 }, limit: 2 }, []],
    [{ after: { seq: 99 }, limit: 2 }, []],
    [{ after: { seq: 8 }, limit: 100 }, [9, 10]],
    [{ before: { seq: 6, epoch }, limit: 3 }, [3, 4, 5]],
    [{ before: 6, limit: 100 }, [1, 2, 3, 4, 5]],
    [{ before: { seq: 1 }, limit: 3 }, []],
    [{ before: { seq: 0 }, limit: 3 }, []],
    [{ before: { seq: 99 }, limit: 2 }, [9, 10]],
    [{ after: { ts: START + 20 }, limit: 2 }, [4, 5]],
    [{ after: { ts: START + 19.5 }, limit: 2 }, [3, 4]],
    [{ before: { ts: START + 20 }, limit: 2 }, [1, 2]],
    [{ before: { ts: START + 20.5 }, limit: 2 }, [2, 3]],
    [{ before: { ts: START + 21 }, limit: 1 }, [3]],
    [{ after: { msg_id: ids[3] }, limit: 2 }, [5, 6]],
    [{ before: { msg_id: ids[3] }, limit: 2 }, [2, 3]],
    [{ before: { msg_id: '9223372036854775807' }, limit: 1 }, [10]],
  ];
  for (const [query, expected] of cases) {
    const answers = await peer.ask({ op: 'history', id: 77, channel: 'room', ...query });
    const end = answers.pop();
    t.match(end, { op: 'ok', id: 77, server_seq: 10, count: expected.length }, JSON.stringify(query));
    t.same(answers.map(({ server_seq }) => server_seq), expected, JSON.stringify(query));
    t.ok(answers.every(({ op, history }) => op === 'msg' && history === 77));
  }
});

t.test('messages are those that were delivered, with the request\'s id', async (t) => {
  const harness = await makeHarness();
  const peer = await harness.connect();
  await peer.ask({ op: 'sub', id: 1, channel: 'rööm' });
  peer.send({ op: 'pub', id: 1, channel: 'rööm', key: 'a', client_ts: 3 }, 'x'.repeat(200));
  peer.send({ op: 'pub', id: 2, channel: 'rööm', key: 'b' }, Uint8Array.of(255, 10, 0));
  await harness.settle();
  const live = peer.client.received.splice(0).filter(({ header }) => header['op'] === 'msg');
  peer.send({ op: 'history', id: 9, channel: 'rööm', limit: 10 });
  await harness.settle();
  const old = peer.client.received.splice(0).slice(0, 2);
  for (const [i, { text, header, body }] of old.entries()) {
    t.same({ text, header, body }, { text: live[i]?.text, header: { ...live[i]?.header, history: 9 }, body: live[i]?.body });
  }
});

t.test('an unknown channel is empty and is not made', async (t) => {
  const { harness, peer } = await filled(1);
  t.match(await peer.ask({ op: 'history', id: 1, channel: 'other', limit: 5 }), [{ op: 'ok', count: 0, server_seq: 0 }]);
  t.equal(harness.log.findChannel('other'), null);
});

t.test('a position of another epoch is an error, not wrong messages', async (t) => {
  const { peer } = await filled(3);
  t.match(
    await peer.ask({ op: 'history', id: 1, channel: 'room', after: { seq: 1, epoch: 'x' }, limit: 5 }),
    [{ op: 'err', code: 1002, name: 'epoch_changed' }],
  );
});

t.test('what is no longer retained: the rest, and where it begins', async (t) => {
  const { harness, peer } = await filled(6);
  harness.log.expire('room', 4);
  const answers = await peer.ask({ op: 'history', id: 1, channel: 'room', after: { seq: 1 }, limit: 2 });
  t.match(answers, [{ server_seq: 4 }, { server_seq: 5 }, { op: 'ok', oldest_seq: 4 }]);
  t.match(await peer.ask({ op: 'history', id: 2, channel: 'room', before: { seq: 3 }, limit: 2 }), [{ op: 'ok', count: 0, oldest_seq: 4 }]);
});

t.test('a long answer is paced by the reader, and so are many at once', async (t) => {
  const { harness } = await filled(100, { limits: { catchUpChunkBytes: 4096, requestsPerSession: 2, publishRate: 0 } });
  const peer = await harness.connect();
  peer.client.reading = false;
  const first = await peer.ask({ op: 'history', id: 1, channel: 'room', limit: 100 });
  t.ok(first.length > 5 && first.length < 40, `${first.length} messages in the first chunk`);
  t.same(await peer.ask({ op: 'history', id: 2, channel: 'room', limit: 100 }), []);
  t.match(
    await peer.ask({ op: 'history', id: 3, channel: 'room', limit: 100 }),
    [{ op: 'err', id: 3, code: 1008, name: 'too_many_requests' }],
  );
  peer.client.reading = true;
  harness.port.drain(peer.row);
  await harness.settle();
  const rest = [...first, ...peer.client.take()];
  for (const id of [1, 2]) {
    t.same(rest.filter(({ history }) => history === id).map(({ server_seq }) => server_seq), Array.from({ length: 100 }, (_, i) => i + 1));
    t.match(rest.find((answer) => answer['op'] === 'ok' && answer['id'] === id), { count: 100 });
  }
});

t.test('presence', async (t) => {
  const harness = await makeHarness({ limits: { presenceMembers: 2 } });
  const peers = [];
  for (let i = 0; i < 3; i += 1) peers.push(await harness.connect());
  const [a, b, c] = peers as [Peer, Peer, Peer];
  t.match(await a.ask({ op: 'presence', id: 1, channel: 'room' }), [{ op: 'ok', id: 1, members: [], count: 0 }]);
  t.equal(harness.log.channels, 0, 'asking makes no channel');
  for (const peer of peers) await peer.ask({ op: 'sub', id: 1, channel: 'room' });
  await a.ask({ op: 'sub', id: 2, channel: 'room' });
  const [all] = await a.ask({ op: 'presence', id: 1, channel: 'room' });
  t.match(all, { count: 3 });
  t.equal((all?.['members'] as string[]).length, 2, 'the list is limited, the count is not');
  await b.ask({ op: 'unsub', id: 1, channel: 'room' });
  harness.port.disconnect(c.row);
  await harness.settle();
  t.match(await b.ask({ op: 'presence', id: 1, channel: 'room' }), [{ count: 1, members: [/^anon-[0-9a-f]{16}$/] }]);
});
