import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { configFromFlags, makeConfig, mergeConfig, readConfigFile, type RawConfig } from '../../../src/config.js';
import { ConfigError } from '../../../src/errors.js';

const SECRET = 'a secret of thirty-two characters';

function fault(raw: RawConfig): ConfigError {
  try {
    makeConfig(raw);
  } catch (error) {
    if (error instanceof ConfigError) return error;
    throw error;
  }
  throw new Error('was accepted');
}

t.test('defaults are those of the design', async (t) => {
  const { limits, listen, admin, anonymous } = makeConfig();
  t.match({ listen, admin, anonymous }, { listen: '127.0.0.1:9000', admin: '127.0.0.1:9090', anonymous: true });
  t.match(limits, {
    messageBytes: 65_536, headerBytes: 4096, channelsPerSession: 1000, publishRate: 50, publishBurst: 100,
    upgradeTimeoutMs: 5000, upgradeBytes: 8192, helloTimeoutMs: 10_000, heartbeatMs: 25_000, sendBudgetBytes: 262_144,
  });
});

t.test('bad configuration is refused with its path', async (t) => {
  const refused: readonly (readonly [RawConfig, string, RegExp])[] = [
    [{ lisen: 'x' }, 'lisen', /is not an option; known are .*listen/],
    [{ listen: 'nowhere' }, 'listen', /expected an address/],
    [{ driver: 'kqueue' }, 'driver', /one of auto, dpdk, uring, epoll/],
    [{ cores: 0 }, 'cores', /from 1 to 64/],
    [{ cores: 1.5 }, 'cores', /whole number/],
    [{ cores: '1' }, 'cores', /whole number from 1 to 64, got "1"/],
    [{ cores: Number.NaN }, 'cores', /whole number/],
    [{ cores: true }, 'cores', /whole number/],
    [{ cores: null }, 'cores', /whole number/],
    [{ connections: -1 }, 'connections', /whole number/],
    [{ connections: Infinity }, 'connections', /whole number/],
    [{ allowAnonymous: 'true' }, 'allowAnonymous', /true or false, got "true"/],
    [{ allowAnonymous: 1 }, 'allowAnonymous', /true or false/],
    [{ origins: 'https://a.example' }, 'origins', /a list/],
    [{ limits: { publishRate: '50' } }, 'limits.publishRate', /whole number from 0 to 1000000, got "50"/],
    [{ limits: { heartbeatMs: -1 } }, 'limits.heartbeatMs', /duration/],
    [{ limits: { messageBytes: '-1' } }, 'limits.messageBytes', /size/],
    [{ limits: null }, 'limits', /expected an object, got null/],
    [{ log: { ephemeral: 'a,b' } }, 'log.ephemeral', /a list/],
    [{ limits: { messageBytes: '65GiB' } }, 'limits.messageBytes', /size from 1 KiB to 64 MiB.*got "65GiB"/],
    [{ limits: { messagebytes: 1 } }, 'limits.messagebytes', /is not an option/],
    [{ limits: [] }, 'limits', /expected an object/],
    [{ limits: { headerBytes: 8192, messageBytes: 4096 } }, 'limits.headerBytes', /at most limits.messageBytes/],
    [{ log: { ephemeral: [7] } }, 'log.ephemeral', /list/],
    [{ drain: { rate: 10, rateMax: 5 } }, 'drain.rate', /at most drain.rateMax/],
    [{ drain: { target: 'http://x' } }, 'drain.target', /ws: or wss: URL/],
    [{ connections: 1, cores: 2 }, 'connections', /one for each core/],
    [{ auth: { keys: {} } }, 'auth.keys', /list/],
    [{ auth: { keys: [{ alg: 'HS256' }] } }, 'auth.keys[0]', /exactly one of secret/],
    [{ auth: { keys: [{ alg: 'HS256', secret: SECRET, publicKey: 'x' }] } }, 'auth.keys[0]', /exactly one/],
    [{ auth: { keys: [{ secret: SECRET }] } }, 'auth.keys[0].alg', /one of HS256/],
    [{ auth: { keys: [{ alg: 'RS256', secret: SECRET }] } }, 'auth.keys[0].alg', /a secret verifies HS256 only/],
    [{ auth: { keys: [{ alg: 'HS256', publicKey: 'x' }] } }, 'auth.keys[0].alg', /needs a secret/],
    [{ auth: { keys: [{ alg: 'none', publicKey: 'x' }] } }, 'auth.keys[0].alg', /one of HS256, RS256, EdDSA/],
    [{ ['__proto__' as string]: 1 }, '__proto__', /is not an option/],
    [{ constructor: 1 }, 'constructor', /is not an option/],
  ];
  for (const [raw, path, expected] of refused) {
    const error = fault(raw);
    t.equal(error.path, path);
    t.match(error.message, expected);
    t.equal(error.code, 'SLUICE_CONFIG');
  }
});

