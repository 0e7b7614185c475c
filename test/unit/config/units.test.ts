import t from 'tap';
import { formatAddress, formatSize, isLoopback, parseAddress, parseDuration, parseSize } from '../../../src/config.js';

t.test('sizes', async (t) => {
  const sizes: readonly (readonly [string, number | null])[] = [
    ['64MiB', 64 * 2 ** 20], ['64 mib', 64 * 2 ** 20], ['1k', 1024], ['1kB', 1000], ['1.5KiB', 1536], ['0', 0], ['4096', 4096], ['7b', 7],
    ['', null], ['MiB', null], ['-1', null], ['1 MiB x', null], ['1e3', null], ['1PiB', null], ['9999999999999TiB', null],
  ];
  for (const [text, bytes] of sizes) t.equal(parseSize(text), bytes, JSON.stringify(text));
});

t.test('durations', async (t) => {
  const durations: readonly (readonly [string, number | null])[] = [
    ['60s', 60_000], ['250ms', 250], ['250', 250], ['2m', 120_000], ['2min', 120_000], ['1.5h', 5_400_000], ['1d', 86_400_000],
    ['', null], ['s', null], ['-1s', null], ['1w', null], ['1s2', null],
  ];
  for (const [text, ms] of durations) t.equal(parseDuration(text), ms, JSON.stringify(text));
});

t.test('sizes for messages', async (t) => {
  t.equal(formatSize(512), '512 B');
  t.equal(formatSize(65_536), '64 KiB');
  t.equal(formatSize(1536), '1.5 KiB');
});

t.test('addresses', async (t) => {
  const addresses: readonly (readonly [string, string | null])[] = [
    ['127.0.0.1:9000', '127.0.0.1:9000'], ['[::1]:9000', '[::1]:9000'], ['localhost:0', '127.0.0.1:0'], [':80', '0.0.0.0:80'],
    ['9000', '0.0.0.0:9000'], ['*:1', '0.0.0.0:1'], ['127.0.0.1', null], ['127.0.0.1:65536', null], ['::1:9000', null], ['[::1]', null],
    ['[127.0.0.1]:1', null], ['example.org:80', null], ['a b:80', null], ['', null],
  ];
  for (const [text, formatted] of addresses) {
    const parsed = parseAddress(text);
    t.equal(parsed === null ? null : formatAddress(parsed), formatted, JSON.stringify(text));
  }
});

t.test('loopback', async (t) => {
  for (const host of ['127.0.0.1', '127.9.9.9', '::1']) t.ok(isLoopback(host), host);
  for (const host of ['0.0.0.0', '10.0.0.1', '::', '128.0.0.1', '127.0.0.1.evil']) t.notOk(isLoopback(host), host);
});
