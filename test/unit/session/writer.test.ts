import t from 'tap';
import { StoreError } from '../../../src/errors.js';
import { SessionWriter } from '../../../src/session/writer.js';
import type { CursorChange, SessionPatch, SessionRef } from '../../../src/store/sessions/session-store.js';
import { FakeClock } from '../../support/fake-clock.js';
import { MemorySessions } from '../../support/memory-sessions.js';
import { sessionRecord } from '../store/session-store-suite.js';

const TIMES = { leaseUntil: 0, expiresAt: 5, forgetAt: 9 };

interface World {
  readonly store: MemorySessions;
  readonly writer: SessionWriter;
  readonly clock: FakeClock;
  readonly lost: SessionRef[];
  readonly steps: string[];
  health: unknown;
  settle(ms?: number): Promise<void>;
}

function makeWorld(): World {
  const store = new MemorySessions();
  const clock = new FakeClock();
  const steps: string[] = [];
  const lost: SessionRef[] = [];
  store.after = (step) => void steps.push(step);
  const writer = new SessionWriter({
    store, gatherMs: 200,
    after: (ms, run) => void clock.setTimeout(run, ms),
    lost: (ref) => lost.push(ref),
    onHealth: (error) => (world.health = error),
  });
  const settle = async (ms = 0): Promise<void> => {
    clock.advance(ms);
    for (let i = 0; i < 20; i += 1) await Promise.resolve();
  };
  const world: World = { store, writer, clock, lost, steps, health: null, settle };
  return world;
}

function change(channel: string, seq: number): CursorChange {
  return { channel, seq, epoch: 'e', told: true };
}

t.test('changes are gathered into one write', async (t) => {
  const { store, writer, steps, settle } = makeWorld();
  const record = sessionRecord();
  await store.create(record);
  steps.length = 0;
  for (let seq = 1; seq <= 100; seq += 1) writer.change(record, { upsert: [change('a', seq)], lastSeenMessageId: String(seq) }, false);
  await settle(199);
  t.same(steps, []);
  await settle(1);
  t.same(steps, ['update']);
  t.match(store.records.get(record.id), { lastSeenMessageId: '100', cursors: [{ channel: 'a', seq: 100 }] });
  t.equal(writer.pending, 0);
  writer.change(record, { upsert: [change('b', 1)] }, true);
  await settle(0);
  t.equal(store.records.get(record.id)?.cursors.length, 2, 'what is urgent does not wait');
});

t.test('one write of a session at a time; what comes meanwhile is the next', async (t) => {
  const { store, writer, steps, settle } = makeWorld();
  const record = sessionRecord();
  await store.create(record);
  steps.length = 0;
  let go: () => void = () => undefined;
  store.before = () => new Promise((resolve) => (go = resolve));
  writer.change(record, { upsert: [{ ...change('a', 1), subscribed: true }] }, true);
  await settle(0);
  writer.change(record, { upsert: [{ ...change('a', 1), subscribed: false }] }, true);
  await settle(500);
  t.same(steps, []);
  go();
  store.before = () => undefined;
  await settle(0);
  await settle(200);
  t.same(steps, ['update', 'update']);
  t.match(store.records.get(record.id)?.cursors, [{ channel: 'a', subscribed: false }]);
});

interface Call {
  readonly what: string;
  readonly patch: SessionPatch;
  resolve(kept: boolean): void;
  reject(error: Error): void;
}

/** A store that answers when the test says so. */
function makeSlow(): { readonly calls: Call[]; readonly writer: SessionWriter; readonly clock: FakeClock; readonly lost: SessionRef[] } {
  const calls: Call[] = [];
  const lost: SessionRef[] = [];
  const clock = new FakeClock();
  const say = (what: string, patch: SessionPatch): Promise<boolean> =>
    new Promise((resolve, reject) => calls.push({ what, patch, resolve, reject }));
  const writer = new SessionWriter({
    store: {
      update: (_id, _generation, patch) => say('update', patch),
      release: (_id, _generation, _times, patch) => say('release', patch),
      end: (_id, _generation, patch) => say('end', patch),
    },
    gatherMs: 200,
    after: (ms, run) => void clock.setTimeout(run, ms),
    lost: (ref) => lost.push(ref),
    onHealth: () => undefined,
  });
  return { calls, writer, clock, lost };
}

const turns = async (): Promise<void> => {
  for (let i = 0; i < 20; i += 1) await Promise.resolve();
};

t.test('whoever reads next sees all of it, also what came behind a write that is under way', async (t) => {
  const { calls, writer, clock } = makeSlow();
  const ref = sessionRecord();
  writer.change(ref, { upsert: [change('a', 1)] }, true);
  clock.advance(0);
  writer.change(ref, { confirmed: true, upsert: [change('a', 2)] }, false);
  t.equal(calls.length, 1);
  writer.push(ref.id);
  writer.push(ref.id);
  t.match(calls, [{ patch: { confirmed: false } }, { what: 'update', patch: { confirmed: true, upsert: [{ channel: 'a', seq: 2 }] } }]);
  writer.release(ref, TIMES, {});
  writer.push(ref.id);
  t.match(calls[2], { what: 'release' });
  clock.advance(500);
  t.equal(calls.length, 3, 'each once');
  for (const { resolve } of calls) resolve(true);
  await turns();
  t.equal(writer.pending, 0);
});

