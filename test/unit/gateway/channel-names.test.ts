/** Channels found by the bytes of their names. */

import t from 'tap';
import { ChannelNames, EPOCH_BYTES_MAX, NAME_BYTES_LEAST, NAME_BYTES_MAX } from '../../../src/gateway/message/channel-names.js';
import type { OpenChannel } from '../../../src/sequence/channels.js';
import { EncodedCursor } from '../../../src/store/sessions/encoded-cursor.js';
import { decodeSession, encodeSession, writeFirstEncoded } from '../../../src/store/sessions/session-codec.js';
import { sessionRecord } from '../store/session-store-suite.js';

function channelOf(name: string, epoch = 'k3f9'): OpenChannel {
  return { name, epoch, epochJson: JSON.stringify(epoch), publishedSeq: 0 } as OpenChannel;
}

class Memory {
  readonly names = new ChannelNames();
  readonly #bytes = Buffer.alloc(4096, '"');
  readonly #view = new DataView(this.#bytes.buffer, this.#bytes.byteOffset, this.#bytes.length);
  readonly #inUse = new Set<string>();

  /** `at`: names lie at any address. */
  find(name: string, at = name.length): string | null {
    const to = at + this.#bytes.latin1Write(name, at);
    const entry = this.names.find(this.#view, at, to);
    return entry < 0 ? null : this.names.channel(entry).name;
  }

  keep(name: string): void {
    this.find(name);
    this.#inUse.add(name);
    this.names.keep(channelOf(name), this.#inUse.size);
  }
}

t.test('names of any length that fits, and no other ones', async (t) => {
  const memory = new Memory();
  const names = Array.from(
    { length: NAME_BYTES_MAX + 1 - NAME_BYTES_LEAST }, (_, i) => 'abcdefghijklmnopqrstuvwxyz'.repeat(4).slice(0, i + NAME_BYTES_LEAST),
  );
  for (const name of names) t.equal(memory.find(name), null, name);
  for (const [i, name] of names.entries()) {
    memory.keep(name);
    t.equal(memory.find(name, 128 + i), name);
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

t.test('many at once are the same as one after the other', async (t) => {
  const memory = new Memory();
  const kept = Array.from({ length: 1500 }, (_, i) => `room-${i}`);
  for (const name of kept) memory.keep(name);
  const asked = Array.from({ length: 256 }, (_, i) => (i % 5 === 4 ? `nobody-${i}` : `room-${(i * 7919) % kept.length}`));
  const stride = 24;
  const bytes = Buffer.alloc(asked.length * stride);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const ranges = new Int32Array(2 * asked.length);
  for (const [i, name] of asked.entries()) {
    // Some have no name to look for.
    if (i % 9 !== 8) ranges.set([i * stride + 3, i * stride + 3 + bytes.latin1Write(name, i * stride + 3)], 2 * i);
  }
  const entries = new Int32Array(asked.length);
  memory.names.findMany(view, ranges, asked.length, entries);
  let found = 0;
  for (const [i, name] of asked.entries()) {
    const [from, to] = [ranges[2 * i] as number, ranges[2 * i + 1] as number];
    t.equal(entries[i], to === 0 ? -1 : memory.names.find(view, from, to), name);
    if ((entries[i] as number) >= 0) found += 1;
  }
  t.ok(found > 100, `${found} are there`);
});

t.test('the latest channel of a name is found', async (t) => {
  const memory = new Memory();
  memory.keep('room');
  const other = channelOf('room');
  memory.find('room');
  memory.names.keep(other, 1);
  t.equal(memory.find('room'), 'room');
  const bytes = Buffer.from('room');
  t.equal(memory.names.channel(memory.names.find(new DataView(bytes.buffer, bytes.byteOffset, bytes.length), 0, 4)), other);
});

t.test('a card is the cursor of who subscribes now', async (t) => {
  const memory = new Memory();
  const [cursor] = EncodedCursor.many(1) as [EncodedCursor];
  const longest = ['n'.repeat(NAME_BYTES_MAX), 'e'.repeat(EPOCH_BYTES_MAX)] as const;
  for (const [name, epoch] of [['room', 'k3f9d8e7a6b5c4d'], longest, ['lobby', '']] as const) {
    const channel = channelOf(name, epoch);
    memory.find(name);
    const entry = memory.names.keep(channel, 1);
    for (const seq of [0, 7, 2 ** 40]) {
      channel.publishedSeq = seq;
      memory.names.copyCursor(entry, cursor);
      const said = { channel: name, epoch, seq, subscribed: true, told: false };
      t.same({ ...cursor }, { ...cursor, ...said });
      const record = sessionRecord({ cursors: [] });
      const body = encodeSession(record);
      const bytes = Buffer.alloc(body.length + 256);
      body.copy(bytes);
      writeFirstEncoded(new DataView(bytes.buffer, bytes.byteOffset, bytes.length), 0, body.length, cursor);
      t.same(decodeSession(record.id, bytes), { ...record, cursors: [said] });
    }
  }
});

t.test('channels whose epochs need more than their characters are not kept', async (t) => {
  const memory = new Memory();
  for (const epoch of ['a"b', 'ä', 'e'.repeat(EPOCH_BYTES_MAX + 1)]) {
    memory.find('room');
    t.equal(memory.names.keep(channelOf('room', epoch), 1), -1, epoch);
  }
  t.equal(memory.find('room'), null);
});
