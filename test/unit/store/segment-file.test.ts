import { closeSync, existsSync, fstatSync, openSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { SegmentFile } from '../../../src/store/session-log/segment-file.js';

const MiB = 1 << 20;

/** A segment of so many bytes, and the file under another descriptor, by which its size shows when its name is gone. */
async function written(t: Test, bytes: number): Promise<{ file: SegmentFile; size: () => number }> {
  const file = await SegmentFile.create(join(t.testdir(), 'segment'), 1, { start: 0, firstBatch: 1 });
  await file.write(Buffer.alloc(bytes), bytes, 0);
  const fd = openSync(file.path, 'r');
  t.teardown(() => closeSync(fd));
  return { file, size: () => fstatSync(fd).size };
}

t.test('a long file that goes gets shorter in pieces, its name first', async (t) => {
  const { file, size } = await written(t, 4 * MiB + 5);
  const sizes = new Set<number>();
  let named = 0;
  await file.remove(() => {
    sizes.add(size());
    if (existsSync(file.path)) named++;
    return false;
  });
  t.strictSame([...sizes], [4, 3, 2, 1].map((n) => n * MiB + 5));
  t.equal(named, 0);
  t.equal(size(), 5);
});

t.test('at once where there is no time, and where it is short', async (t) => {
  const long = await written(t, 3 * MiB);
  await long.file.remove(() => true);
  t.equal(long.size(), 3 * MiB, 'goes with its last descriptor');
  const short = await written(t, 1000);
  await short.file.remove(() => false);
  t.equal(short.size(), 1000);
  t.notOk(existsSync(long.file.path) || existsSync(short.file.path));
});
