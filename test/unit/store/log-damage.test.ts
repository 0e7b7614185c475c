import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { StoreError } from '../../../src/errors.js';
import { LmdbEnv } from '../../../src/store/lmdb-env.js';
import { LmdbMessageLog, LOG_FILE, MAP_BYTES, type LmdbMessageLogOptions } from '../../../src/store/log/lmdb-message-log.js';
import { readChunkHeader, segmentsOf } from '../../../src/store/log/segment.js';
import { chunkKey, segmentKey, segmentValue } from '../../../src/store/log/table-keys.js';
import { until } from '../../support/wait.js';
import { deliveries, entry } from './entries.js';
import { readAll } from './message-log-suite.js';

/** A chunk holds one message of these. */
const LARGE = 20_000;
const MESSAGES = 12;
const MARK = 'written on the disk: ';

/** A folder whose messages are in log.mdb, a chunk for each, and the channel's number. */
async function writtenLog(t: Test, options: Partial<LmdbMessageLogOptions> = {}): Promise<{ folder: string; id: number }> {
  const folder = t.testdir();
  const log = new LmdbMessageLog({ folder, tailMessages: 1, ...options });
  const { id } = log.openChannel('c');
  for (let seq = 1; seq <= MESSAGES + 2; seq++) {
    const frame = Buffer.alloc(LARGE, ' ');
    frame.write(`${MARK}${seq};`);
    await log.append([entry(id, seq, { frame })]);
  }
  await until('they are in the tables', () => chunkOf(folder, MESSAGES) !== null);
  await log.close();
  return { folder, id };
}

const placeOf = (bytes: Buffer, seq: number): number => bytes.indexOf(`${MARK}${seq};`);

const chunkOf = (folder: string, seq: number): number | null => {
  const at = placeOf(readFileSync(join(folder, LOG_FILE.file)), seq);
  return at < 0 ? null : at;
};

/** Flips a bit of the message, as a disk would. */
function damage(folder: string, seq: number): void {
  const path = join(folder, LOG_FILE.file);
  const bytes = readFileSync(path);
  const at = placeOf(bytes, seq) + MARK.length + 100;
  bytes[at] = bytes[at]! ^ 1;
  writeFileSync(path, bytes);
}

function open(t: Test, folder: string, options: Partial<LmdbMessageLogOptions> = {}): { log: LmdbMessageLog; told: StoreError[] } {
  const told: StoreError[] = [];
  const log = new LmdbMessageLog({ folder, onDamage: (error) => told.push(error), ...options });
  t.teardown(() => log.close());
  return { log, told };
}

const seqsOf = (log: LmdbMessageLog, id: number): number[] => readAll(log, id, 1).seqs;

t.test('a message whose bits have changed on the disk is left out and reported, and its neighbours are read', async (t) => {
  const { folder, id } = await writtenLog(t);
  damage(folder, 5);
  damage(folder, 9);
  const { log, told } = open(t, folder);
  const all = Array.from({ length: MESSAGES + 2 }, (_, i) => i + 1);
  t.same(seqsOf(log, id), all.filter((seq) => seq !== 5 && seq !== 9));
  t.same(seqsOf(log, id).length, MESSAGES, 'again, and reported once for each');
  t.equal(told.length, 2);
  const message = /log\.mdb is damaged: chunk \d+ .*checksum is wrong/;
  for (const error of told) t.match(error, { code: 'SLUICE_STORE', retryable: false, message });
  t.equal(log.read(id, 5, 1, 1e6)?.firstSeq, 6, 'a read from there begins behind it');
  t.equal(log.read(id, 4, 10, 1e6)?.lastSeq, 4, 'one from before ends there');
  t.match(log.findChannel('c'), { headSeq: MESSAGES + 2, oldestSeq: 1 }, 'the sequence is as it was');
  t.equal(log.findByKey(id, 'ann', entry(id, 5).key), null);
  t.match(log.findByKey(id, 'ann', entry(id, 6).key), { seq: 6 });
  for (let seq = 1; seq <= MESSAGES; seq++) {
    const from = log.seqAtTs(id, entry(id, seq).serverTs);
    t.ok(from === seq || ((from === 5 || from === 9) && from < seq), `nothing that is there is passed over by a time: ${seq}, ${from}`);
    t.ok(log.seqAfterId(id, entry(id, seq).id) <= seq, 'nor by an id');
  }
  await log.append([entry(id, MESSAGES + 3)]);
  t.equal(seqsOf(log, id).at(-1), MESSAGES + 3, 'and it goes on');
});

t.test('retention removes what is damaged with what is as old', async (t) => {
  const { folder, id } = await writtenLog(t);
  damage(folder, 1);
  damage(folder, 2);
  damage(folder, 4);
  const { log } = open(t, folder, { maxBytes: 3 * LARGE });
  await until('the oldest are gone', () => (seqsOf(log, id)[0] ?? 0) > 6);
  t.equal(seqsOf(log, id).at(-1), MESSAGES + 2);
  t.equal(log.findChannel('c')?.headSeq, MESSAGES + 2);
});

