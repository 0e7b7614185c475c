import { readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { DataFolderError } from '../../../src/errors.js';
import { checkLmdbFile } from '../../../src/store/lmdb-file.js';
import { LmdbMessageLog } from '../../../src/store/log/lmdb-message-log.js';
import { entries } from './entries.js';
import { readAll } from './message-log-suite.js';

const MESSAGES = 600;

/** A log whose messages are in the tables, in chunks that take pages of their own. */
async function written(t: Test): Promise<{ folder: string; channel: number; path: string }> {
  const folder = t.testdir();
  const log = new LmdbMessageLog({ folder, tailMessages: 20 });
  const channel = log.openChannel('a').id;
  for (let i = 0; i < 100; i++) log.openChannel(`channel ${i}`);
  const frame = Buffer.alloc(400, 'x');
  for (let seq = 1; seq <= MESSAGES; seq += 20) await log.append(entries(channel, seq, seq + 19, { frame }));
  await log.close();
  return { folder, channel, path: join(folder, 'log.mdb') };
}

const pageBytesOf = (file: Buffer): number => file.readUInt32LE(48);

function refusal(path: string): string | null {
  try {
    checkLmdbFile(path, false);
    return null;
  } catch (error) {
    if (!(error instanceof DataFolderError)) throw error;
    return error.message;
  }
}

t.test('a file is whole behind any commit', async (t) => {
  const folder = t.testdir();
  const path = join(folder, 'log.mdb');
  let log = new LmdbMessageLog({ folder, tailMessages: 5, maxBytes: 1 << 20 });
  const channel = log.openChannel('a').id;
  for (let seq = 1; seq <= 120; seq += 4) {
    await log.append(entries(channel, seq, seq + 3, { frame: Buffer.alloc(3000, 'y') }));
    await log.close();
    t.equal(refusal(path), null);
    log = new LmdbMessageLog({ folder, tailMessages: 5, maxBytes: 1 << 20 });
  }
  await log.close();
});

t.test('a file that was cut is refused, and does not end the process', async (t) => {
  const { folder, channel, path } = await written(t);
  const whole = readFileSync(path);
  const pageBytes = pageBytesOf(whole);
  let refused = 0;
  for (let pages = Math.ceil(whole.length / pageBytes) - 1; pages >= 0; pages -= pages > 20 ? 7 : 1) {
    writeFileSync(path, whole);
    truncateSync(path, pages * pageBytes + (pages === 0 ? 40 : 0));
    try {
      // Without pages that nothing is in it has everything.
      const log = new LmdbMessageLog({ folder });
      t.equal(readAll(log, channel, 1, 1000, 1e7).seqs.length, MESSAGES, `${pages} pages`);
      await log.close();
    } catch (error) {
      t.match(error, { code: 'SLUICE_DATA_FOLDER', path, remedy: /copy/ }, `${pages} pages`);
      refused++;
    }
  }
  t.ok(refused >= 20, `${refused} were`);
});

t.test('pages that are not what they were are named', async (t) => {
  const { folder, path } = await written(t);
  const whole = readFileSync(path);
  const pageBytes = pageBytesOf(whole);
  const check = (at: number, value: number): string | null => {
    const damaged = Buffer.from(whole);
    damaged[at]! ^= value;
    writeFileSync(path, damaged);
    return refusal(path);
  };
  let reached = 0;
  for (let page = 2; page < statSync(path).size / pageBytes; page++) {
    const at = page * pageBytes;
    // What nothing leads to is not looked at.
    if (check(at, 0x40) === null) continue;
    reached++;
    for (const [byte, value] of [[7, 0x80], [18, 0x10], [20, 1], [21, 0x80], [23, 0x40], [25, 0x80]] as const) {
      // The last is a place that only a page with something in it has.
      if (byte === 25 && whole.readUInt16LE(at + 20) === 0) continue;
      t.match(check(at + byte, value), /damaged: page \d+/, `page ${page}, byte ${byte}`);
    }
  }
  t.ok(reached >= 8, `${reached} pages lead somewhere`);
  for (const [byte, value] of [[30, 1], [50, 1], [147, 0x80], [137, 0x80], [143, 1]] as const) {
    const damaged = Buffer.from(whole);
    for (const meta of [0, pageBytes]) damaged[meta + byte]! ^= value;
    writeFileSync(path, damaged);
    const why = refusal(path);
    t.ok(byte === 30 || byte === 147 || why !== null, `meta byte ${byte}: ${why}`);
  }
  const zeros = Buffer.from(whole);
  zeros.fill(0, zeros.length >> 1);
  writeFileSync(path, zeros);
  t.throws(() => new LmdbMessageLog({ folder }), { code: 'SLUICE_DATA_FOLDER', path, message: /damaged/ });
});

t.test('a journal is not read with other tables than its own', async (t) => {
  const folder = t.testdir();
  const log = new LmdbMessageLog({ folder });
  await log.append(entries(log.openChannel('secret').id, 1, 3));
  await log.close();
  const journal = join(folder, 'journal-1');
  const path = join(folder, 'log.mdb');
  for (let again = 0; again < 2; again++) {
    if (again === 0) truncateSync(path, 0);
    t.throws(() => new LmdbMessageLog({ folder }), { code: 'SLUICE_DATA_FOLDER', path: journal, message: /log\.mdb is gone/ });
  }
});
