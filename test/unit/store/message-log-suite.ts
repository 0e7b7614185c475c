import type { Test } from 'tap';
import type { LogEntry, MessageLog } from '../../../src/store/types.js';
import { StoreError } from '../../../src/errors.js';
import { entries, entry, frameOf } from './entries.js';

/** What every MessageLog does, whatever it keeps messages in. */
export interface LogUnderTest {
  readonly log: MessageLog;
  /** Closes the log and opens the same one again, as after a restart. */
  reopen(): Promise<MessageLog>;
}

/** Reads everything from `from` on, checking that runs follow each other. */
export function readAll(
  log: MessageLog,
  channelId: number,
  from: number,
  maxCount = 7,
  maxBytes = 200,
): { seqs: number[]; frames: string[] } {
  const seqs: number[] = [];
  const frames: string[] = [];
  for (let next = from; ;) {
    const run = log.read(channelId, next, maxCount, maxBytes);
    if (run === null) return { seqs, frames };
    let start = 0;
    for (let i = 0; i < run.ends.length; i++) {
      seqs.push(run.firstSeq + i);
      frames.push(Buffer.from(run.frames.subarray(start, run.ends[i])).toString());
      start = run.ends[i]!;
    }
    if (run.lastSeq !== run.firstSeq + run.ends.length - 1 || start !== run.frames.length)
      throw new Error('a run does not add up');
    next = run.lastSeq + 1;
  }
}

export function messageLogSuite(t: Test, make: (t: Test) => Promise<LogUnderTest>): void {
  channelTests(t, make);
  readingTests(t, make);
  keyTests(t, make);
  positionTests(t, make);
}

function channelTests(t: Test, make: (t: Test) => Promise<LogUnderTest>): void {
  t.test('a new channel has an id, an epoch and nothing in it', async (t) => {
    const { log } = await make(t);
    t.equal(log.findChannel('a'), null);
    const a = log.openChannel('a');
    const b = log.openChannel('b');
    t.match(a, { name: 'a', headSeq: 0, oldestSeq: 1 });
    t.ok(a.epoch.length > 0);
    t.not(a.id, b.id);
    t.strictSame(log.openChannel('a'), a);
    t.strictSame(log.findChannel('a'), a);
    t.equal(log.read(a.id, 1, 10, 1000), null);
  });

  t.test('a channel keeps id and epoch over a restart, and names may be anything', async (t) => {
    const made = await make(t);
    const names = ['plain', 'snow ☃', 'x'.repeat(3000), '\0', 'emoji 🙂'];
    const before = names.map((name) => made.log.openChannel(name));
    await made.log.append([entry(before[0]!.id, 1)]);
    const log = await made.reopen();
    const after = names.map((name) => log.openChannel(name));
    t.strictSame(after.map(({ id, epoch }) => ({ id, epoch })), before.map(({ id, epoch }) => ({ id, epoch })));
    const fresh = log.openChannel('another');
    t.notOk(before.some(({ id }) => id === fresh.id), 'no id is given twice');
    t.equal(after[0]!.headSeq, 1);
  });
}

function readingTests(t: Test, make: (t: Test) => Promise<LogUnderTest>): void {
  t.test('what was appended is read back in order, in runs', async (t) => {
    const made = await make(t);
    let log = made.log;
    const a = log.openChannel('a').id;
    const b = log.openChannel('b').id;
    await log.append([entry(a, 1), entry(b, 1), entry(a, 2), entry(b, 2), entry(a, 3)]);
    await log.append(entries(a, 4, 40));
    const want = Array.from({ length: 40 }, (_, i) => i + 1);
    const check = (): void => {
      t.strictSame(readAll(log, a, 1), { seqs: want, frames: want.map((seq) => Buffer.from(frameOf(a, seq)).toString()) });
      t.strictSame(readAll(log, b, 1).seqs, [1, 2]);
      t.strictSame(readAll(log, a, 17).seqs, want.slice(16));
      t.equal(log.read(a, 41, 10, 1000), null);
      t.match(log.findChannel('a'), { headSeq: 40, oldestSeq: 1 });
    };
    check();
    log = await made.reopen();
    check();
  });

  t.test('a run keeps to its bounds, but a message that is larger comes alone', async (t) => {
    const { log } = await make(t);
    const a = log.openChannel('a').id;
    const large = Buffer.alloc(300_000, 'L');
    await log.append([...entries(a, 1, 10), entry(a, 11, { frame: large }), ...entries(a, 12, 20)]);
    t.equal(log.read(a, 1, 3, 10_000)?.lastSeq, 3);
    const run = log.read(a, 1, 100, 40);
    t.ok(run !== null && run.frames.length <= 40 && run.lastSeq >= 1);
    t.equal(log.read(a, 11, 5, 10)?.frames.length, large.length);
    t.strictSame(readAll(log, a, 1).seqs, Array.from({ length: 20 }, (_, i) => i + 1));
    t.equal(log.read(a, 1, 0, 10), null);
  });

  t.test('two runs of one turn do not share memory', async (t) => {
    const { log } = await make(t);
    const a = log.openChannel('a').id;
    await log.append(entries(a, 1, 2));
    const first = log.read(a, 1, 1, 100);
    const second = log.read(a, 2, 1, 100);
    t.equal(Buffer.from(first!.frames).toString(), Buffer.from(frameOf(a, 1)).toString());
    t.equal(Buffer.from(second!.frames).toString(), Buffer.from(frameOf(a, 2)).toString());
  });

  t.test('appends that were not awaited keep their order', async (t) => {
    const { log } = await make(t);
    const a = log.openChannel('a').id;
    await Promise.all(Array.from({ length: 20 }, (_, i) => log.append(entries(a, i * 5 + 1, i * 5 + 5))));
    t.strictSame(readAll(log, a, 1).seqs, Array.from({ length: 100 }, (_, i) => i + 1));
  });

  t.test('after close everything is refused', async (t) => {
    const { log } = await make(t);
    const a = log.openChannel('a').id;
    await log.close();
    await log.close();
    t.throws(() => log.openChannel('b'), StoreError);
    t.throws(() => log.read(a, 1, 1, 1), StoreError);
    await t.rejects(log.append([entry(a, 1)]), StoreError);
  });
}

