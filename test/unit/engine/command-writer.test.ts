/** Commands with bytes: where those lie in the data ring, and that they are what was written, wherever its positions stand. */

import t from 'tap';
import { CommandWriter } from '../../../src/engine/command-writer.js';
import { COMMAND, RING, SECTION_KIND } from '../../../src/engine/layout.js';
import type { RegionView, SectionView } from '../../../src/engine/region.js';

const RECORDS = 64;
const DATA = 1 << 12;
const WORDS = RING.RECORD_BYTES / 4;
const DATA_AT = 8192;

/** A core that carries out what is in the ring when it is told to. */
class Rings {
  readonly memory = Buffer.alloc(DATA_AT + DATA);
  readonly writer: CommandWriter;
  readonly sent: { readonly slot: number; readonly text: string }[] = [];
  readonly #header = new Int32Array(this.memory.buffer, this.memory.byteOffset, RING.RECORDS / 4);
  readonly #records = new Int32Array(this.memory.buffer, this.memory.byteOffset + RING.RECORDS, RECORDS * WORDS);

  /** `position`: of the data ring, from which it goes on. */
  constructor(position: number, size = DATA) {
    Atomics.store(this.#header, RING.DATA_TAIL / 4, position | 0);
    const sections = new Map<number, SectionView>([
      [SECTION_KIND.COMMAND_RING, { offset: this.memory.byteOffset, size: DATA_AT, elementSize: RING.RECORD_BYTES, elementCount: RECORDS }],
      [SECTION_KIND.COMMAND_DATA, { offset: DATA_AT, size, elementSize: 0, elementCount: 1 }],
    ]);
    const region = { buffer: this.memory.buffer, section: (kind: number) => sections.get(kind) } as unknown as RegionView;
    this.writer = new CommandWriter(region, this.memory, 0, null);
  }

  carryOut(): void {
    this.writer.publish();
    const head = Atomics.load(this.#header, RING.HEAD / 4);
    for (let tail = Atomics.load(this.#header, RING.TAIL / 4); tail !== head; tail = (tail + 1) | 0) {
      const [type = 0, slot = 0, , at = 0, length = 0, , , position = 0] = this.#records.subarray((tail & (RECORDS - 1)) * WORDS);
      const sends = (type & 0xff) === COMMAND.SEND || (type & 0xff) === COMMAND.WELCOME;
      if (sends) this.sent.push({ slot, text: this.memory.toString('latin1', at, at + length) });
      Atomics.store(this.#header, RING.DATA_TAIL / 4, position);
    }
    Atomics.store(this.#header, RING.TAIL / 4, head);
  }
}

const text = (i: number, length: number): string => String(i).padStart(length, '.');

t.test('bytes are what was written, round after round and beyond 2^31 and 2^32', async (t) => {
  for (const start of [0, 2 ** 31 - 5 * DATA, 2 ** 32 - 5 * DATA]) {
    const rings = new Rings(start);
    const expected: string[] = [];
    for (let i = 0; i < 400; i += 1) {
      const message = text(i, 1 + ((i * 37) % 300));
      expected.push(message);
      rings.writer.writeMessage(1, i, 1, Buffer.from(message), message.length);
      if (i % 7 === 6) rings.carryOut();
    }
    rings.carryOut();
    t.same(rings.sent.map((one) => one.text), expected, `from ${start}`);
  }
});

t.test('what is claimed is written in place, and sent as long as it became', async (t) => {
  const rings = new Rings(2 ** 31 - DATA);
  const expected: string[] = [];
  for (let i = 0; i < 200; i += 1) {
    const message = text(i, 1 + ((i * 37) % 90));
    const at = rings.writer.claimMessage(message.length + 4);
    t.ok(at >= DATA_AT && at + message.length + 4 <= DATA_AT + DATA, 'within the ring');
    rings.memory.latin1Write(`${message}****`, at);
    rings.writer.writeClaimed(1, i, 1, at, message.length);
    expected.push(message);
    if (i % 7 === 6) rings.carryOut();
  }
  rings.carryOut();
  t.same(rings.sent.map((one) => one.text), expected);
  while (rings.writer.claimMessage(100) >= 0) rings.writer.writeMessage(1, 0, 1, Buffer.alloc(100), 100);
  rings.writer.writeMessage(1, 0, 1, Buffer.alloc(100), 100);
  t.equal(rings.writer.claimMessage(1), -1, 'not before what waits');
});

t.test('what finds no room waits, in order', async (t) => {
  const rings = new Rings(2 ** 31 - 100);
  const expected = Array.from({ length: 40 }, (_, i) => text(i, 200));
  for (const [i, message] of expected.entries()) rings.writer.writeMessage(1, i, 1, Buffer.from(message), message.length);
  t.ok(rings.writer.blocked);
  for (let i = 0; i < 40 && !rings.writer.resume(); i += 1) rings.carryOut();
  rings.carryOut();
  t.same(rings.sent.map((one) => one.text), expected);
});

t.test('welcomes lie in places that were claimed together', async (t) => {
  const rings = new Rings(2 ** 32 - 3 * DATA);
  const slots = [5, 3, 9];
  const expected: unknown[] = [];
  const write = (most: number): boolean => {
    let at = rings.writer.claimWelcomes(slots.length, most);
    if (at < 0) return false;
    for (const [i, slot] of slots.entries()) {
      const welcome = text(expected.length, most - i);
      rings.memory.latin1Write(welcome, at);
      rings.writer.writeWelcome(0, 1, slot, 1, at, welcome.length, 0, 0);
      expected.push({ slot, text: welcome });
      at += most;
    }
    return true;
  };
  for (let round = 0; round < 100; round += 1) {
    t.ok(write(100 + round));
    rings.writer.writeMessage(1, 1, 1, Buffer.from('behind'), 6);
    expected.push({ slot: 1, text: 'behind' });
    if (round % 3 === 0) rings.carryOut();
  }
  rings.carryOut();
  t.same(rings.sent, expected);
  t.notOk(write(DATA / 4), 'more than half of the ring');
  for (let i = 0; i < RECORDS - 5; i += 1) rings.writer.write(COMMAND.ADMIT, 0, 0, 0, 0, 0, 0, 0, 0, 0);
  t.notOk(write(8), 'no room for their records, of which each may take two');
  rings.carryOut();
  t.ok(write(8));
});

t.test('a ring whose size is no power of two is not one', async (t) => {
  t.throws(() => new Rings(0, 3000), { name: 'RegionError' });
});