t.test('one of several writes under way fails: all is written again', async (t) => {
  for (const failing of [0, 1]) {
    const { calls, writer, clock } = makeSlow();
    const ref = sessionRecord();
    writer.change(ref, { upsert: [change('a', 1)], lastSeenMessageId: '1' }, true);
    clock.advance(0);
    writer.change(ref, { confirmed: true, upsert: [change('b', 2)] }, true);
    writer.push(ref.id);
    calls[failing]?.reject(new StoreError('away', true));
    await turns();
    writer.change(ref, { upsert: [change('c', 3)] }, true);
    clock.advance(500);
    t.equal(calls.length, 2, 'not before the other is answered');
    calls[1 - failing]?.resolve(true);
    await turns();
    clock.advance(500);
    t.match(calls[2], { what: 'update', patch: { confirmed: true, lastSeenMessageId: '1' } });
    t.same(calls[2]?.patch.upsert?.map(({ channel }) => channel).sort(), ['a', 'b', 'c']);
    calls[2]?.resolve(true);
    await turns();
    t.equal(writer.pending, 0);
  }
});

t.test('a session that went elsewhere is lost once, however many writes are told so', async (t) => {
  const { calls, writer, clock, lost } = makeSlow();
  const ref = sessionRecord();
  writer.change(ref, { upsert: [change('a', 1)] }, true);
  clock.advance(0);
  writer.change(ref, { upsert: [change('b', 2)] }, true);
  writer.push(ref.id);
  for (const { resolve } of calls) resolve(false);
  await turns();
  t.same(lost.map(({ id }) => id), [ref.id]);
  t.equal(writer.pending, 0);
});

t.test('a store that fails is tried again until it is well; nothing is lost', async (t) => {
  const world = makeWorld();
  const { store, writer, settle } = world;
  const records = Array.from({ length: 1000 }, () => sessionRecord());
  for (const record of records) await store.create(record);
  store.before = () => Promise.reject(new StoreError('away', true));
  for (const record of records) writer.change(record, { upsert: [change('a', 1)] }, true);
  await settle(0);
  t.match(world.health, { message: 'away' });
  for (let i = 0; i < 10; i += 1) await settle(500);
  t.equal(writer.pending, 1000);
  for (const record of records) writer.release(record, TIMES, { upsert: [change('a', 2)] });
  store.before = () => undefined;
  for (let i = 0; i < 20; i += 1) await settle(500);
  t.equal(writer.pending, 0);
  t.equal(world.health, null);
  for (const { id } of records) t.match(store.records.get(id), { owner: null, expiresAt: 5, cursors: [{ seq: 2 }] });
});

t.test('a write that took effect although it failed is harmless', async (t) => {
  const { store, writer, settle } = makeWorld();
  const record = sessionRecord();
  await store.create(record);
  let failures = 2;
  store.after = () => {
    failures -= 1;
    return failures >= 0 ? Promise.reject(new StoreError('no answer', true)) : undefined;
  };
  writer.change(record, { upsert: [change('a', 3)] }, true);
  await settle(0);
  writer.release(record, TIMES, {});
  await settle(500);
  await settle(500);
  t.match(store.records.get(record.id), { owner: null, cursors: [{ seq: 3 }] });
  t.equal(writer.pending, 0);
});

t.test('who lost the session hears of it, and of the last write of an ended connection nobody', async (t) => {
  const { store, writer, lost, settle } = makeWorld();
  const [a, b] = [sessionRecord({ generation: 2 }), sessionRecord({ generation: 2 })];
  await store.create(a);
  await store.create(b);
  const old = { id: a.id, generation: 1 };
  writer.change(old, { upsert: [change('a', 3)] }, true);
  writer.release({ id: b.id, generation: 1 }, TIMES, {});
  await settle(0);
  t.same(lost, [old]);
  t.match(store.records.get(b.id), { owner: 'n1' });
  writer.change(a, { upsert: [change('a', 1)] }, true);
  writer.change(old, { upsert: [change('a', 9)] }, true);
  await settle(0);
  t.match(store.records.get(a.id)?.cursors, [{ seq: 1 }]);
});

t.test('bye stays bye when the connection closes behind it; close writes what is left', async (t) => {
  const { store, writer, clock } = makeWorld();
  const [a, b] = [sessionRecord(), sessionRecord()];
  await store.create(a);
  await store.create(b);
  writer.end(a, 77);
  writer.release(a, TIMES, { upsert: [change('a', 3)] });
  writer.change(b, { upsert: [change('b', 3)] }, false);
  await writer.close();
  t.equal(clock.now(), new FakeClock().now(), 'no time passed');
  t.match(store.records.get(a.id), { ended: true, forgetAt: 77, cursors: [{ seq: 3 }] });
  t.match(store.records.get(b.id)?.cursors, [{ seq: 3 }]);
});

t.test('a read that follows a push sees what waited', async (t) => {
  const { store, writer } = makeWorld();
  const record = sessionRecord();
  await store.create(record);
  writer.change(record, { upsert: [change('a', 3)], confirmed: true }, false);
  writer.push(record.id);
  t.match(await store.get(record.id), { cursors: [{ seq: 3 }] });
});
