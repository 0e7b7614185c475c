import t from 'tap';
import { SessionPlaces } from '../../../src/store/session-log/places.js';
import { seeded } from '../../support/random.js';

t.test('finds what is there and nothing that was removed, the latest as well, halves of ids colliding', async (t) => {
  const { below: random } = seeded(4711);
  const places = new SessionPlaces(4);
  const model = new Map<string, number>();
  // Few values of either half, and lower halves that differ in their upper bits only: places of the same hash take each other's way.
  const low = (): number => random(3) * 2 ** 20 + random(40);
  for (let step = 0; step < 30_000; step += 1) {
    const [h, l] = [random(4), low()];
    const key = `${h}/${l}`;
    const known = model.get(key);
    if (places.find(h, l) !== (known ?? -1)) t.fail(`step ${step}: wrong about ${key}`);
    if (known === undefined) {
      model.set(key, places.add(h, l));
    } else if (random(2) === 0) {
      places.remove(known);
      model.delete(key);
    }
  }
  t.equal(places.count, model.size);
});

t.test('many that are added at once are found, and their places are free again when they go', async (t) => {
  const places = new SessionPlaces(4);
  const ids = Uint32Array.from({ length: 4 * 900 }, (_, i) => Math.imul(i + 1, 0x9e3779b1));
  const made = new Int32Array(900);
  for (let round = 0; round < 2; round += 1) {
    places.addMany(ids, 900, made);
    t.equal(places.count, 900);
    t.equal(new Set(made).size, 900);
    made.forEach((place, i) => {
      if (places.findId(ids.subarray(i * 4, i * 4 + 4)) !== place) t.fail(`lost ${i}`);
    });
    for (const place of made) places.remove(place);
  }
  t.equal(places.count, 0);
  t.equal(places.end, 900);
});

t.test('what comes behind the place that was found last is looked at like any other', async (t) => {
  const places = new SessionPlaces(4);
  const made = Array.from({ length: 50 }, (_, i) => places.add(i, i * 7));
  const found = (): number[] => made.map((_, i) => places.find(i, i * 7));
  t.strictSame(found(), made, 'in order');
  t.strictSame(found(), made, 'from the beginning, behind the last');
  t.strictSame([...made].reverse().map((_, i) => places.find(49 - i, (49 - i) * 7)), [...made].reverse(), 'backwards');
  t.equal(places.find(9, 63), made[9]);
  places.remove(made[10]!);
  t.equal(places.find(10, 70), -1, 'the next one has gone');
  t.equal(places.find(9, 63), made[9]);
  t.equal(places.add(1000, 70), made[10], 'its place is another session\'s');
  t.equal(places.find(10, 70), -1);
  t.equal(places.find(1000, 70), made[10]);
});
