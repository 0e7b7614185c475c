import { execFileSync, spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { StoreError } from '../../../src/errors.js';
import { LmdbMessageLog, type LmdbMessageLogOptions } from '../../../src/store/log/lmdb-message-log.js';
import { diskMissing, mountDisk, unmountDisk } from '../../support/small-disk.js';
import { until } from '../../support/wait.js';
import { entries, entry } from './entries.js';
import { messageLogSuite, readAll, type LogUnderTest } from './message-log-suite.js';

async function make(t: Test, options: Partial<LmdbMessageLogOptions> = {}): Promise<LogUnderTest & { folder: string }> {
  const folder = t.testdir();
  let log = new LmdbMessageLog({ folder, ...options });
  t.teardown(() => log.close());
  return {
    log,
    folder,
    async reopen() {
      await log.close();
      log = new LmdbMessageLog({ folder, ...options });
      return log;
    },
  };
}

/** Retention runs behind the appends. */
t.test('conformance', (t) => {
  messageLogSuite(t, (t) => make(t));
  t.end();
});

// So few that the indexes are written all the time.
t.test('conformance, indexing early', (t) => {
  messageLogSuite(t, (t) => make(t, { tailMessages: 3 }));
  t.end();
});

t.test('channels that are asked for before they are made, as clients do', async (t) => {
  const under = await make(t);
  const names = Array.from({ length: 2500 }, (_, i) => `room-${i}`);
  const heads = names.map((name) => {
    t.equal(under.log.findChannel(name), null);
    const head = under.log.openChannel(name);
    t.match(head, { name, headSeq: 0, oldestSeq: 1 });
    t.same(under.log.findChannel(name), head);
    return head;
  });
  t.equal(new Set(heads.map(({ id }) => id)).size, names.length, 'an id for each');
  t.equal(new Set(heads.map(({ epoch }) => epoch)).size, names.length, 'and an epoch');
  t.equal(under.log.findChannel('another'), null);
  t.equal(under.log.openChannel('room-0').id, heads[0]?.id);
  t.equal(under.log.findChannel('another'), null, 'asking makes none');
  const another = under.log.openChannel('another');
  await under.log.append(entries(another.id, 1, 3));
  t.match(under.log.openChannel('another'), { id: another.id, headSeq: 3, oldestSeq: 1 });
  const log = await under.reopen();
  for (const [i, name] of names.entries()) t.same(log.openChannel(name), heads[i]);
  t.match(log.findChannel('another'), { id: another.id, epoch: another.epoch, headSeq: 3, oldestSeq: 1 });
});

t.test('folders that cannot be used are refused with their path', async (t) => {
  const folder = t.testdir({ file: 'x', foreign: { 'log.mdb': 'this is something else, not a database file' }, taken: { 'log.mdb': {} } });
  for (const [path, message] of [
    ['file', /not a folder/],
    ['foreign', /not made by Sluice/],
    ['taken', /not a file/],
    ['file/below', /folder/],
  ] as const) {
    t.throws(() => new LmdbMessageLog({ folder: join(folder, path) }), {
      name: 'DataFolderError',
      message,
      path: new RegExp(path.split('/')[0]!),
    });
  }
  t.throws(() => new LmdbMessageLog({ folder: '/proc/sluice-cannot-be-here' }), {
    name: 'DataFolderError',
    path: '/proc/sluice-cannot-be-here',
  });
  t.notOk(existsSync(join(folder, 'foreign', 'sluice.lock')), 'a refused folder is left unlocked');
});

const ROOT = process.getuid?.() === 0;
const missing = diskMissing();

/** Root may write everywhere but on a file system that is read-only. */
t.test('an unwritable folder is refused', { skip: ROOT && missing }, async (t) => {
  const folder = join(t.testdir({ locked: {} }), 'locked');
  if (ROOT) mountDisk(folder, 'ro,size=1m');
  else chmodSync(folder, 0o500);
  try {
    t.throws(() => new LmdbMessageLog({ folder }), { name: 'DataFolderError', path: folder, message: /cannot be written/ });
  } finally {
    if (ROOT) unmountDisk(folder);
    else chmodSync(folder, 0o700);
  }
});

t.test('a database of another program is refused', async (t) => {
  const folder = t.testdir();
  const { open } = await import('lmdb');
  const other = open({ path: join(folder, 'log.mdb'), overlappingSync: false });
  await other.put('theirs', 1);
  await other.close();
  t.throws(() => new LmdbMessageLog({ folder }), { name: 'DataFolderError', message: /belongs to something else/ });
});

t.test('a second opening is refused while the first lives, and not after it was killed', async (t) => {
  const { log, folder } = await make(t);
  t.throws(() => new LmdbMessageLog({ folder }), { name: 'DataFolderError', message: /process \d+ is using/ });
  await log.close();
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' });
  const lock = join(folder, 'sluice.lock');
  const stat = readFileSync(`/proc/${child.pid}/stat`, 'latin1');
  const owner = {
    pid: child.pid, started: stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19],
    boot: readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim(), namespace: readlinkSync('/proc/self/ns/pid'),
  };
  writeFileSync(lock, JSON.stringify(owner));
  t.throws(() => new LmdbMessageLog({ folder }), { message: new RegExp(`process ${child.pid} is using`) });
  const gone = new Promise((resolve) => child.on('exit', resolve));
  child.kill('SIGKILL');
  await gone;
  const next = new LmdbMessageLog({ folder });
  await next.close();
  t.notOk(existsSync(lock));
  // The pid lives, but it is another process that has it now.
  writeFileSync(lock, JSON.stringify({ ...owner, pid: process.pid, started: '1' }));
  await new LmdbMessageLog({ folder }).close();
  t.strictSame(readdirSync(folder).filter((name) => name.includes('sluice.lock')), []);
});

