/** Batches of all sizes, held against a model; what former versions stored; how much is kept. */
import { Redis } from 'ioredis';
import t from 'tap';
import type { SharedEntry, SharedLog, SharedResult } from '../../../../src/store/shared-log.js';
import { packBatch } from '../../../../src/store/redis/batch.js';
import { runOfMessages } from '../../../../src/store/redis/message-run.js';
import { seeded } from '../../../support/random.js';
import { noRedis, RedisServer } from '../../../support/redis-server.js';
import { until } from '../../../support/wait.js';
import { openNode, parseFrames, sharedEntry } from './log-fixture.js';

const server = noRedis === false ? await RedisServer.start() : null;
t.setTimeout(240_000);
t.teardown(() => server?.remove());
const url = server?.url ?? '';

/** What an append has to answer. */
class Model {
  readonly messages: { readonly result: SharedResult; readonly body: string }[] = [];
  readonly #known = new Map<string, SharedResult>();

  append(entries: readonly SharedEntry[]): SharedResult[] {
    return entries.map(({ sender, key, id, serverTs, lamport, line }) => {
      const name = `${sender}\0${key}`;
      const known = this.#known.get(name);
      if (known !== undefined) return { ...known, duplicate: true };
      const last = this.messages.at(-1)?.result;
      const result: SharedResult = {
        duplicate: false, seq: (last?.seq ?? 0) + 1, id,
        serverTs: Math.max(last?.serverTs ?? 0, serverTs), lamport: Math.max((last?.lamport ?? 0) + 1, lamport),
      };
      this.#known.set(name, result);
      this.messages.push({ result, body: line[3].toString().split('\n').slice(1).join('\n') });
      return result;
    });
  }
}

t.test('numbers, duplicates and frames follow the rule, however messages are batched', { skip: noRedis, timeout: 200_000 }, async (t) => {
  for (let seed = 1; seed <= 6; seed++) {
    const random = seeded(seed);
    const channel = `batch-${seed}`;
    const { log, news } = openNode(t, url, 'a');
    await log.listen(channel);
    const model = new Model();
    const sent: SharedEntry[] = [];
    for (let round = 0; round < 30; round++) {
      const entries = Array.from({ length: 1 + random.below(round % 3 === 0 ? 40 : 12) }, (): SharedEntry => {
        // Some are repeated: with another body, id and time, as a client's second try is.
        const again = sent.length > 0 && random.below(8) === 0;
        const key = again ? random.pick(sent).key : `k${random.below(100_000)}`;
        const numbers = { serverTs: 1_000_000 + random.below(1000) + round * 100, lamport: random.below(round * 200 + 5) };
        const entry = sharedEntry(channel, key, 'ü'.repeat(random.below(3)) + 'x'.repeat(random.below(300)), numbers);
        sent.push(entry);
        return entry;
      });
      t.same((await log.append(channel, entries, null)).results, model.append(entries), `seed ${seed}, round ${round}`);
    }
    const count = model.messages.length;
    const stored: unknown[] = [];
    while (stored.length < count) {
      const run = await log.read(channel, stored.length + 1, 50);
      t.equal(run?.firstSeq, stored.length + 1);
      for (const { header, body } of parseFrames(run?.frames ?? Buffer.alloc(0))) {
        const { id, server_seq: seq, server_ts: serverTs, lamport } = header;
        stored.push({ result: { duplicate: false, seq, id, serverTs, lamport }, body: body.toString() });
      }
      t.equal(run?.lastSeq, stored.length);
    }
    t.same(stored, model.messages);
    await until('the news', () => news.at(-1)?.lastSeq === count, 60_000);
    t.same(Buffer.concat(news.map(({ frames }) => frames)), await allFrames(log, channel, count), 'told as it is stored');
    for (let i = 0; i < 20; i++) {
      const { seq, serverTs, id } = (model.messages[random.below(count)] as { result: SharedResult }).result;
      const first = model.messages.findIndex(({ result }) => result.serverTs >= serverTs) + 1;
      t.equal(await log.seqAtTs(channel, serverTs), first);
      t.equal(await log.idAt(channel, seq), id);
    }
  }
});