function keyTests(t: Test, make: (t: Test) => Promise<LogUnderTest>): void {
  t.test('a key finds its first result, before and after a restart', async (t) => {
    const made = await make(t);
    let log = made.log;
    const a = log.openChannel('a').id;
    const b = log.openChannel('b').id;
    const odd: [sender: string, key: string][] = [
      ['ab', 'c'],
      ['a', 'bc'],
      ['', 'abc'],
      ['ünï', '☃'],
      ['\0', '\0'],
      ['x'.repeat(900), 'long'],
      ['ann', 'y'.repeat(2500)],
      ['🙂', '\uffff'],
    ];
    const batch: LogEntry[] = odd.map(([sender, key], i) => entry(a, i + 1, { sender, key }));
    await log.append(batch);
    await log.append(entries(a, 9, 400));
    const check = (): void => {
      for (const { sender, key, id, seq, serverTs, lamport } of batch)
        t.strictSame(log.findByKey(a, sender, key), { id, seq, serverTs, lamport });
      t.equal(log.findByKey(a, 'ann', 'k00000300')?.seq, 300);
      t.equal(log.findByKey(b, 'ab', 'c'), null);
      t.equal(log.findByKey(a, 'abc', ''), null);
      t.equal(log.findByKey(a, 'bob', 'k00000300'), null);
      t.equal(log.findByKey(a, 'ann', 'zzz'), null);
    };
    check();
    log = await made.reopen();
    check();
  });

  t.test('keys in no order are all found again', async (t) => {
    const made = await make(t);
    const a = made.log.openChannel('a').id;
    const keyOf = (seq: number): string => ((seq * 7919) % 100_003).toString(36);
    for (let from = 1; from <= 2000; from += 100) {
      await made.log.append(Array.from({ length: 100 }, (_, i) => entry(a, from + i, { key: keyOf(from + i), sender: `s${i % 3}` })));
      t.equal(made.log.findByKey(a, `s${1}`, keyOf(from + 1))?.seq, from + 1);
      t.equal(made.log.findByKey(a, 's0', keyOf(1))?.seq, 1);
      t.equal(made.log.findByKey(a, 's0', keyOf(from + 1_000_00)), null);
    }
    const log = await made.reopen();
    const missing = Array.from({ length: 2000 }, (_, i) => i + 1).filter(
      (seq) => log.findByKey(a, `s${((seq - 1) % 100) % 3}`, keyOf(seq))?.seq !== seq,
    );
    t.strictSame(missing, []);
  });
}

function positionTests(t: Test, make: (t: Test) => Promise<LogUnderTest>): void {
  t.test('positions by time and by id', async (t) => {
    const { log } = await make(t);
    const a = log.openChannel('a').id;
    t.equal(log.seqAtTs(a, 5), 1);
    t.equal(log.seqAfterId(a, '5'), 1);
    // Several messages of one millisecond, and jumps.
    for (let from = 1; from <= 90; from += 9) {
      const batch = entries(a, from, from + 8);
      const id = (seq: number): string => String(1_000_000_000_000n + BigInt(seq) * 5n);
      await log.append(batch.map((e) => ({ ...e, serverTs: 1000 + Math.floor(e.seq / 4) * 10, id: id(e.seq) })));
    }
    for (let seq = 1; seq <= 90; seq++) {
      const ts = 1000 + Math.floor(seq / 4) * 10;
      const first = Math.max(1, Math.floor(seq / 4) * 4);
      if (log.seqAtTs(a, ts) !== first || log.seqAtTs(a, ts - 3) !== first) t.fail(`seqAtTs(${ts}) is not ${first}`);
      const id = 1_000_000_000_000n + BigInt(seq) * 5n;
      if (log.seqAfterId(a, String(id)) !== seq || log.seqAfterId(a, String(id - 2n)) !== seq) t.fail(`seqAfterId(${id}) is not ${seq}`);
    }
    t.equal(log.seqAtTs(a, 0), 1);
    t.equal(log.seqAtTs(a, 1e15), 91);
    t.equal(log.seqAfterId(a, '0'), 1);
    t.equal(log.seqAfterId(a, '9223372036854775807'), 91);
  });

  t.test('the highest lamport and timestamp are kept', async (t) => {
    const made = await make(t);
    t.equal(made.log.maxLamport(), 0);
    t.equal(made.log.maxTimestamp(), 0);
    const a = made.log.openChannel('a').id;
    await made.log.append([entry(a, 1, { lamport: 2 ** 50, serverTs: 5000 })]);
    await made.log.append([entry(a, 2, { lamport: 7, serverTs: 4000 })]);
    t.equal(made.log.maxLamport(), 2 ** 50);
    const log = await made.reopen();
    t.equal(log.maxLamport(), 2 ** 50);
    t.equal(log.maxTimestamp(), 5000);
  });
}
