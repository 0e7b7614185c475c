import { parseAddress } from '../config.js';
import { startEcho } from '../engine/index.js';
import { deviceListen, networkOptions, type DeviceConfig } from '../config/device.js';
import { count, size } from '../config/kinds.js';
import { DEVICE_OPTIONS, type Option } from '../config/options.js';
import { UsageError } from '../errors.js';
import { parseFlags, readFlag, textFlag, type Flag, type FlagValues } from './args.js';
import { onStopSignal } from './signals.js';

const DEVICE: readonly (readonly [string, Option<unknown>])[] = Object.entries(DEVICE_OPTIONS);

const MESSAGE_BYTES = size(1, 256 * 2 ** 20);
const CORES = count(1, 14);

const FLAGS: Readonly<Record<string, Flag>> = {
  driver: { type: 'string', help: 'auto (default), dpdk, uring or epoll' },
  listen: { type: 'string', help: 'address, 127.0.0.1:9000 by default; port 0 lets the system choose' },
  'max-message': { type: 'string', help: 'largest message, 64MiB by default' },
  cores: { type: 'string', help: 'threads of the data plane, 1 to 14; 1 (default) runs on the main thread' },
  ...Object.fromEntries(DEVICE.map(([name, { flag = name, help }]) => [flag, { type: 'string', help }])),
};

/** `sluice echo` */
export async function echo(argv: readonly string[]): Promise<number> {
  const parsed = parseFlags('echo', FLAGS, argv);
  if (parsed === null) return 0;
  const { values } = parsed;
  const driver = readDriver(textFlag(values, 'driver', 'auto'));
  const maxMessage = readFlag(values, 'max-message', MESSAGE_BYTES, 64 * 2 ** 20);
  const cores = readFlag(values, 'cores', CORES, 1);
  const device = readDevice(values);
  const fallback = driver === 'dpdk' ? deviceListen(device.ip) : null;
  const listen = textFlag(values, 'listen', fallback ?? '127.0.0.1:9000');
  if (parseAddress(listen) === null) throw new UsageError(`--listen: '${listen}' is no address; write 127.0.0.1:9000 or [::1]:9000`);
  const network = networkOptions(driver, device, listen);
  const engine = await startEcho({ driver, network, listen, maxMessage, cores, sendBudget: Math.max(256 * 1024, maxMessage) });
  onStopSignal(async () => engine.stop());
  if (engine.driverReason !== null) process.stderr.write(`sluice echo: driver ${engine.driver}: ${engine.driverReason}\n`);
  const host = engine.address.includes(':') ? `[${engine.address}]` : engine.address;
  process.stdout.write(`ready ws://${host}:${engine.port}/ driver ${engine.driver} pid ${process.pid}\n`);
  return 0;
}

function readDriver(name: string): 'auto' | 'dpdk' | 'epoll' | 'uring' {
  if (name === 'auto' || name === 'dpdk' || name === 'epoll' || name === 'uring') return name;
  throw new UsageError(`--driver: expected auto, dpdk, uring or epoll, got '${name}'`);
}

function readDevice(values: FlagValues): DeviceConfig {
  const read = DEVICE.map(([name, { flag = name, kind, fallback }]) => [name, readFlag(values, flag, kind, fallback)]);
  return Object.fromEntries(read) as DeviceConfig;
}
