import t from 'tap';
import { StoreError } from '../../../../src/errors.js';
import type { SharedEntry } from '../../../../src/store/shared-log.js';
import { parseRedisAddress } from '../../../../src/store/redis/address.js';
import { noRedis, RedisServer } from '../../../support/redis-server.js';
import { until } from '../../../support/wait.js';
import { openNode, parseFrames, sharedEntry } from './log-fixture.js';

t.test('addresses', async (t) => {
  const read = (text: string): unknown => parseRedisAddress(text, 'store.redis');
  t.match(read('redis://localhost'), { kind: 'standalone', endpoints: [{ host: 'localhost', port: 6379 }], database: 0, tls: false });
  t.match(read('rediss://me:p%40ss@[::1]:7000/3'), {
    endpoints: [{ host: '::1', port: 7000 }], database: 3, tls: true, username: 'me', password: 'p@ss',
  });
  t.match(read('redis+sentinel://a,b:7/main/2'), {
    kind: 'sentinel', endpoints: [{ host: 'a', port: 26_379 }, { host: 'b', port: 7 }], master: 'main', database: 2,
  });
  t.match(read('redis+cluster://a:1,b:2'), { kind: 'cluster', endpoints: [{ host: 'a', port: 1 }, { host: 'b', port: 2 }] });
  const bad = [
    'localhost', 'http://a', 'redis://', 'redis://a,b', 'redis+sentinel://a', 'redis+cluster://a/1', 'redis://a/x', 'redis://a:99999',
  ];
  for (const text of bad) t.throws(() => read(text), { name: 'ConfigError', path: 'store.redis' }, text);
});

/** One server for all that only write. */
const server = noRedis === false ? await RedisServer.start() : null;
t.teardown(() => server?.remove());
const url = server?.url ?? '';
const cli = (...words: string[]): string => server?.cli(...words) ?? '';

t.test('messages get dense numbers and whole frames', { skip: noRedis }, async (t) => {
  const { log } = openNode(t, url, 'a');
  t.equal(await log.head('room', false), null);
  const made = await log.head('room', true);
  t.match(made, { headSeq: 0, oldestSeq: 1 });
  const bodies = ['', 'hello', 'ü'.repeat(100), 'x'.repeat(70_000), Buffer.from([0, 10, 255, 13])];
  const { epoch, results } = await log.append('room', bodies.map((body, i) => sharedEntry('room', `k${i}`, body)), null);
  t.equal(epoch, made?.epoch);
  t.same(results.map(({ seq, duplicate }) => [seq, duplicate]), [1, 2, 3, 4, 5].map((seq) => [seq, false]));
  const run = await log.read('room', 1, 100);
  t.same([run?.firstSeq, run?.lastSeq, run?.ends.length, run?.ends.at(-1)], [1, 5, 5, run?.frames.length]);
  const parsed = parseFrames(run?.frames ?? Buffer.alloc(0));
  t.same(parsed.map(({ body }) => body), bodies.map((body) => Buffer.from(body)));
  t.same(parsed.map(({ text }) => text), [true, true, true, true, false]);
  for (const [i, { header }] of parsed.entries()) {
    const { id, serverTs, lamport } = results[i]!;
    t.match(header, { op: 'msg', channel: 'room', id, server_seq: i + 1, server_ts: serverTs, lamport, from: 's', client_ts: null });
  }
  t.same(await log.head('room', true), { epoch, headSeq: 5, oldestSeq: 1, lastId: results[4]?.id });
  t.same([await log.idAt('room', 2), await log.idAt('room', 9)], [results[1]?.id, '']);
  t.equal(await log.read('room', 6, 10), null);
});

t.test('a key is answered with its first result, within a batch, later and from another node', { skip: noRedis }, async (t) => {
  const [a, b] = [openNode(t, url, 'a'), openNode(t, url, 'b')];
  const twice = [sharedEntry('dup', 'k', 'first'), sharedEntry('dup', 'k', 'second')];
  const { results } = await a.log.append('dup', twice, null);
  t.same(results[1], { ...results[0], duplicate: true });
  const again = await b.log.append('dup', [sharedEntry('dup', 'k', 'third'), sharedEntry('dup', 'k2', 'fourth')], null);
  t.same(again.results[0], { ...results[0], duplicate: true });
  t.equal(again.results[1]?.seq, 2);
  t.equal((await a.log.head('dup', false))?.headSeq, 2);
  const others = await a.log.append('dup', [sharedEntry('dup', 'k', 'x', { sender: 'other' })], null);
  t.equal(others.results[0]?.duplicate, false, 'keys are each sender’s own');
});

t.test('a key is remembered over the change of sets', { skip: noRedis }, async (t) => {
  let now = 1_000_000;
  const { log } = openNode(t, url, 'a', { keysMs: 1000, now: () => now });
  const publish = async (): Promise<boolean | undefined> =>
    (await log.append('sets', [sharedEntry('sets', 'k', 'x')], null)).results[0]?.duplicate;
  t.equal(await publish(), false);
  now += 1000;
  t.equal(await publish(), true);
  now += 1000;
  t.equal(await publish(), false, 'and no longer than that');
});