t.test('secrets do not appear in messages', async (t) => {
  t.notMatch(fault({ auth: { keys: [{ alg: 'HS256', secret: ['hunter2'] }] } }).message, /hunter2/);
  t.notMatch(fault({ adminToken: 'hunter2' }).message, /hunter2/);
});

t.test('anonymous clients', async (t) => {
  const keys = [{ alg: 'HS256', secret: SECRET }];
  t.equal(makeConfig({}).anonymous, true, 'loopback');
  t.equal(makeConfig({ listen: '[::1]:0' }).anonymous, true, 'loopback of IPv6');
  t.equal(makeConfig({ auth: { keys } }).anonymous, false, 'keys ask for tokens');
  t.equal(makeConfig({ auth: { keys }, allowAnonymous: true }).anonymous, true, 'keys and the flag');
  t.equal(makeConfig({ listen: '0.0.0.0:9000', allowAnonymous: true }).anonymous, true, 'the flag');
  t.equal(makeConfig({ listen: '0.0.0.0:9000', auth: { keys } }).anonymous, false);
  const error = fault({ listen: '0.0.0.0:9000' });
  t.equal(error.path, 'listen');
  t.match(error.message, /neither auth.keys nor allowAnonymous/);
  t.match(error.remedy, /--allow-anonymous/);
});

t.test('origins that no browser would send are refused', async (t) => {
  const origins = ['*', 'null', 'https://a.example', 'http://[::1]:8080', 'HTTPS://*.Example.org:8443', 'app://.'];
  t.same(makeConfig({ origins }).origins, origins);
  const wrongs = ['a.example', '*.example.org', 'https://a.example/', 'https://*', 'https://', 'https://a b', 'https://me@a.example'];
  for (const wrong of wrongs) {
    t.match(fault({ origins: [wrong] }), { path: 'origins', message: /an origin such as/ }, wrong);
  }
});

t.test('flags override the file, section by section', async (t) => {
  const file = { listen: '127.0.0.1:1', limits: { publishRate: 5, messageBytes: '1MiB' } };
  const flags = configFromFlags({ listen: '127.0.0.1:2', 'max-message': '2MiB', 'allow-anonymous': true, cores: '1', config: 'x' });
  const config = makeConfig(mergeConfig(file, flags));
  t.match(config, { listen: '127.0.0.1:2', allowAnonymous: true, cores: 1, limits: { publishRate: 5, messageBytes: 2 * 2 ** 20 } });
});

t.test('a flag is text for a value of its type', async (t) => {
  const flags = configFromFlags({ cores: '2', origins: 'https://a.example, *', ip: '10.9.0.1/24,fd00::1/64', mtu: '1500' });
  t.same(flags, { cores: 2, origins: ['https://a.example', '*'], ip: ['10.9.0.1/24', 'fd00::1/64'], mtu: 1500 });
  for (const wrong of ['', '-1', '1.5', '1e3', '0x1', ' 1', 'NaN', '65', '99999999999999999999']) {
    t.throws(() => configFromFlags({ cores: wrong }), { code: 'SLUICE_USAGE', message: /--cores: expected a whole number/ }, wrong);
  }
});

t.test('a bad flag is an error of usage', async (t) => {
  t.throws(() => configFromFlags({ listen: 'nowhere' }), { code: 'SLUICE_USAGE', message: /--listen: expected an address.*"nowhere"/ });
  t.throws(() => configFromFlags({ 'publish-rate': 'x' }), { code: 'SLUICE_USAGE' });
});

t.test('files', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-config-'));
  const file = (name: string, content: string): string => {
    writeFileSync(join(folder, name), content);
    return join(folder, name);
  };
  t.same(readConfigFile(file('good.json', '{"region":"eu"}')), { region: 'eu' });
  t.throws(() => readConfigFile(join(folder, 'none.json')), { path: join(folder, 'none.json'), message: /ENOENT/ });
  t.throws(() => readConfigFile(file('bad.json', '{')), { message: /is not JSON/ });
  t.same(readConfigFile(file('marked.json', '\uFEFF{ "node": "a" }')), { node: 'a' }, 'a byte order mark is no fault');
  t.throws(() => readConfigFile(file('list.json', '[]')), { message: /expected an object/ });
});
