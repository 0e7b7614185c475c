import {
  closeSync, existsSync, fstatSync, mkdirSync, openSync, readFileSync, renameSync, statSync, writeFileSync, writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import t, { type Test } from 'tap';
import { LmdbMessageLog } from '../../../src/store/log/lmdb-message-log.js';
import { entries, entry } from './entries.js';
import { readAll } from './message-log-suite.js';

/** A folder as a crash leaves it: the log is closed, which writes nothing of the tail, and its journal is damaged. */
async function written(t: Test, commits: number): Promise<{ folder: string; channel: number; journal: string }> {
  const folder = t.testdir();
  const log = new LmdbMessageLog({ folder });
  const channel = log.openChannel('a').id;
  for (let i = 0; i < commits; i++) await log.append(entries(channel, i * 3 + 1, i * 3 + 3));
  await log.close();
  return { folder, channel, journal: join(folder, 'journal-1') };
}

async function seqsOf(folder: string, channel: number): Promise<number[]> {
  const log = new LmdbMessageLog({ folder });
  const { seqs } = readAll(log, channel, 1);
  await log.close();
  return seqs;
}

const upTo = (n: number): number[] => Array.from({ length: n }, (_, i) => i + 1);

/** Bytes of the whole records, of which the first says its length at byte 4. */
function recordEnds(journal: string): number[] {
  const bytes = readFileSync(journal);
  const ends: number[] = [];
  for (let at = 0; at + 56 <= bytes.length && bytes.readUInt32LE(at) === 0x314a4c53;) ends.push((at += bytes.readUInt32LE(at + 4)));
  return ends;
}

t.test('a commit that a crash cut off is not there, wherever it was cut', async (t) => {
  const { folder, channel, journal } = await written(t, 3);
  const [, second, third] = recordEnds(journal) as [number, number, number];
  const whole = readFileSync(journal);
  for (const keep of [second + 1, second + 30, second + 60, third - 9, third - 1]) {
    writeFileSync(journal, whole.subarray(0, keep));
    t.strictSame(await seqsOf(folder, channel), upTo(6), `cut at ${keep}`);
  }
  // Written in part: the middle is what was there before.
  const torn = Buffer.from(whole);
  torn.fill(0, second + 100, second + 200);
  writeFileSync(journal, torn);
  t.strictSame(await seqsOf(folder, channel), upTo(6), 'torn');
  writeFileSync(journal, whole);
  t.strictSame(await seqsOf(folder, channel), upTo(9), 'whole');
});

t.test('what follows a cut commit takes its place, and nothing of it comes back', async (t) => {
  const { folder, channel, journal } = await written(t, 3);
  const [, second] = recordEnds(journal) as [number, number];
  const fd = openSync(journal, 'r+');
  writeSync(fd, Buffer.alloc(16), 0, 16, second + 64);
  closeSync(fd);
  const log = new LmdbMessageLog({ folder });
  await log.append([entry(channel, 7, { key: 'another' })]);
  await log.close();
  const again = new LmdbMessageLog({ folder });
  t.strictSame(readAll(again, channel, 1).seqs, upTo(7));
  t.equal(again.findByKey(channel, 'ann', 'another')?.seq, 7);
  t.equal(again.findByKey(channel, 'ann', entry(channel, 8).key), null);
  await again.close();
});

t.test('a commit that was damaged with others behind it is named, and not dropped with them', async (t) => {
  const { folder, journal } = await written(t, 3);
  const [first, second] = recordEnds(journal) as [number, number];
  const whole = readFileSync(journal);
  // In the header: its magic, generation, number and checksum; then an entry, a frame, the last byte but the padding.
  for (const start of [0, first]) {
    for (const at of [0, 9, 20, 26, 60, 150, second - first - 9]) {
      const damaged = Buffer.from(whole);
      damaged[start + at]! ^= 0x10;
      writeFileSync(journal, damaged);
      t.throws(() => new LmdbMessageLog({ folder }), { code: 'SLUICE_DATA_FOLDER', path: journal }, `byte ${start + at}`);
      t.ok(readFileSync(journal).equals(damaged), 'left as it was found');
    }
  }
});

t.test('nor with others, nor where its length is what was damaged, nor where a hole is in its place', async (t) => {
  const { folder, journal } = await written(t, 6);
  const [first, second, third] = recordEnds(journal) as [number, number, number];
  const whole = readFileSync(journal);
  const refused = (what: string, change: (bytes: Buffer) => void): void => {
    const damaged = Buffer.from(whole);
    change(damaged);
    writeFileSync(journal, damaged);
    t.throws(() => new LmdbMessageLog({ folder }), { code: 'SLUICE_DATA_FOLDER', path: journal, message: /damaged at byte/ }, what);
  };
  for (const start of [0, first]) {
    for (let bit = 0; bit < 32; bit++) {
      refused(`length at ${start}, bit ${bit}`, (bytes) => (bytes[start + 4 + (bit >> 3)]! ^= 1 << (bit & 7)));
    }
    refused(`two records from ${start}`, (bytes) => [start + 100, (start === 0 ? first : second) + 4].forEach((at) => (bytes[at]! ^= 4)));
    refused(`a hole at ${start}`, (bytes) => bytes.fill(0, start, start + 120));
    refused(`a hole of two records at ${start}`, (bytes) => bytes.fill(0, start, (start === 0 ? second : third) + 20));
  }
});

t.test('what a client made up in a commit that was cut off is no record behind it', async (t) => {
  const { folder, channel, journal } = await written(t, 2);
  const bytes = readFileSync(journal);
  const [, second] = recordEnds(journal) as [number, number];
  // Two records that belong together, but not to the one in which they lie.
  const made = Buffer.from(bytes.subarray(0, second));
  [0, recordEnds(journal)[0]!].forEach((at, i) => made.writeDoubleLE(4 + i, at + 16));
  const ends = recordEnds(journal);
  made.writeUInt32LE(crc32(made.subarray(ends[0]! + 28, ends[1]), made.readUInt32LE(24)), ends[0]! + 24);
  const log = new LmdbMessageLog({ folder });
  const anywhere = Array.from({ length: 8 }, (_, i) => Buffer.concat([Buffer.alloc(i + 1), made]));
  await log.append([entry(channel, 7, { frame: Buffer.concat(anywhere) })]);
  await log.close();
  const torn = readFileSync(journal);
  const [, , third] = recordEnds(journal) as [number, number, number];
  torn.fill(0, third - 16, third);
  writeFileSync(journal, torn);
  t.strictSame(await seqsOf(folder, channel), upTo(6));
});

t.test('records of an earlier life of the file are not taken for this one', async (t) => {
  const folder = t.testdir();
  let log = new LmdbMessageLog({ folder, tailMessages: 50 });
  const channel = log.openChannel('a').id;
  // Long records first, so that short ones leave their remains behind them when the files are used again.
  const frame = Buffer.alloc(2000, 'x');
  for (let i = 0; i < 20; i++) await log.append(entries(channel, i * 10 + 1, i * 10 + 10, { frame }));
  for (let seq = 201; seq <= 500; seq++) {
    await log.append([entry(channel, seq)]);
    if (seq % 37 !== 0) continue;
    await log.close();
    log = new LmdbMessageLog({ folder, tailMessages: 50 });
    t.equal(log.findChannel('a')?.headSeq, seq);
  }
  t.strictSame(readAll(log, channel, 1, 1000, 1e6).seqs, upTo(500));
  await log.close();
});

t.test('the journal is used again, not longer and longer', async (t) => {
  const folder = t.testdir();
  const log = new LmdbMessageLog({ folder, tailMessages: 100 });
  const channel = log.openChannel('a').id;
  const frame = Buffer.alloc(500, 'x');
  for (let i = 0; i < 100; i++) await log.append(entries(channel, i * 50 + 1, i * 50 + 50, { frame }));
  await log.close();
  for (const name of ['journal-0', 'journal-1']) {
    const fd = openSync(join(folder, name), 'r');
    t.ok(fstatSync(fd).size < 500 * 600, `${name} has ${fstatSync(fd).size} bytes`);
    closeSync(fd);
  }
});

t.test('records of any length come into blocks that were made ahead, which never cover one', async (t) => {
  const folder = t.testdir();
  const log = new LmdbMessageLog({ folder });
  const channel = log.openChannel('a').id;
  const lengths = [10, 300_000, 20, 70_000, 50, 1_500_000, 3_000_000, 30, 40];
  for (const [i, length] of lengths.entries()) await log.append([entry(channel, i + 1, { frame: Buffer.alloc(length, 'x') })]);
  await log.close();
  const journal = join(folder, 'journal-1');
  const end = recordEnds(journal).at(-1) as number;
  t.ok(statSync(journal).size >= end + 32_768, `${statSync(journal).size} bytes, of which ${end} are used`);
  t.ok(readFileSync(journal).subarray(end).every((byte) => byte === 0));
  t.strictSame(await seqsOf(folder, channel), upTo(lengths.length));
});

t.test('a journal in use soon has the blocks of a generation, and its successor before it is used', async (t) => {
  const folder = t.testdir();
  const log = new LmdbMessageLog({ folder, tailMessages: 1_000_000 });
  const channel = log.openChannel('a').id;
  const frame = Buffer.alloc(2_000, 'x');
  const sizes = (): number[] => ['journal-0', 'journal-1'].map((name) => statSync(join(folder, name)).size);
  let seq = 0;
  for (; Math.min(...sizes()) < 16 << 20 && seq < 7_000; seq += 10) await log.append(entries(channel, seq + 1, seq + 10, { frame }));
  t.ok(Math.min(...sizes()) >= 16 << 20, `${sizes().join(' and ')} bytes behind ${seq} messages`);
  await log.close();
  t.strictSame(await seqsOf(folder, channel), upTo(seq));
});

t.test('a journal that lost what the tables wait for is refused, with its path', async (t) => {
  const folder = t.testdir();
  const log = new LmdbMessageLog({ folder, tailMessages: 10 });
  const channel = log.openChannel('a').id;
  for (let i = 0; i < 6; i++) await log.append(entries(channel, i * 5 + 1, i * 5 + 5));
  await log.close();
  // The older of the two files holds the beginning of what is not in the tables; an empty one in its place is a hole.
  const names = ['journal-0', 'journal-1'].map((name) => join(folder, name)).filter((path) => existsSync(path));
  const numbers = names.map((path) => readFileSync(path).readDoubleLE(8));
  const older = names[numbers[0]! < numbers[1]! ? 0 : 1]!;
  const newer = names.find((path) => path !== older)!;
  const bytes = readFileSync(newer);
  bytes.writeDoubleLE(bytes.readDoubleLE(8) + 2, 8);
  writeFileSync(newer, bytes);
  t.throws(() => new LmdbMessageLog({ folder }), { name: 'DataFolderError', path: newer });
});

t.test('a journal that cannot be opened is named, and nothing else comes of it', async (t) => {
  const { folder, journal } = await written(t, 1);
  renameSync(journal, `${journal}.aside`);
  mkdirSync(journal);
  t.throws(() => new LmdbMessageLog({ folder }), { code: 'SLUICE_DATA_FOLDER', path: journal });
  // A rejection that nobody takes would show now.
  await new Promise((resolve) => setImmediate(resolve));
});
