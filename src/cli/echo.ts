import { parseSize } from '../config.js';
import { startEcho } from '../engine/index.js';
import { NotInReleaseError, UsageError } from '../errors.js';
import { parseFlags, textFlag } from './args.js';
import { onStopSignal } from './signals.js';

const FLAGS = {
  driver: { type: 'string', help: 'auto (default), uring or epoll' },
  listen: { type: 'string', help: 'address, 127.0.0.1:9000 by default; port 0 lets the system choose' },
  'max-message': { type: 'string', help: 'largest message, 64MiB by default' },
  cores: { type: 'string', help: 'threads of the data plane; 1 (default) runs on the main thread' },
} as const;

/** `sluice echo` */
export async function echo(argv: readonly string[]): Promise<number> {
  const parsed = parseFlags('echo', FLAGS, argv);
  if (parsed === null) return 0;
  const { values } = parsed;
  const driver = readDriver(textFlag(values, 'driver', 'auto'));
  const maxMessage = parseSize(textFlag(values, 'max-message', '64MiB'));
  if (maxMessage === null || maxMessage < 1 || maxMessage > 256 * 2 ** 20) {
    throw new UsageError('--max-message: expected a size up to 256MiB');
  }
  const cores = Number(textFlag(values, 'cores', '1'));
  if (!Number.isInteger(cores) || cores < 1 || cores > 14) throw new UsageError('--cores: expected 1 to 14');
  const listen = textFlag(values, 'listen', '127.0.0.1:9000');
  const engine = await startEcho({ driver, listen, maxMessage, cores, sendBudget: Math.max(256 * 1024, maxMessage) });
  onStopSignal(async () => engine.stop());
  if (engine.driverReason !== null) process.stderr.write(`sluice echo: driver ${engine.driver}: ${engine.driverReason}\n`);
  const host = engine.address.includes(':') ? `[${engine.address}]` : engine.address;
  process.stdout.write(`ready ws://${host}:${engine.port}/ driver ${engine.driver} pid ${process.pid}\n`);
  return 0;
}

export function readDriver(name: string): 'auto' | 'epoll' | 'uring' {
  if (name === 'auto' || name === 'epoll' || name === 'uring') return name;
  if (name === 'dpdk') throw new NotInReleaseError('the dpdk driver is not in this release: use --driver uring or epoll');
  throw new UsageError(`--driver: expected auto, uring or epoll, got '${name}'`);
}
