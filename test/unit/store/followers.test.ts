/** Stores that are read along with the process that writes them, and opened behind it: they hold what any opening finds. */
import { closeSync, cpSync, openSync, readdirSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { LmdbMessageLog } from '../../../src/store/log/lmdb-message-log.js';
import { LogFollower } from '../../../src/store/log/follower.js';
import { SessionFollower } from '../../../src/store/session-log/follower.js';
import { SessionLogStore } from '../../../src/store/sessions/session-log-store.js';
import type { SessionRecord } from '../../../src/store/sessions/session-store.js';
import { entries, entry } from './entries.js';
import { readAll } from './message-log-suite.js';
import { sessionRecord } from './session-store-suite.js';

const never = (): boolean => false;
const range = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, i) => from + i);

/** Sessions of the folder, opened with the follower and without it. */
async function opened(
  folder: string, copy: string, ids: readonly string[], follower: SessionFollower,
): Promise<(SessionRecord | null)[][]> {
  cpSync(folder, copy, { recursive: true });
  const stores = [new SessionLogStore({ folder, follower }), new SessionLogStore({ folder: copy })];
  const found: (SessionRecord | null)[][] = [];
  for (const store of stores) {
    found.push(await Promise.all(ids.map((id) => store.get(id))));
    await store.close();
  }
  return found;
}

t.test('sessions: begun, changed, ended, forgotten and cleaned up meanwhile', async (t) => {
  const folder = t.testdir({ sessions: {}, copy: {} });
  const sessions = join(folder, 'sessions');
  const store = new SessionLogStore({ folder: sessions, segmentBytes: 1 << 15 });
  const follower = new SessionFollower(sessions, 0);
  t.teardown(() => follower.close());
  const ids: string[] = [];
  const first = (): string[] => readdirSync(sessions).filter((name) => name.endsWith('.log')).sort();
  await store.create(sessionRecord());
  const [oldest] = first();
  for (let round = 0; round < 30; round += 1) {
    const forgetAt = round % 3 === 0 ? 1 : 2e12;
    const records = Array.from({ length: 20 }, (_, i) => sessionRecord({ device: `d${(round * 20 + i) % 200}`, forgetAt }));
    await Promise.all(records.map((record) => store.create(record)));
    ids.push(...records.map(({ id }) => id));
    for (const { id } of records.slice(0, 3)) await store.end(id, 1, {}, 2);
    const cursor = { channel: 'c'.repeat(100), seq: round, epoch: 'e', told: false };
    await Promise.all(ids.slice(0, 40).map((id) => store.update(id, 1, { upsert: [cursor] })));
    if (round % 4 === 1) await store.sweep(1e12, 300);
    if (round % 3 === 2) await follower.follow(never);
  }
  await store.renew(ids.slice(-100).map((id) => ({ id, generation: 1 })), { leaseUntil: 2e12, expiresAt: 2e12, forgetAt: 2e12 });
  await store.close();
  t.not(first()[0], oldest, 'segments went meanwhile');
  const [followed, fresh] = await opened(sessions, join(folder, 'copy'), ids, follower);
  t.ok(fresh?.some((record) => record !== null));
  t.same(followed, fresh);
});

t.test('sessions: a write that failed and was repeated with something else is read again', async (t) => {
  const folder = t.testdir({ a: {}, b: {}, copy: {} });
  const [a, b] = [join(folder, 'a'), join(folder, 'b')];
  const both = sessionRecord();
  const others = [sessionRecord({ device: 'x' }), sessionRecord({ device: 'y' })];
  const follower = new SessionFollower(a, 0);
  t.teardown(() => follower.close());
  for (const [i, path] of [a, b].entries()) {
    const store = new SessionLogStore({ folder: path });
    await store.create(both);
    await store.create(others[i] as SessionRecord);
    await store.close();
  }
  await follower.follow(never);
  const [name = ''] = readdirSync(b).filter((file) => file.endsWith('.log'));
  writeFileSync(join(a, name), readFileSync(join(b, name)));
  const [followed, fresh] = await opened(a, join(folder, 'copy'), [both, ...others].map(({ id }) => id), follower);
  t.same(followed, fresh);
  t.equal(fresh?.[1], null);
});

t.test('sessions: of a folder that is not there yet, or has been damaged, nothing is made up', async (t) => {
  const folder = join(t.testdir(), 'later');
  const follower = new SessionFollower(folder, 0);
  for (let i = 0; i < 10; i += 1) await follower.follow(never);
  const store = new SessionLogStore({ folder, follower });
  const record = sessionRecord();
  await store.create(record);
  await store.close();
  const [name = ''] = readdirSync(folder).filter((file) => file.endsWith('.log'));
  const fd = openSync(join(folder, name), 'r+');
  writeSync(fd, 'x', 0);
  closeSync(fd);
  await follower.follow(never);
  t.throws(() => new SessionLogStore({ folder, follower }), { name: 'DataFolderError', message: /damaged/ });
});

/** Opens the log with what was followed and reads it. */
async function seqsOf(
  t: Test, folder: string, channels: readonly number[], follower: LogFollower,
): Promise<{ seqs: number[][]; lamport: number }> {
  const log = new LmdbMessageLog({ folder, follower });
  follower.close();
  const seqs = channels.map((channel) => readAll(log, channel, 1).seqs);
  const keys = seqs.map((found, i) => found.every((seq) => log.findByKey(channels[i] as number, 'ann', entry(1, seq).key)?.seq === seq));
  t.same(keys, channels.map(() => true), 'every key is found');
  const lamport = log.maxLamport();
  await log.close();
  return { seqs, lamport };
}

t.test('messages: whatever generation the journal is in', async (t) => {
  for (const behind of [0, 1, 3, 7]) {
    const folder = t.testdir();
    const log = new LmdbMessageLog({ folder, tailMessages: 50 });
    const channels = ['a', 'b'].map((name) => log.openChannel(name).id);
    await log.append(channels.flatMap((channel) => entries(channel, 1, 5)));
    const follower = new LogFollower({ folder });
    await follower.rehearse();
    let next = 6;
    for (let round = 0; round < 40; round += 1, next += 5) {
      await log.append(channels.flatMap((channel) => entries(channel, next, next + 4)));
      if (round < 40 - behind) await follower.follow(never);
    }
    await log.close();
    const { seqs, lamport } = await seqsOf(t, folder, channels, follower);
    t.same(seqs, channels.map(() => range(1, next - 1)), `${behind} commits behind`);
    t.equal(lamport, (next - 1) * 3);
  }
});

t.test('messages: a commit that failed and was repeated with something else is read again', async (t) => {
  const folder = t.testdir({ a: {}, b: {} });
  const [a, b] = [join(folder, 'a'), join(folder, 'b')];
  const log = new LmdbMessageLog({ folder: a });
  const channel = log.openChannel('c').id;
  await log.append(entries(channel, 1, 3));
  await log.close();
  cpSync(a, b, { recursive: true });
  const follower = new LogFollower({ folder: a });
  for (const [path, to] of [[a, 5], [b, 7]] as const) {
    const each = new LmdbMessageLog({ folder: path });
    await each.append(entries(channel, 4, to));
    if (path === a) await follower.rehearse();
    if (path === a) await follower.follow(never);
    await each.close();
  }
  writeFileSync(join(a, 'journal-1'), readFileSync(join(b, 'journal-1')));
  t.same((await seqsOf(t, a, [channel], follower)).seqs, [range(1, 7)]);
});
