import t, { type Test } from 'tap';
import { StoreError } from '../../../src/errors.js';
import { HotLog } from '../../../src/store/hot-log.js';
import { LmdbMessageLog } from '../../../src/store/log/lmdb-message-log.js';
import type { LogEntry } from '../../../src/store/types.js';
import { ChannelRegistry, type OpenChannel } from '../../../src/sequence/channels.js';
import { LamportClock } from '../../../src/sequence/lamport.js';
import { Publisher, type PublisherOptions } from '../../../src/sequence/publisher.js';
import { Snowflake } from '../../../src/sequence/snowflake.js';
import type { PublishRequest } from '../../../src/sequence/types.js';
import { until } from '../../support/wait.js';
import { FakePort } from './fake-port.js';

interface Result {
  readonly opId: number;
  readonly seq: number | null;
  readonly id: string | null;
  readonly duplicate: boolean;
  readonly error: Error | null;
}

class Harness {
  readonly port = new FakePort();
  readonly results: Result[] = [];
  readonly channels: ChannelRegistry;
  readonly publisher: Publisher;
  readonly hotLog: HotLog;
  /** Thrown by the next append. */
  failure: Error | null = null;
  /** Appends wait for it while set. */
  gate: Promise<void> | null = null;
  commits: number[] = [];
  snowflake: Snowflake | null;
  #op = 0;

  constructor(readonly log: LmdbMessageLog, options: Partial<PublisherOptions> = {}) {
    this.hotLog = new HotLog(this.port.arena, { maxAgeMs: 1000, maxPerChannel: 1024 });
    const ephemeral = (name: string): boolean => name.startsWith('~');
    this.channels = new ChannelRegistry({ log, ephemeral, clocked: () => false, now: Date.now, idleMs: 1000 });
    this.snowflake = new Snowflake(3, log.maxTimestamp());
    this.publisher = new Publisher({
      port: this.port.port,
      log: this.#guarded(),
      hotLog: this.hotLog,
      channels: this.channels,
      lamport: new LamportClock(log.maxLamport()),
      snowflake: () => this.snowflake,
      now: Date.now,
      monotonic: () => performance.now(),
      maxInFlight: 1000,
      recentKeys: 1000,
      onResult: ({ opId }, error, result, duplicate) =>
        this.results.push({ opId, error, seq: result?.seq ?? null, id: result?.id ?? null, duplicate }),
      onCommit: (count) => this.commits.push(count),
      ...options,
    });
  }