t.test('what is damaged is not archived, and does not keep the others from it', async (t) => {
  const folder = t.testdir();
  const first = new LmdbMessageLog({ folder, tailMessages: 1, backlogBytes: 1e9 });
  const { id } = first.openChannel('c');
  for (const made of deliveries(id, 'c', 1, 6, 1_750_000_000_000)) {
    const memory = Buffer.alloc(LARGE, ' ');
    made.memory.copy(memory, 0, 0, made.length);
    memory.write(`${MARK}${made.seq};`, made.length);
    await first.append([{ ...made, memory, length: LARGE }]);
  }
  await until('they are in the tables', () => chunkOf(folder, 4) !== null);
  await first.close();
  damage(folder, 2);
  const { log, told } = open(t, folder, { backlogBytes: 1e9 });
  const batch = log.nextForArchive(1e9);
  t.same(batch?.segments.map(({ firstSeq }) => firstSeq).slice(0, 3), [1, 3, 4]);
  t.equal(told.length, 1);
});

/** The chunks of a log, changed by `change`; the index goes along by `shift` bytes. */
async function rewrite(folder: string, id: number, format: string, shift: number, change: (chunk: Buffer) => Buffer): Promise<void> {
  const env = new LmdbEnv({ ...LOG_FILE, folder, mapBytes: MAP_BYTES });
  const { chunks, segments } = env.tables;
  const numbers = [...chunks.getKeys({})].map((key) => (key as Buffer).readUIntBE(0, 6));
  const places = [...segments.getRange({ start: segmentKey(id, 0), end: segmentKey(id + 1, 0) })]
    .map(({ key, value }) => ({ firstSeq: key.readUIntBE(4, 6), value: Buffer.from(value) }));
  env.commitSync((tables) => {
    void tables.meta.put(Buffer.from('format'), Buffer.from(format));
    for (const number of numbers) void tables.chunks.put(chunkKey(number), change(chunks.getBinary(chunkKey(number)) as Buffer));
    for (const { firstSeq, value } of places) {
      const moved = segmentValue(value.readUIntBE(0, 6), value.readUInt32BE(6) + shift, value.readUIntBE(10, 6));
      void tables.segments.put(segmentKey(id, firstSeq), moved);
    }
  });
  await env.close();
}

/** As chunks were before they had a checksum. */
function withoutChecksum(chunk: Buffer): Buffer {
  const old = Buffer.alloc(chunk.length - 8);
  old.write('SLC1', 'latin1');
  chunk.copy(old, 4, 8, 12);
  chunk.copy(old, 8, 16);
  return old;
}

t.test('a log from before chunks had checksums is read, and gets them for what is new', async (t) => {
  const { folder, id } = await writtenLog(t);
  await rewrite(folder, id, 'sluice-log-2', -8, withoutChecksum);
  const { log, told } = open(t, folder, { tailMessages: 1 });
  t.equal(seqsOf(log, id).length, MESSAGES + 2);
  const frame = Buffer.alloc(LARGE, ' ');
  frame.write(`${MARK}new;`);
  for (let seq = MESSAGES + 3; seq <= MESSAGES + 6; seq++) await log.append([entry(id, seq, seq === MESSAGES + 3 ? { frame } : {})]);
  await until('it is in the tables', () => readFileSync(join(folder, LOG_FILE.file)).includes(`${MARK}new;`));
  t.same(told, []);
  await log.close();
  const magics = new Set<string>();
  await rewrite(folder, id, 'sluice-log-3', 0, (chunk) => {
    magics.add(chunk.toString('latin1', 0, 4));
    return chunk;
  });
  t.same([...magics].sort(), ['SLC1', 'SLC2']);
  t.equal(seqsOf(open(t, folder).log, id).length, MESSAGES + 6);
});

t.test('no flipped bit of a chunk goes unnoticed', async (t) => {
  const { folder, id } = await writtenLog(t);
  let flips = 0;
  let unnoticed = 0;
  await rewrite(folder, id, 'sluice-log-3', 0, (chunk) => {
    if (flips > 0) return chunk;
    const text = segmentsOf(chunk, readChunkHeader(chunk, chunk.length)).length;
    t.equal(text, 1);
    const changed = Buffer.from(chunk);
    // All of the header and the entry, then bits here and there.
    for (let bit = 0; bit < chunk.length * 8; bit += bit < 1024 ? 1 : 997) {
      changed[bit >> 3]! ^= 1 << (bit & 7);
      try {
        readChunkHeader(changed, changed.length);
        unnoticed++;
      } catch {
        flips++;
      }
      changed[bit >> 3]! ^= 1 << (bit & 7);
    }
    return chunk;
  });
  t.ok(flips > 1024);
  t.equal(unnoticed, 0);
});
