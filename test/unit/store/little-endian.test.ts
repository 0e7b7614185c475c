import t from 'tap';
import { getDouble, getU16, getU32, getU48, putDouble, putU16, putU32, putU48 } from '../../../src/store/little-endian.js';

t.test('numbers are written and read as Buffer has it', async (t) => {
  const [ours, theirs] = [Buffer.alloc(16, 0xee), Buffer.alloc(16, 0xee)];
  const check = (put: () => void, write: () => void, read: () => boolean, what: string): void => {
    put();
    write();
    t.ok(ours.equals(theirs) && read(), what);
  };
  for (const value of [0, 1, 0x7f, 0x80, 0xff, 0x1234, 0x8000, 0xffff]) {
    check(() => putU16(ours, 3, value), () => theirs.writeUInt16LE(value, 3), () => getU16(ours, 3) === value, `16 bits ${value}`);
  }
  for (const value of [0, 1, 0x80, 0x12345678, 0x7fffffff, 0x80000000, 0xffffffff]) {
    check(() => putU32(ours, 5, value), () => theirs.writeUInt32LE(value, 5), () => getU32(ours, 5) === value, `32 bits ${value}`);
  }
  for (const value of [0, -1, 1.5, 2 ** 53 - 1, 1_800_000_000_000.25, 1e-300, Infinity]) {
    check(() => putDouble(ours, 7, value), () => theirs.writeDoubleLE(value, 7), () => getDouble(ours, 7) === value, `double ${value}`);
  }
  for (const value of [0, 1, 0xffffffff, 2 ** 32, 1_800_000_000_000, 2 ** 48 - 1]) {
    check(() => putU48(ours, 1, value), () => theirs.writeUIntLE(value, 1, 6), () => getU48(ours, 1) === value, `48 bits ${value}`);
  }
});
