/** Channels found by the bytes of their names. */

import t from 'tap';
import { ChannelNames, NAME_BYTES_MAX } from '../../../src/gateway/message/channel-names.js';
import type { OpenChannel } from '../../../src/sequence/channels.js';

class Memory {
  readonly names = new ChannelNames();
  readonly #bytes = Buffer.alloc(4096, '"');
  readonly #view = new DataView(this.#bytes.buffer, this.#bytes.byteOffset, this.#bytes.length);
  readonly #inUse = new Set<string>();

  /** `at`: names lie at any address. */
  find(name: string, at = name.length): string | null {
    const to = at + this.#bytes.latin1Write(name, at);
    return this.names.find(this.#view, at, to)?.name ?? null;
  }

  keep(name: string): void {
    this.find(name);
    this.#inUse.add(name);
    this.names.keep({ name } as OpenChannel, this.#inUse.size);
  }
}

t.test('names of any length that fits, and no other ones', async (t) => {
  const memory = new Memory();
  const names = Array.from({ length: NAME_BYTES_MAX }, (_, i) => 'abcdefghijklmnopqrstuvwxyz'.repeat(2).slice(0, i + 1));
  for (const name of names) t.equal(memory.find(name), null, name);
  for (const [i, name] of names.entries()) {
    memory.keep(name);
    t.equal(memory.find(name, 64 + i), name);
    // What begins with it, and what it begins with, are other names.
    if (i + 1 < names.length) t.equal(memory.find(names[i + 1] as string), null);
    t.equal(memory.find(`${name.slice(0, -1)}#`), null);
  }
  for (const name of names) t.equal(memory.find(name), name, 'all of them');
});

t.test('very many: one that made room is asked for again, and nobody gets another one', async (t) => {
  const memory = new Memory();
  const names = Array.from({ length: 50_000 }, (_, i) => `room-${i}`);
  for (const name of names) memory.keep(name);
  let there = 0;
  for (const name of names) {
    const found = memory.find(name);
    if (found !== null && found !== name) t.fail(`${name} is not ${found}`);
    if (found === name) there += 1;
    else memory.keep(name);
  }
  // The table was made larger while they came, and begun anew with it.
  t.ok(there > names.length / 10, `${there} were still there`);
  const again = names.filter((name) => memory.find(name) === name).length;
  t.ok(again > 0.95 * names.length, `${again} are there now`);
});

t.test('the latest channel of a name is found', async (t) => {
  const memory = new Memory();
  memory.keep('room');
  const other = { name: 'room', id: 2 } as OpenChannel;
  memory.find('room');
  memory.names.keep(other, 1);
  t.equal(memory.find('room'), 'room');
  const bytes = Buffer.from('room');
  t.equal(memory.names.find(new DataView(bytes.buffer, bytes.byteOffset, bytes.length), 0, 4), other);
});
