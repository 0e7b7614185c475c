import t from 'tap';
import { StringTable } from '../../../src/session/strings.js';

t.test('interns, counts and finds', async (t) => {
  const table = new StringTable();
  const a = table.intern('alice');
  t.not(a, 0, '0 stands for none');
  t.equal(table.intern('alice'), a);
  const b = table.intern('Bjørn 🙂');
  t.not(b, a);
  t.equal(table.get(b), 'Bjørn 🙂');
  t.equal(table.find('alice'), a);
  t.equal(table.find('nobody'), 0);
  table.release(a);
  t.equal(table.find('alice'), a, 'one reference is left');
  table.release(a);
  t.equal(table.find('alice'), 0);
  t.equal(table.count, 1);
});

t.test('255 bytes fit, 256 do not', async (t) => {
  const table = new StringTable();
  t.equal(table.get(table.intern('x'.repeat(255))).length, 255);
  t.throws(() => table.intern('x'.repeat(256)), RangeError);
  t.throws(() => table.intern('ü'.repeat(128)), RangeError);
  t.equal(table.find('x'.repeat(1000)), 0);
});

t.test('memory is used again', async (t) => {
  const table = new StringTable();
  const name = (i: number): string => `user-${'x'.repeat(i % 200)}-${i}`;
  const indexes = Array.from({ length: 5000 }, (_, i) => table.intern(name(i)));
  t.ok(indexes.every((index, i) => table.get(index) === name(i)));
  const bytes = table.memoryBytes;
  for (let round = 0; round < 3; round += 1) {
    indexes.forEach((index) => table.release(index));
    t.equal(table.count, 0);
    for (let i = 0; i < indexes.length; i += 1) indexes[i] = table.intern(name(i));
  }
  t.equal(table.memoryBytes, bytes);
  t.equal(table.get(indexes[4999] as number), name(4999));
});
