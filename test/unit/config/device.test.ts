/** The options of the dpdk driver, alone and against the others. */
import t from 'tap';
import { makeConfig, type RawConfig } from '../../../src/config.js';
import { parseFlags } from '../../../src/cli/args.js';
import { ConfigError, UsageError } from '../../../src/errors.js';

function fault(raw: RawConfig): string {
  try {
    makeConfig(raw);
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
  throw new Error('was accepted');
}

const DPDK = { driver: 'dpdk', ip: ['10.9.0.1/24'], allowAnonymous: true };

t.test('the dpdk driver listens on its first address unless it is told otherwise', async (t) => {
  t.equal(makeConfig(DPDK).listen, '10.9.0.1:9000');
  t.equal(makeConfig({ ...DPDK, ip: ['fd00::1/64', '10.9.0.1/24'] }).listen, '[fd00::1]:9000');
  t.equal(makeConfig({ ...DPDK, listen: '0.0.0.0:80' }).listen, '0.0.0.0:80');
});

t.test('what the engine is given', async (t) => {
  const ip = ['10.9.0.1/24', 'fd00::1/64'];
  const { network } = makeConfig({ ...DPDK, ip, gateway: ['10.9.0.254'], eal: '--no-pci -m 64', vlan: 5, mtu: 9000 });
  t.same(network, {
    eal: '--no-pci -m 64', port: '', ips: ['10.9.0.1/24', 'fd00::1/64'], gateways: ['10.9.0.254'], vlan: 5, mtu: 9000,
    packets: 16_384, spinUs: 50, keepaliveMs: 0, pcap: '', exception: '', exceptionDevice: 'sluice0',
    exceptionFor: ['addresses', 'protocols', 'ports'],
  });
  const some = makeConfig({ ...DPDK, exception: 'tap', exceptionDevice: 'kernel0', exceptionFor: ['ports', 'protocols'] }).network;
  t.match(some, { exception: 'tap', exceptionDevice: 'kernel0', exceptionFor: ['ports', 'protocols'] });
  t.equal(makeConfig().network, null);
});

t.test('options that do not fit together are refused with their path', async (t) => {
  const refused: readonly (readonly [RawConfig, RegExp])[] = [
    [{ driver: 'dpdk' }, /^ip: the dpdk driver needs an address/],
    [{ ...DPDK, ip: ['10.9.0.1'] }, /^ip: expected a list .* with its prefix/],
    [{ ...DPDK, ip: ['10.9.0.1/33'] }, /^ip: expected/],
    [{ ...DPDK, ip: ['224.0.0.1/24'] }, /^ip: 224.0.0.1 is no address of one host/],
    [{ ...DPDK, ip: ['10.9.0.0/24'] }, /^ip: 10.9.0.0 is the address of its network/],
    [{ ...DPDK, ip: ['10.9.1.255/23'] }, /^ip: 10.9.1.255 is the broadcast address/],
    [{ ...DPDK, ip: ['::1/128'] }, /^ip: ::1 is no address of one host/],
    [{ ...DPDK, ip: ['::ffff:10.9.0.1/128'] }, /^ip: .* is no address of one host/],
    [{ ...DPDK, ip: ['fd00::1/64', 'fd00:0::1/64'] }, /^ip: fd00:0::1 is named twice/],
    [{ ...DPDK, listen: '10.9.0.2:9000' }, /^listen: 10.9.0.2 is none of the dpdk driver's addresses/],
    [{ ...DPDK, gateway: ['10.9.0.2', '10.9.0.3'] }, /^gateway: expected at most one of IPv4/],
    [{ ...DPDK, gateway: ['fd00::2'] }, /^gateway: fd00::2 is of use only with an IPv6 address/],
    [{ ...DPDK, gateway: ['10.9.1.254'] }, /^gateway: 10.9.1.254 is on none of the networks of ip \(10.9.0.1\/24\)/],
    [{ ...DPDK, ip: ['10.9.0.1/24', 'fd00::1/64'], gateway: ['10.9.0.254', 'fd01::1'] }, /^gateway: fd01::1 is on none of the networks/],
    [{ ...DPDK, gateway: ['10.9.0.1'] }, /^gateway: 10.9.0.1 is an address of its own/],
    [{ ...DPDK, mtu: 600 }, /^mtu: expected/],
    [{ ...DPDK, vlan: 4095 }, /^vlan: expected/],
    [{ ...DPDK, exception: 'kni' }, /^exception: expected/],
    [{ ...DPDK, exception: 'tap', exceptionFor: ['everything'] }, /^exceptionFor: expected/],
    [{ ...DPDK, exceptionDevice: 'kernel0' }, /^exceptionDevice: .* without exception/],
    [{ ip: ['10.9.0.1/24'] }, /^ip: is an option of the dpdk driver/],
    [{ driver: 'epoll', eal: '--no-huge' }, /^eal: is an option of the dpdk driver/],
    [{ ...DPDK, allowAnonymous: false }, /^listen: 10.9.0.1 can be reached by others/],
  ];
  for (const [raw, message] of refused) t.match(fault(raw), message);
});

t.test('a single address has its gateway elsewhere, and IPv6 has it on the link', async (t) => {
  for (const raw of [
    { ip: ['10.9.0.7/32'], gateway: ['10.8.0.1'] },
    { ip: ['10.9.0.0/31'], gateway: ['10.9.0.1'] },
    { ip: ['10.9.0.255/16'], gateway: ['10.9.255.254'] },
    { ip: ['fd00::1/64'], gateway: ['fe80::1'] },
  ]) t.match(makeConfig({ ...DPDK, ...raw }).network, { ips: raw.ip, gateways: raw.gateway });
});

t.test('a value that begins with a dash is the flag\'s, a flag that is known is not', async (t) => {
  const flags = { eal: { type: 'string', help: '' }, ip: { type: 'string', help: '' }, yes: { type: 'boolean', help: '' } } as const;
  t.match(parseFlags('x', flags, ['--eal', '--no-huge -m 64', '--yes'])?.values, { eal: '--no-huge -m 64', yes: true });
  t.match(parseFlags('x', flags, ['--eal', '-m 64'])?.values, { eal: '-m 64' });
  t.match(parseFlags('x', flags, ['--eal=--no-pci', '--ip', '10.9.0.1/24'])?.values, { eal: '--no-pci', ip: '10.9.0.1/24' });
  t.throws(() => parseFlags('x', flags, ['--eal', '--ip', 'a']), UsageError);
});