  /** The log, with failures and delays put in. */
  #guarded(): LmdbMessageLog {
    const append = async (entries: readonly LogEntry[]): Promise<void> => {
      if (this.gate !== null) await this.gate;
      const { failure } = this;
      this.failure = null;
      if (failure !== null) throw failure;
      await this.log.append(entries);
    };
    return new Proxy(this.log, {
      get: (target, name) => {
        if (name === 'append') return append;
        const value: unknown = Reflect.get(target, name, target);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
  }

  publish(channel: OpenChannel, key: string, more: Partial<PublishRequest> & { body?: string } = {}): number {
    const body = Buffer.from(more.body ?? `body of ${key}`);
    this.port.memory.set(body, this.port.scratch);
    const opId = ++this.#op;
    this.publisher.publish({
      channel,
      sender: 'ann',
      key,
      clientTs: null,
      lamport: 0,
      clock: '',
      text: true,
      bodyAddress: this.port.scratch,
      bodyLength: body.length,
      bodyBytes: null,
      row: 1,
      generation: 1,
      opId,
      hold: -1,
      done: null,
      ...more,
    });
    // The bytes may be reused as soon as publish() has returned.
    this.port.memory.fill(0, this.port.scratch, this.port.scratch + body.length);
    return opId;
  }

  async settled(count: number): Promise<void> {
    await until(`${count} results`, () => this.results.length >= count, 60_000, 1);
  }
}

function harness(t: Test, options: Partial<PublisherOptions> = {}): Harness {
  const log = new LmdbMessageLog({ folder: t.testdir() });
  t.teardown(() => log.close());
  return new Harness(log, options);
}

t.test('messages are numbered, stored, fanned out, answered and confirmed, in that order', async (t) => {
  const h = harness(t);
  const a = h.channels.open('a');
  const b = h.channels.open('b');
  h.publish(a, 'k1', { clientTs: 77, lamport: 40 });
  h.publish(b, 'k1');
  h.publish(a, 'k2', { text: false, sender: 'Zoë "quoted"', body: 'ünï' });
  t.strictSame(h.port.calls, [], 'nothing before it is durable');
  h.publisher.endTurn(1, 12);
  await h.settled(3);
  t.strictSame(h.port.calls, [`publish ${a.id} 1`, `publish ${b.id} 1`, `publish ${a.id} 2`, 'confirm 1 12']);
  const results = h.results.map(({ opId, seq, duplicate, error }) => [opId, seq, duplicate, error]);
  t.strictSame(results, [[1, 1, false, null], [2, 1, false, null], [3, 2, false, null]]);
  const [first, , third] = h.port.published;
  const [header, body] = first!.text.split('\n');
  t.match(JSON.parse(header!), { op: 'msg', channel: 'a', id: h.results[0]!.id, server_seq: 1, client_ts: 77, lamport: 41, from: 'ann' });
  t.equal(body, 'body of k1');
  t.match([first!.opcode, third!.opcode], [1, 2]);
  t.match(JSON.parse(third!.text.split('\n')[0]!), { from: 'Zoë "quoted"', client_ts: null, lamport: 43 });
  t.equal(third!.text.split('\n')[1], 'ünï');
  t.strictSame(
    h.log.read(a.id, 1, 1, 1000)?.frames.length,
    h.hotLog.read(a.id, 1, 1, 1000)?.[0]?.length,
    'log and hot log have the same frame',
  );
  t.match([a.publishedSeq, b.publishedSeq, h.publisher.inFlight], [2, 1, 0]);
  t.strictSame(h.commits, [3]);
});

t.test('a turn without publishes is confirmed at once, or with the commit under way', async (t) => {
  const h = harness(t);
  h.publisher.endTurn(0, 5);
  t.strictSame(h.port.confirmed, [[0, 5]]);
  h.publish(h.channels.open('a'), 'k');
  h.publisher.endTurn(0, 6);
  h.publisher.endTurn(0, 7);
  h.publisher.endTurn(1, 3);
  t.equal(h.port.confirmed.length, 1);
  await h.settled(1);
  t.strictSame(h.port.confirmed, [[0, 5], [0, 7], [1, 3]]);
});

t.test('outside of a turn a publish is committed by itself', async (t) => {
  const h = harness(t);
  h.publish(h.channels.open('a'), 'k', { bodyBytes: Buffer.from('by http'), bodyLength: 7 });
  await h.settled(1);
  t.match(h.port.published[0]?.text, /\nby http$/);
});

t.test('without a worker number nothing is sequenced, and it can be tried again', async (t) => {
  const h = harness(t);
  const a = h.channels.open('a');
  const { snowflake } = h;
  h.snowflake = null;
  h.publish(a, 'k');
  h.publish(h.channels.open('~e'), 'k');
  for (const { error } of h.results) t.match(error, { code: 'SLUICE_STORE', retryable: true, message: /worker number/ });
  t.equal(h.results.length, 2);
  h.snowflake = snowflake;
  h.publish(a, 'k');
  await h.settled(3);
  t.match(h.results[2], { seq: 1, duplicate: false, error: null });
});

t.test('a duplicate is answered with the first result', async (t) => {
  const h = harness(t);
  const a = h.channels.open('a');
  h.publish(a, 'k');
  h.publish(a, 'k');
  h.publish(a, 'k', { sender: 'bob' });
  h.publisher.endTurn(0, 1);
  h.publish(a, 'k');
  t.equal(h.results.length, 0, 'a duplicate of one under way waits for it');
  await h.settled(4);
  h.publish(a, 'k');
  const first = h.results[0]!;
  t.strictSame(
    h.results.map(({ opId, seq, duplicate }) => [opId, seq, duplicate]),
    [
      [1, 1, false],
      [2, 1, true],
      [4, 1, true],
      [3, 2, false],
      [5, 1, true],
    ],
  );
  t.notOk(h.results.some(({ seq, id }) => seq === 1 && id !== first.id));
  t.equal(h.port.published.length, 2);
});

t.test('a duplicate is recognised after a restart, and the sequence goes on', async (t) => {
  const folder = t.testdir();
  let log = new LmdbMessageLog({ folder });
  let h = new Harness(log);
  for (let i = 0; i < 50; i++) h.publish(h.channels.open('a'), `k${i}`);
  h.publisher.endTurn(0, 1);
  await h.settled(50);
  await h.publisher.close();
  await log.close();
  const before = h.results;
  log = new LmdbMessageLog({ folder });
  t.teardown(() => log.close());
  h = new Harness(log);
  const a = h.channels.open('a');
  for (let i = 0; i < 50; i++) h.publish(a, `k${i}`);
  t.strictSame(h.results, before.map((result) => ({ ...result, duplicate: true })));
  h.publish(a, 'new');
  h.publisher.endTurn(0, 2);
  await h.settled(51);
  t.equal(h.results[50]?.seq, 51);
  t.ok(BigInt(h.results[50]!.id!) > BigInt(before[49]!.id!));
});

t.test('a failed commit fails everything behind it, and the sequence stays dense', async (t) => {
  const h = harness(t);
  const a = h.channels.open('a');
  h.publish(a, 'k1');
  h.publisher.endTurn(0, 1);
  await h.settled(1);
  let open = (): void => undefined;
  h.gate = new Promise((resolve) => (open = resolve));
  h.failure = new StoreError('the disk is full', true);
  h.publish(a, 'k2');
  h.publisher.endTurn(0, 2);
  h.publish(a, 'k3');
  h.publish(a, 'k2');
  h.publisher.endTurn(0, 3);
  open();
  await h.settled(4);
  h.gate = null;
  const refused = h.results.slice(1).map(({ opId, seq, error }) => [opId, seq, (error as StoreError).retryable]);
  t.strictSame(refused, [[2, null, true], [4, null, true], [3, null, true]]);
  t.match([a.sequencedSeq, a.publishedSeq, h.publisher.inFlight, h.port.published.length], [1, 1, 0, 1]);
  t.strictSame(h.port.confirmed, [[0, 1], [0, 2], [0, 3]], 'they are answered: nobody needs to see their events again');
  h.publish(a, 'k3');
  h.publish(a, 'k2');
  h.publisher.endTurn(0, 4);
  await h.settled(6);
  t.strictSame(h.results.slice(4).map(({ seq, duplicate }) => [seq, duplicate]), [[2, false], [3, false]]);
  t.equal(h.log.findChannel('a')?.headSeq, 3);
});

t.test('ephemeral channels are fanned out at once and not stored', async (t) => {
  const h = harness(t);
  const live = h.channels.open('~typing');
  const start = live.publishedSeq;
  h.publish(live, 'k');
  h.publish(live, 'k');
  h.publish(live, 'k2');
  t.strictSame(h.results.map(({ seq, duplicate }) => [seq! - start, duplicate]), [[1, false], [1, true], [2, false]]);
  t.equal(h.port.published.length, 2);
  t.equal(h.log.read(live.id, 1, 1, 1000), null);
});

t.test('without memory or with too much under way a publish is refused and uses no number', async (t) => {
  const h = harness(t, { maxInFlight: 2 });
  const a = h.channels.open('a');
  h.port.arena.exhausted = true;
  h.publish(a, 'k1');
  h.port.arena.exhausted = false;
  h.publish(a, 'k1');
  h.publish(a, 'k2');
  h.publish(a, 'k3');
  t.match(
    h.results.map(({ opId, error }) => [opId, error]),
    [
      [1, { code: 'SLUICE_BUSY', retryable: true }],
      [4, { code: 'SLUICE_BUSY', retryable: true }],
    ],
  );
  await h.settled(4);
  h.publish(a, 'k3');
  h.publish(a, 'k1', { body: 'x'.repeat(70_000) });
  await h.settled(6);
  t.equal(h.results.at(-1)?.seq, 3);
});

t.test('close waits for what was accepted', async (t) => {
  const h = harness(t);
  const a = h.channels.open('a');
  h.publish(a, 'k1');
  await h.publisher.close();
  t.equal(h.results[0]?.seq, 1);
  h.publish(a, 'k2');
  t.match(h.results[1]?.error, { code: 'SLUICE_STOPPED' });
});

t.test('many senders, duplicates at random: each once, dense, in the order they came', async (t) => {
  // More than are sent: a slow disk must not turn some away.
  const h = harness(t, { maxInFlight: 10_000 });
  const open = ['a', 'b', 'c'].map((name) => h.channels.open(name));
  let sent = 0;
  for (let turn = 0; turn < 60; turn++) {
    for (let i = 0; i < 30; i++, sent++) h.publish(open[sent % 3]!, `k${Math.floor(Math.random() * 400)}`, { sender: `s${sent % 2}` });
    h.publisher.endTurn(0, turn);
    await new Promise((resolve) => setImmediate(resolve));
  }
  await h.settled(sent);
  t.strictSame(h.results.filter(({ error }) => error !== null), []);
  for (const { id } of open) {
    const seqs = h.port.published.filter(({ channelId }) => channelId === id).map(({ seq }) => seq);
    t.strictSame(seqs, Array.from({ length: seqs.length }, (_, i) => i + 1));
  }
  t.equal(h.results.filter(({ duplicate }) => !duplicate).length, h.port.published.length);
  t.equal(h.port.confirmed.at(-1)?.[1], 59);
});