t.test('retention by age removes the oldest with their keys, and the sequence goes on', async (t) => {
  let now = 1_000_000;
  const made = await make(t, { maxAgeMs: 1000, tailMessages: 10, now: () => now });
  let log = made.log;
  const a = log.openChannel('a').id;
  const quiet = log.openChannel('quiet').id;
  await log.append(entries(quiet, 1, 5));
  for (let from = 1; from <= 200; from += 20) {
    await log.append(entries(a, from, from + 19));
    now += 100;
  }
  now += 500;
  for (let i = 0; i < 20; i++) await log.append([entry(a, 201 + i)]);
  await until('retention', () => log.findChannel('quiet')!.oldestSeq === 6 && log.findChannel('a')!.oldestSeq > 1);
  const oldest = log.findChannel('a')!.oldestSeq;
  t.ok(oldest > 1 && oldest <= 201, `oldestSeq is ${oldest}`);
  t.equal(log.findByKey(a, 'ann', 'k00000001'), null);
  t.equal(log.findByKey(a, 'ann', 'k00000210')?.seq, 210);
  t.equal(log.read(a, 1, 1, 100)?.firstSeq, oldest, 'reading begins at the oldest there is');
  t.match(log.findChannel('quiet'), { headSeq: 5, oldestSeq: 6 });
  log = await made.reopen();
  t.match(log.findChannel('quiet'), { headSeq: 5, oldestSeq: 6 });
  t.equal(log.findChannel('a')!.oldestSeq, oldest);
  t.equal(log.read(quiet, 1, 10, 1000), null);
  await log.append([entry(quiet, 6)]);
  t.strictSame(readAll(log, quiet, 1).seqs, [6]);
});

t.test('retention by bytes', async (t) => {
  const { log } = await make(t, { maxBytes: 300_000, tailMessages: 100 });
  const a = log.openChannel('a').id;
  const frame = Buffer.alloc(1000, 'x');
  for (let from = 1; from <= 3000; from += 50) await log.append(entries(a, from, from + 49, { frame }));
  await until('retention', () => 3000 - log.findChannel('a')!.oldestSeq < 900);
  const { oldestSeq, headSeq } = log.findChannel('a')!;
  t.equal(headSeq, 3000);
  t.ok(headSeq - oldestSeq > 150 && headSeq - oldestSeq < 900, `${headSeq - oldestSeq} messages are left`);
});

t.test('retention by bytes bounds what waits in the journal as well', async (t) => {
  const maxBytes = 200_000;
  const { log } = await make(t, { maxBytes });
  const a = log.openChannel('a').id;
  const frame = Buffer.alloc(1000, 'x');
  // Far fewer messages than a generation may have.
  for (let from = 1; from <= 9000; from += 50) await log.append(entries(a, from, from + 49, { frame }));
  // Two generations of 1 MiB in the journal, one of them being moved, and the tables.
  const bound = (maxBytes + 3 * (1 << 20)) / frame.length;
  const left = (): number => 9000 - log.findChannel('a')!.oldestSeq;
  await until('retention', () => left() < bound);
  t.ok(left() > maxBytes / (frame.length * 2) && left() < bound, `${left()} messages are left`);
});

t.test('a full disk refuses appends, acknowledges nothing, and mends', { skip: missing }, async (t) => {
  const folder = join(t.testdir(), 'small');
  mkdirSync(folder);
  mountDisk(folder, 'size=8m');
  let log: LmdbMessageLog | null = null;
  try {
    log = new LmdbMessageLog({ folder });
    const a = log.openChannel('a').id;
    let seq = 0;
    let refusals = 0;
    const frame = Buffer.alloc(20_000, 'x');
    for (let i = 0; i < 60; i++) {
      try {
        await log.append(entries(a, seq + 1, seq + 20, { frame }));
        seq += 20;
      } catch (error) {
        refusals++;
        t.ok(error instanceof StoreError && error.retryable && /disk is full/.test(error.message), String(error));
        if (refusals === 3) break;
      }
      t.equal(log.findChannel('a')?.headSeq, seq);
    }
    t.equal(refusals, 3, 'the disk was full');
    execFileSync('mount', ['-o', 'remount,size=64m', folder]);
    await log.append(entries(a, seq + 1, seq + 20, { frame }));
    seq += 20;
    await log.close();
    log = new LmdbMessageLog({ folder });
    t.strictSame(readAll(log, a, 1, 1000, 1e9).seqs, Array.from({ length: seq }, (_, i) => i + 1));
  } finally {
    await log?.close();
    unmountDisk(folder);
  }
});

t.test('kept data of a folder survive rm of the lock', async (t) => {
  const made = await make(t);
  const a = made.log.openChannel('a').id;
  await made.log.append(entries(a, 1, 3));
  rmSync(join(made.folder, 'sluice.lock'));
  const log = await made.reopen();
  t.strictSame(readAll(log, a, 1).seqs, [1, 2, 3]);
});