t.test('server_ts never falls and lamport always rises, whatever nodes say', { skip: noRedis }, async (t) => {
  const { log } = openNode(t, url, 'a');
  const stamps = [[1000, 5], [900, 3], [1100, 50], [1050, 2]] as const;
  const entries = stamps.map(([serverTs, lamport], i) => sharedEntry('clocks', `k${i}`, 'x', { serverTs, lamport }));
  const { results } = await log.append('clocks', entries, null);
  t.same(results.map(({ serverTs, lamport }) => [serverTs, lamport]), [[1000, 5], [1000, 6], [1100, 50], [1100, 51]]);
  t.same(await Promise.all([0, 1000, 1001, 1100, 1101].map((ts) => log.seqAtTs('clocks', ts))), [1, 1, 3, 3, 5]);
});

t.test('a message is found by its id', { skip: noRedis }, async (t) => {
  const { log } = openNode(t, url, 'a');
  const id = (ms: number, worker: number): string => String(BigInt(ms) * 4_194_304n + BigInt(worker * 4096));
  const epoch = 1_704_067_200_000;
  const entries = [[10, 1], [10, 0], [12, 5], [11, 1]].map(([ms = 0, worker = 0], i) =>
    sharedEntry('ids', `k${i}`, 'x', { id: id(ms, worker), serverTs: epoch + ms }));
  await log.append('ids', entries, null);
  t.same(await Promise.all(entries.map((entry) => log.seqAfterId('ids', entry.id))), [1, 2, 3, 4]);
  const behind = entries.map((entry) => String(BigInt(entry.id) + 1n));
  t.same(await Promise.all(behind.map((each) => log.seqAfterId('ids', each))), [2, 3, 4, 5], 'and the place behind it');
  t.equal(await log.seqAfterId('ids', id(13, 0)), 5);
  t.equal(await log.seqAfterId('ids', id(1, 0)), 1);
});

t.test('news reach every node that listens', { skip: noRedis }, async (t) => {
  const [a, b] = [openNode(t, url, 'a'), openNode(t, url, 'b')];
  const names = ['news', 'with {braces} and }ends', '}%7D', 'ünï'];
  await Promise.all(names.map((name) => b.log.listen(name)));
  for (const name of names) await a.log.append(name, [sharedEntry(name, 'k1', 'one'), sharedEntry(name, 'k2', 'two')], null);
  await until('the news', () => b.news.length === names.length);
  const told = b.news.map(({ channel, node, firstSeq, lastSeq }) => [channel, node, firstSeq, lastSeq]);
  t.same(told, names.map((name) => [name, 'a', 1, 2]));
  for (const { frames, channel } of b.news) {
    t.same(parseFrames(frames).map(({ header, body }) => [header['channel'], String(body)]), [[channel, 'one'], [channel, 'two']]);
  }
  b.log.unlisten('news');
  await until('the end', () => !cli('PUBSUB', 'SHARDCHANNELS').split('\n').some((name) => name.includes('news')));
  t.same(a.news, []);
});

t.test('a sequence that was set back goes on above what was seen, in a new epoch', { skip: noRedis }, async (t) => {
  const { log } = openNode(t, url, 'a');
  await log.append('lost', [1, 2, 3].map((i) => sharedEntry('lost', `k${i}`, `${i}`)), null);
  const before = await log.append('lost', [4, 5].map((i) => sharedEntry('lost', `k${i}`, `${i}`)), null);
  cli('HSET', '{t:lost}:h', 'seq', '3');
  cli('XDEL', '{t:lost}:m', '5-0');
  const after = await log.append('lost', [sharedEntry('lost', 'new', 'new')], { epoch: before.epoch, seq: 5 });
  t.not(after.epoch, before.epoch);
  t.equal(after.results[0]?.seq, 6);
  t.equal((await log.read('lost', 1, 10))?.lastSeq, 3, 'a run ends before a gap');
  t.equal((await log.read('lost', 4, 10))?.firstSeq, 6);
  cli('DEL', '{t:lost}:h', '{t:lost}:m');
  const anew = await log.append('lost', [sharedEntry('lost', 'newer', 'x')], { epoch: after.epoch, seq: 6 });
  t.not(anew.epoch, after.epoch);
  t.equal(anew.results[0]?.seq, 7, 'also when all is lost');
});

t.test('a node that sees its numbers on other messages begins a new life, once', { skip: noRedis }, async (t) => {
  const { log } = openNode(t, url, 'a');
  const { epoch } = await log.append('again', [sharedEntry('again', 'k', 'x')], null);
  await log.renew('again', epoch, 7);
  const next = await log.head('again', false);
  t.match(next, { headSeq: 7 });
  t.not(next?.epoch, epoch);
  await log.renew('again', epoch, 9);
  t.match(await log.head('again', false), { epoch: next?.epoch, headSeq: 7 }, 'another node did it already');
});

