import { configFromFlags, formatAddress, makeConfig, mergeConfig, readConfigFile } from '../config.js';
import { startDetachedEngine } from '../engine/index.js';
import { UsageError } from '../errors.js';
import { engineOptions } from '../gateway/server.js';
import { configFlags, parseFlags } from './args.js';
import { onStopSignal } from './signals.js';

/** Of the whole stop; onStopSignal() ends the process a little later. */
const CLOSE_MS = 10_000;

/** `sluice engine`: the data plane in a process of its own. It outlives the control planes that attach to it by its name. */
export async function engine(argv: readonly string[]): Promise<number> {
  const flags = { ...configFlags(), name: { type: 'string', help: 'name that control planes attach to it by' } } as const;
  const parsed = parseFlags('engine', flags, argv);
  if (parsed === null) return 0;
  const { values } = parsed;
  const file = typeof values['config'] === 'string' ? readConfigFile(values['config']) : {};
  const config = makeConfig(mergeConfig(file, configFromFlags(values)));
  const name = values['name'] ?? config.name;
  if (typeof name !== 'string') throw new UsageError('--name is missing: it is what `sluice serve --attach NAME` asks for');
  const running = startDetachedEngine({ ...engineOptions(config), name });
  running.onOwner = (pid, epoch) => note(pid === 0 ? 'no control plane is attached' : `process ${pid} is attached, epoch ${epoch}`);
  onStopSignal(() => running.stop(CLOSE_MS));
  if (running.driverReason !== null) note(`driver ${running.driver}: ${running.driverReason}`);
  const { address, port } = running.listening;
  const url = `ws://${formatAddress({ host: address, port })}/v1`;
  process.stdout.write(`ready ${url} engine ${running.regionName} driver ${running.driver} pid ${process.pid}\n`);
  return 0;
}

function note(text: string): void {
  process.stderr.write(`sluice engine: ${text}\n`);
}
