/** Bad options of `createEngine` are refused by name; none of them may reach the native side, where a broken invariant ends the process. */
import t from 'tap';

import { createEngine, InvalidError, type CreateEngineOptions } from '../../../src/index.js';

const LISTEN = { listen: '127.0.0.1:0' };

t.test('options that cannot be are refused with their name and what is expected', async (t) => {
  const cases: readonly (readonly [unknown, RegExp])[] = [
    [null, /object of options/],
    [{}, /^listen: /],
    [{ listen: 5 }, /^listen: expected a text/],
    [{ listen: 'localhost' }, /^listen: 'localhost' is no address/],
    [{ ...LISTEN, driver: 'kqueue' }, /^driver: expected one of auto, dpdk, uring, epoll, got "kqueue"/],
    [{ ...LISTEN, driver: 'dpdk' }, /^network: /],
    [{ ...LISTEN, network: { ips: [] } }, /^network: /],
    [{ ...LISTEN, connections: -1 }, /^connections: expected a whole number from 1/],
    [{ ...LISTEN, connections: 1.5 }, /^connections: /],
    [{ ...LISTEN, cores: 0 }, /^cores: /],
    [{ ...LISTEN, cores: 65 }, /^cores: /],
    [{ ...LISTEN, maxMessage: 2 ** 32 }, /^maxMessage: /],
    [{ ...LISTEN, heartbeatMs: '25000' }, /^heartbeatMs: expected a whole number .* got "25000"/],
    [{ ...LISTEN, closeTimeoutMs: Number.NaN }, /^closeTimeoutMs: /],
    [{ ...LISTEN, name: '../x' }, /^name: /],
    [{ ...LISTEN, paths: ['chat'] }, /^paths: .*begins with \//],
    [{ ...LISTEN, subprotocols: ['a b'] }, /^subprotocols: /],
    [{ ...LISTEN, origins: ['https://a.example/'] }, /^origins: .*an origin such as/],
    [{ ...LISTEN, requireSubprotocol: 'yes' }, /^requireSubprotocol: /],
    [{ ...LISTEN, message: 'no function' }, /^message: expected a function/],
    [{ ...LISTEN, maxMesage: 1000 }, /^maxMesage: is not an option; known are listen, /],
  ];
  for (const [options, message] of cases) {
    await t.rejects(createEngine(options as CreateEngineOptions), { code: 'SLUICE_INVALID', message }, JSON.stringify(options));
  }
});

t.test('what is undefined counts as left out', async (t) => {
  const options: unknown = { ...LISTEN, driver: 'epoll', network: null, connections: undefined };
  const engine = await createEngine(options as CreateEngineOptions);
  t.ok(engine.port > 0);
  await t.rejects(engine.stop(1005), InvalidError, 'a code that may not be sent');
  await engine.stop();
});
