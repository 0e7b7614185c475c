import t from 'tap';
import { HotLog } from '../../../src/store/hot-log.js';
import { FakeArena } from '../sequence/fake-port.js';

const options = { maxAgeMs: 1000, maxPerChannel: 64 };

t.test('contiguous frames come as one piece, others apart', async (t) => {
  const arena = new FakeArena(1000, 4);
  const hot = new HotLog(arena, options);
  t.equal(hot.read(1, 1, 10, 1000), null);
  const claim = (channelId: number, seq: number, length: number): number => {
    const address = arena.claim(length);
    hot.add(channelId, seq, address, length, 0);
    return address;
  };
  const first = claim(1, 5, 100);
  claim(1, 6, 100);
  claim(2, 1, 50);
  const third = claim(1, 7, 100);
  t.strictSame(hot.read(1, 5, 10, 10_000), [{ address: first, length: 200, lastSeq: 6 }, { address: third, length: 100, lastSeq: 7 }]);
  t.strictSame(hot.read(1, 6, 1, 10_000), [{ address: first + 100, length: 100, lastSeq: 6 }]);
  t.strictSame(hot.read(1, 5, 10, 1), [{ address: first, length: 100, lastSeq: 5 }], 'one at least');
  t.strictSame(hot.read(1, 8, 10, 1), [], 'yet to come');
  t.equal(hot.read(1, 4, 10, 1), null);
  t.equal(hot.read(1, 9, 10, 1), null);
  t.match([hot.firstSeq(1), hot.firstSeq(3), hot.messages, hot.bytes, hot.channels], [5, null, 4, 350, 2]);
});

t.test('no piece reaches over the end of a chunk', async (t) => {
  const arena = new FakeArena(300, 4);
  const hot = new HotLog(arena, options);
  for (let seq = 1; seq <= 6; seq++) hot.add(1, seq, arena.claim(100), 100, 0);
  t.strictSame(hot.read(1, 1, 10, 10_000)?.map(({ length, lastSeq }) => [length, lastSeq]), [[300, 3], [300, 6]]);
});

t.test('random traffic: what it serves is what was added, and nothing lies in a recycled chunk', async (t) => {
  const arena = new FakeArena(2000, 5);
  const hot = new HotLog(arena, options);
  const memory = new Map<number, string>();
  const seqs = new Map<number, number>();
  let now = 0;
  for (let i = 0; i < 20_000; i++) {
    const channelId = Math.floor(Math.random() ** 3 * 40);
    const seq = (seqs.get(channelId) ?? Math.floor(Math.random() * 2 ** 45)) + 1;
    seqs.set(channelId, seq);
    const length = 10 + Math.floor(Math.random() * 200);
    const address = arena.claim(length);
    for (let at = address; at < address + length; at++) memory.delete(at);
    memory.set(address, `${channelId}:${seq}:${length}`);
    hot.add(channelId, seq, address, length, ++now);
    const asked = Math.floor(Math.random() * 40);
    const from = hot.firstSeq(asked);
    if (from === null) continue;
    let next = from;
    for (const piece of hot.read(asked, from, 1000, 1e9)!) {
      let at = piece.address;
      for (; next <= piece.lastSeq; next++) {
        const found = memory.get(at)?.split(':').map(Number);
        if (found === undefined || found[0] !== asked || found[1] !== next)
          return t.fail(`channel ${asked}, seq ${next}: ${String(found)}`);
        at += found[2]!;
      }
      if (at !== piece.address + piece.length) return t.fail('a piece does not add up');
    }
    if (next !== seqs.get(asked)! + 1) return t.fail('the newest is missing');
  }
  t.ok(hot.bytes <= 10_000 && hot.messages <= 1000, `${hot.bytes} bytes`);
  hot.expire(now + 2000);
  t.match([hot.messages, hot.bytes, hot.channels], [0, 0, 0]);
});

t.test('a channel that had its ring freed or whose sequence jumped begins anew; a ring has a bound', async (t) => {
  const arena = new FakeArena(1 << 20, 4);
  const hot = new HotLog(arena, options);
  for (let seq = 1; seq <= 100; seq++) hot.add(1, seq, arena.claim(10), 10, 0);
  t.match([hot.firstSeq(1), hot.messages, hot.bytes], [37, 64, 640]);
  hot.add(1, 500, arena.claim(10), 10, 0);
  t.match([hot.firstSeq(1), hot.messages, hot.bytes], [500, 1, 10]);
});

t.test('a million idle channels leave nothing behind', async (t) => {
  const arena = new FakeArena(100_000, 4);
  const hot = new HotLog(arena, options);
  for (let channelId = 0; channelId < 1_000_000; channelId++) hot.add(channelId, 1, arena.claim(100), 100, 0);
  t.ok(hot.channels <= 4000, `${hot.channels} rings`);
});