t.test('messages go by age with what comes after them, and in the end by themselves', { skip: noRedis }, async (t) => {
  let now = Date.now();
  const { log, client } = openNode(t, url, 'a', { retentionMs: 60_000, now: () => now });
  const many = (from: number, count: number, serverTs: number): SharedEntry[] =>
    Array.from({ length: count }, (_, i) => sharedEntry('old', `k${from + i}`, 'x', { serverTs }));
  await log.append('old', many(0, 10, now), null);
  await log.append('old', many(10, 5, now + 30_000), null);
  t.match(await log.head('old', false), { headSeq: 15, oldestSeq: 1 });
  now += 60_001;
  await log.append('old', many(15, 1, now), null);
  const { oldestSeq = 0 } = (await log.head('old', false)) ?? {};
  t.ok(oldestSeq > 5 && oldestSeq <= 11, `from ${oldestSeq} on: of the ten old ones most, of the others none`);
  for (let i = 0; i < 3; i++) await log.append('old', many(16 + i, 1, now), null);
  t.match(await log.head('old', false), { headSeq: 19, oldestSeq: 11 });
  now += 100_000;
  await log.append('old', many(19, 1, now), null);
  t.match(await log.read('old', 20, 10), { firstSeq: 20, lastSeq: 20 }, 'never what is new');

  const { log: brief } = openNode(t, url, 'b', { retentionMs: 1000, now: () => now });
  await brief.append('old', many(20, 1, now), null);
  await until('the stream to go', async () => (await brief.head('old', false))?.oldestSeq === 22);
  t.equal((await brief.append('old', [sharedEntry('old', 'next', 'x')], null)).results[0]?.seq, 22, 'the sequence goes on');
  const { log: forever } = openNode(t, url, 'c', { now: () => now });
  await forever.append('old', [sharedEntry('old', 'last', 'x')], null);
  await new Promise((resolve) => setTimeout(resolve, 1200));
  t.match(await forever.head('old', false), { headSeq: 23 });
  t.not((await forever.read('old', 23, 1)), null, 'without an age it stays');
  t.ok(client.counts.commands > 0 && client.counts.failures === 0 && client.counts.connects > 0);
});

t.test('trouble', { skip: noRedis }, async (t) => {
  await t.test('refused, and back again', async (t) => {
    const server = await RedisServer.start(['--appendonly', 'yes', '--appendfsync', 'always']);
    t.teardown(() => server.remove());
    const node = openNode(t, server.url, 'a', { timeoutMs: 2000 });
    const { epoch } = await node.log.append('c', [sharedEntry('c', 'k1', 'x')], null);
    await node.log.listen('c');
    await server.stop();
    await t.rejects(node.log.append('c', [sharedEntry('c', 'k2', 'x')], null), { name: 'StoreError', retryable: true });
    await server.start();
    await until('the connection', () => node.client.ready);
    const again = await node.log.append('c', [sharedEntry('c', 'k1', 'x'), sharedEntry('c', 'k2', 'x')], { epoch, seq: 1 });
    t.equal(again.epoch, epoch, 'with appendfsync always nothing was lost');
    t.equal(again.results[0]?.duplicate, true);
    t.equal((await node.log.head('c', false))?.headSeq, 2, 'each once');
    await until('the interruption', () => node.interrupted === 1);
  });

  await t.test('there and silent', async (t) => {
    const server = await RedisServer.start();
    t.teardown(() => server.remove());
    const node = openNode(t, server.url, 'a', { timeoutMs: 2000 });
    await node.log.head('c', true);
    server.signal('SIGSTOP');
    await t.rejects(node.log.append('c', [sharedEntry('c', 'k', 'x')], null), { retryable: true, message: /no answer in 2 s/ });
    server.signal('SIGCONT');
    const headSeq = async (): Promise<number> => (await node.log.head('c', false).catch(() => null))?.headSeq ?? 0;
    await until('what was under way', async () => (await headSeq()) === 1);
    t.equal((await node.log.append('c', [sharedEntry('c', 'k', 'x')], null)).results[0]?.duplicate, true);
  });

  await t.test('full, read-only, without rights', async (t) => {
    const server = await RedisServer.start();
    t.teardown(() => server.remove());
    const { log } = openNode(t, server.url, 'a');
    await log.head('c', true);
    server.cli('CONFIG', 'SET', 'maxmemory', '1');
    const full = await log.append('c', [sharedEntry('c', 'k', 'x')], null).catch((error: unknown) => error as StoreError);
    t.match(full, { name: 'StoreError', retryable: true, message: /OOM/, remedy: /maxmemory/ });
    server.cli('CONFIG', 'SET', 'maxmemory', '0');
    t.equal((await log.append('c', [sharedEntry('c', 'k', 'x')], null)).results[0]?.duplicate, false, 'nothing of it was stored');
    server.cli('CONFIG', 'SET', 'requirepass', 'secret');
    const stranger = openNode(t, server.url, 'b', { timeoutMs: 2000 });
    await t.rejects(stranger.log.head('c', false), { name: 'StoreError' });
  });
});