async function allFrames(log: Pick<SharedLog, 'read'>, channel: string, count: number): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for (let next = 1; next <= count; ) {
    const run = await log.read(channel, next, 1000);
    if (run === null) break;
    parts.push(run.frames);
    next = run.lastSeq + 1;
  }
  return Buffer.concat(parts);
}

t.test('what former versions stored is read, and goes on', { skip: noRedis, timeout: 200_000 }, async (t) => {
  const redis = new Redis(url);
  t.teardown(() => redis.disconnect());
  const { log } = openNode(t, url, 'a', { keysMs: 60_000, now: () => 6_000_000 });
  const frames = [1, 2, 3].map((seq) => {
    const entry = sharedEntry('former', `k${seq}`, `body ${seq}`, { serverTs: 5000 + seq, lamport: 70 + seq });
    const run = runOfMessages(packBatch([entry]).messages, { firstSeq: seq, ts: 0, lamport: 0, skipped: [] });
    return { entry, frame: run?.frames ?? Buffer.alloc(0) };
  });
  for (const [i, { entry, frame }] of frames.entries()) {
    await redis.xadd('{t:former}:m', `${i + 1}-0`, 'f', frame, 't', String(entry.serverTs), 'i', entry.id);
    await redis.hset('{t:former}:k100', `s\0k${i + 1}`, `${i + 1} ${entry.id} ${entry.serverTs} ${entry.lamport}`);
  }
  await redis.hset('{t:former}:h', { epoch: 'old', seq: '3', ts: '5003', lamport: '73' });
  t.same(await log.head('former', false), { epoch: 'old', headSeq: 3, oldestSeq: 1, lastId: frames[2]?.entry.id });
  const before = await log.read('former', 2, 10);
  t.same(parseFrames(before?.frames ?? Buffer.alloc(0)).map(({ body }) => String(body)), ['body 2', 'body 3']);
  const { results } = await log.append('former', [sharedEntry('former', 'k2', 'again'), sharedEntry('former', 'k4', 'body 4')], null);
  t.same(results[0], { duplicate: true, seq: 2, id: frames[1]?.entry.id, serverTs: 5002, lamport: 72 });
  t.match(results[1], { duplicate: false, seq: 4 });
  t.match(await log.head('former', false), { headSeq: 4, oldestSeq: 1, lastId: results[1]?.id });
  const all = await log.read('former', 1, 10);
  t.same(parseFrames(all?.frames ?? Buffer.alloc(0)).map(({ header }) => header['server_seq']), [1, 2, 3, 4]);
  t.equal(await log.seqAtTs('former', 5002), 2);
});

t.test('an entry of something else is said to be one', { skip: noRedis, timeout: 200_000 }, async (t) => {
  const { log } = openNode(t, url, 'a');
  await log.append('strange', [sharedEntry('strange', 'k', 'x')], null);
  server?.cli('XADD', '{t:strange}:m', '2-0', 'z', 'of a later version');
  server?.cli('XADD', '{t:strange}:m', '3-0', 'r', 'too short', 't', '1', 'i', '1', 'b', '3 1 1 -');
  for (const seq of [2, 3]) {
    await t.rejects(log.read('strange', seq, 1), { name: 'StoreError', retryable: false, message: /strange is not one/, remedy: /prefix/ });
  }
});

t.test('about so many messages of a channel are kept, in whole entries', { skip: noRedis, timeout: 200_000 }, async (t) => {
  const { log } = openNode(t, url, 'a', { messagesMax: 200 });
  for (let i = 0; i < 40; i++) {
    await log.append('bounded', Array.from({ length: 25 }, (_, j) => sharedEntry('bounded', `k${i}-${j}`, 'x'.repeat(200))), null);
  }
  const { headSeq = 0, oldestSeq = 0 } = (await log.head('bounded', false)) ?? {};
  t.equal(headSeq, 1000);
  t.ok(oldestSeq <= 801 && oldestSeq > 700, `from ${oldestSeq} on`);
  t.match(await log.read('bounded', 1, 10), { firstSeq: oldestSeq });
  for (let i = 0; i < 1000; i++) await log.append('single', [sharedEntry('single', `k${i}`, 'x'.repeat(200))], null);
  const single = await log.head('single', false);
  t.ok(single !== null && single.oldestSeq <= 801 && single.oldestSeq > 600, `single ones from ${single?.oldestSeq} on`);
});
