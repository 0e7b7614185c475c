import t from 'tap';

import { ARMS, checkArms } from '../../../build/bench/lib/arms.js';
import { ArgumentError, numberOf, type Values } from '../../../build/bench/lib/options.js';

const read = (name: keyof Values, text: string): number => numberOf({ [name]: text }, name, 7);

t.test('numbers are decimal, and those that count something whole', async (t) => {
  t.equal(numberOf({}, 'connections', 7), 7);
  t.equal(read('connections', '1000000'), 1e6);
  t.equal(read('duration', '0.5'), 0.5);
  t.equal(read('rate', '1.25'), 1.25);
  for (const text of ['0x10', '1e3', '1.5', '-1', '0', '', ' ', ' 4', 'Infinity', '1_000', '10k']) {
    t.throws(() => read('connections', text), { message: `--connections: expected a positive whole number, got '${text}'` });
  }
  for (const text of ['0x10', '1e3', '.5', '-1', '0.0']) {
    t.throws(() => read('duration', text), { message: `--duration: expected a positive number, got '${text}'` });
  }
});

t.test('a server that there is not is refused, and not left out', async (t) => {
  t.doesNotThrow(() => checkArms(ARMS.map(({ name }) => name)));
  t.throws(() => checkArms(['uws', 'sluice-urnig']), new ArgumentError(
    "--arms: there is no 'sluice-urnig'; there are uws, ws, socket-io, sluice-epoll, sluice-uring, sluice-epoll-detached, " +
    'sluice-uring-detached, sluice-dpdk',
  ));
});
