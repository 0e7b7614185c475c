import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { JournalWriter } from '../../../src/store/log/journal-writer.js';

for (const realtime of [true, false]) {
  t.test(`pieces come to the places that they have in memory, realtime ${realtime}`, async (t) => {
    const path = join(t.testdir(), 'file');
    const fd = openSync(path, 'w');
    const writer = new JournalWriter(realtime);
    const bytes = Buffer.alloc(300_000, 'x');
    bytes.write('beginning');
    await writer.write(fd, bytes, 0, 100);
    await writer.write(fd, bytes, 100, bytes.length);
    writer.close();
    closeSync(fd);
    t.ok(readFileSync(path).equals(bytes));
  });
}

t.test('a file that cannot be written says so as node:fs would, and the next piece is written', async (t) => {
  const path = join(t.testdir({ file: 'old' }), 'file');
  const writer = new JournalWriter(true);
  const onlyRead = openSync(path, 'r');
  const bytes = Buffer.from('new');
  await t.rejects(writer.write(onlyRead, bytes, 0, 3), { code: 'EBADF', syscall: 'write' });
  closeSync(onlyRead);
  const fd = openSync(path, 'r+');
  await writer.write(fd, bytes, 0, 3);
  writer.close();
  closeSync(fd);
  t.equal(readFileSync(path, 'latin1'), 'new');
});

t.test('more than one piece at a time, a piece that ends beyond the bytes, and one behind the end are refused', async (t) => {
  const fd = openSync(join(t.testdir(), 'file'), 'w');
  const writer = new JournalWriter(true);
  const bytes = Buffer.alloc(1 << 20);
  await t.rejects(writer.write(fd, bytes, 8, bytes.length + 1), { message: 'the bytes end before' });
  const first = writer.write(fd, bytes, 0, bytes.length);
  await t.rejects(writer.write(fd, bytes, 0, 8), { message: /one piece at a time/ });
  await first;
  writer.close();
  writer.close();
  await t.rejects(writer.write(fd, bytes, 0, 8), { message: /one piece at a time/ });
  closeSync(fd);
});
