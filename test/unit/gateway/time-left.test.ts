import t from 'tap';
import { TimeLeft } from '../../../src/gateway/time-left.js';

/** Never ends. */
const hanging = (): Promise<string> => new Promise(() => undefined);
/** Times are measured on a machine that may stand still for a while: nothing is asked of it but that some is over and some is left. */
const LONG = 600_000;

t.test('work that ends says what it came to', async (t) => {
  const time = new TimeLeft(LONG, 0);
  t.equal(await time.of(Promise.resolve('x')), 'x');
  await t.rejects(time.of(Promise.reject(new Error('failed'))), { message: 'failed' });
});

t.test('what does not end uses up the time of all', async (t) => {
  const time = new TimeLeft(20, 0);
  t.same(await Promise.all([time.of(hanging()), time.of(hanging())]), [null, null], 'side by side');
  t.equal(await time.of(hanging()), null, 'nothing is left');
  t.equal(await time.of(Promise.resolve('x')), 'x', 'but for what is done already');
});

t.test('each has the least time', async (t) => {
  const time = new TimeLeft(0, LONG);
  t.equal(await time.of(new Promise<string>((resolve) => setTimeout(() => resolve('x'), 30))), 'x');
  t.equal(await time.of(new Promise<string>((resolve) => setTimeout(() => resolve('y'), 30))), 'y');
});

t.test('a store of the node’s own has the whole time for each', async (t) => {
  const time = TimeLeft.forStores(30, false);
  const started = performance.now();
  for (let i = 0; i < 3; i++) t.equal(await time.of(hanging()), null);
  t.ok(performance.now() - started >= 80);
});
