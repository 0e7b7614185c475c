import t from 'tap';
import { HashIndex } from '../../../src/store/hash-index.js';
import { seeded } from '../../support/random.js';

function lookup(index: HashIndex, hash: number): Set<number> {
  const found = new Set<number>();
  for (let at = index.first(hash), value; (value = index.value(at)) >= 0; at = index.next(at)) found.add(value);
  return found;
}

t.test('agrees with a Set under random inserts and removals, hashes colliding', async (t) => {
  const { below: random } = seeded(12_345);
  // Only 37 hashes for 500 values: long runs, so that shifting back is what is tested.
  const hashOf = (value: number): number => value % 37;
  const index = new HashIndex(hashOf, 4);
  const model = new Set<number>();
  for (let step = 0; step < 20_000; step += 1) {
    const value = random(500);
    if (model.has(value)) {
      if (!index.remove(hashOf(value), value)) t.fail(`lost ${value}`);
      model.delete(value);
    } else {
      index.insert(hashOf(value), value);
      model.add(value);
    }
    const probe = random(500);
    if (lookup(index, hashOf(probe)).has(probe) !== model.has(probe)) t.fail(`step ${step}: wrong about ${probe}`);
  }
  t.equal(index.count, model.size);
  t.equal(index.remove(1, 10_000), false);
});

t.test('many that are inserted at once are found and stand once', async (t) => {
  const { below: random } = seeded(99);
  const hashOf = (value: number): number => value % 211;
  const index = new HashIndex(hashOf, 4);
  let next = 0;
  for (let from = 0, count; from < 3000; from += count) {
    count = random(300);
    const values = Int32Array.from({ length: count + 5 }, (_, i) => from + i);
    index.insertMany(Uint32Array.from(values, hashOf), values, count);
    next = from + count;
  }
  t.equal(index.count, next);
  for (let hash = 0; hash < 211; hash += 1) {
    // Others may stand between.
    const found = [...lookup(index, hash)].filter((value) => hashOf(value) === hash).sort((a, b) => a - b);
    t.same(found, Array.from({ length: next }, (_, value) => value).filter((value) => hashOf(value) === hash), `hash ${hash}`);
  }
});

t.test('a search in an empty index ends', async (t) => t.same(lookup(new HashIndex((value) => value), 5), new Set()));
