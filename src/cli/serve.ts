import { configFromFlags, makeConfig, mergeConfig, readConfigFile } from '../config.js';
import { LIMIT_OPTIONS, SERVER_OPTIONS, type Option } from '../config/options.js';
import { NotInReleaseError, UsageError } from '../errors.js';
import { startServer } from '../gateway/server.js';
import { parseFlags, type Flag, type FlagValues } from './args.js';
import { onStopSignal } from './signals.js';

/** `sluice serve` */
export async function serve(argv: readonly string[]): Promise<number> {
  const parsed = parseFlags('serve', flags(), argv);
  if (parsed === null) return 0;
  const { values } = parsed;
  refuseAttach(values);
  const file = typeof values['config'] === 'string' ? readConfigFile(values['config']) : {};
  const config = makeConfig(mergeConfig(file, configFromFlags(values)));
  const server = await startServer(config, { onNotice: (kind, core, value) => note(`${kind} (core ${core}, ${value})`) });
  onStopSignal(() => server.stop());
  if (server.driverReason !== null) note(`driver ${server.driver}: ${server.driverReason}`);
  process.stdout.write(`ready ${server.url} admin ${server.adminUrl} driver ${server.driver} pid ${process.pid}\n`);
  return 0;
}

/** The options that have a flag, and those that are no options of the server. */
function flags(): Record<string, Flag> {
  const result: Record<string, Flag> = { config: { type: 'string', help: 'file with options; flags override it' } };
  const options: readonly Option<unknown>[] = [...Object.values(SERVER_OPTIONS), ...Object.values(LIMIT_OPTIONS)];
  for (const { flag, fallback, help } of options) {
    if (flag !== undefined) result[flag] = { type: typeof fallback === 'boolean' ? 'boolean' : 'string', help };
  }
  result['attach'] = { type: 'string', help: 'name of a detached engine' };
  result['replace'] = { type: 'boolean', help: 'with --attach: takes over from the control plane that is attached' };
  return result;
}

function refuseAttach(values: FlagValues): void {
  if (values['attach'] !== undefined) {
    const remedy = 'Leave --attach out: `sluice serve` hosts its engine itself.';
    throw new NotInReleaseError('a detached engine is not in this release', { remedy });
  }
  if (values['replace'] !== undefined) throw new UsageError('--replace goes with --attach');
}

function note(text: string): void {
  process.stderr.write(`sluice serve: ${text}\n`);
}
