/** Changes an input of a fuzzer: bytes, runs of bytes, words of a dictionary, and pieces of other inputs. */

import type { Random } from './random.js';

export function mutate(random: Random, input: Buffer, pool: readonly Buffer[], words: readonly string[], longest: number): Buffer {
  let bytes = input;
  for (let rounds = 1 + random.below(4); rounds > 0; rounds -= 1) bytes = once(random, bytes, pool, words);
  return bytes.subarray(0, longest);
}

function once(random: Random, bytes: Buffer, pool: readonly Buffer[], words: readonly string[]): Buffer {
  const at = random.below(bytes.length + 1);
  const until = Math.min(bytes.length, at + 1 + random.below(16));
  const head = bytes.subarray(0, at);
  switch (random.below(8)) {
    case 0: return flip(random, bytes);
    case 1: return Buffer.concat([head, bytes.subarray(until)]);
    case 2: return Buffer.concat([head, bytes.subarray(at, until), bytes.subarray(at)]);
    case 3: return Buffer.concat([head, Buffer.from([random.below(256)]), bytes.subarray(at)]);
    case 4:
    case 5: return Buffer.concat([head, Buffer.from(random.pick(words)), bytes.subarray(random.chance(0.5) ? at : until)]);
    case 6: {
      const other = random.pick(pool);
      return Buffer.concat([head, other.subarray(random.below(other.length + 1))]);
    }
    default: return Buffer.concat([head, Buffer.alloc(random.below(300), random.below(256)), bytes.subarray(at)]);
  }
}

function flip(random: Random, bytes: Buffer): Buffer {
  if (bytes.length === 0) return bytes;
  const out = Buffer.from(bytes);
  const at = random.below(out.length);
  out[at] = (out[at] as number) ^ (1 << random.below(8));
  return out;
}
