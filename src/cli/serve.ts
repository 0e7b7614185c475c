import { configFromFlags, makeConfig, mergeConfig, readConfigFile, type RawConfig } from '../config.js';
import { describeEngine, type AttachOptions } from '../engine/index.js';
import { UsageError } from '../errors.js';
import { startServer } from '../gateway/server.js';
import { configFlags, parseFlags, type Flag, type FlagValues } from './args.js';
import { onStopSignal } from './signals.js';

/** For what a stop does besides waiting for clients. */
const STOP_MS = 10_000;
/** Connections of all that there can be that are closed in a millisecond when the time is over. */
const CLOSED_PER_MS = 100;

const DAMAGE_REMEDY = 'Examine the disk, and restore the data folder from a copy.';

/** `sluice serve` */
export async function serve(argv: readonly string[]): Promise<number> {
  const parsed = parseFlags('serve', flags(), argv);
  if (parsed === null) return 0;
  const { values } = parsed;
  const attach = attachOptions(values);
  const file = typeof values['config'] === 'string' ? readConfigFile(values['config']) : {};
  const raw = mergeConfig(file, configFromFlags(values));
  const config = makeConfig(attach === null ? raw : mergeConfig(raw, engineConfig(attach.name)));
  const server = await startServer(config, {
    onNotice: (kind, core, value) => note(`${kind} (core ${core}, ${value})`),
    onStore: (error) => note(error === null ? 'the message log can be written again' : `${error.message}; publishes are refused meanwhile`),
    onCluster: (error) => note(error === null ? 'the cluster has this node again' : `${error.message}; it is not ready meanwhile`),
    onHistory: (error) => note(error === null ? 'the cold tier takes messages again' : `${error.message}; the log keeps them meanwhile`),
    onDamage: (error) => note(`${error.message}; its messages are left out, and clients are told. ${DAMAGE_REMEDY}`),
    onUnwritten: (what) => note(`stopped while the store did not answer; ${what}`),
    ...(attach === null ? {} : { attach, onPrepared: () => note(`standing by for engine ${attach.name}`) }),
    onEnd: (error) => {
      note(`${error.message}\n${error.remedy}`);
      process.exit(1);
    },
  });
  const closingMs = 4 * config.session.closeTimeoutMs + config.connections / CLOSED_PER_MS;
  onStopSignal(() => server.drainAndStop(), config.drain.deadlineMs + closingMs + STOP_MS);
  const { takeover } = server;
  if (takeover !== null) note(`took over from process ${takeover.formerPid}, epoch ${takeover.epoch}`);
  if (server.driverReason !== null) note(`driver ${server.driver}: ${server.driverReason}`);
  if (server.storeNotice !== null) note(server.storeNotice);
  const agent = server.agentAddress === null ? '' : ` agent ${server.agentAddress}`;
  process.stdout.write(`ready ${server.url} admin ${server.adminUrl} driver ${server.driver} pid ${process.pid}${agent}\n`);
  return 0;
}

function flags(): Record<string, Flag> {
  return {
    ...configFlags(),
    attach: { type: 'string', help: 'name of a detached engine' },
    replace: { type: 'boolean', help: 'with --attach: takes over from the control plane that is attached' },
    standby: { type: 'boolean', help: 'with --attach: gets ready and takes over when the control plane that is attached ends' },
  };
}

function attachOptions(values: FlagValues): AttachOptions | null {
  const { attach, replace = false, standby = false, listen, driver } = values;
  if (attach === undefined) {
    if (replace !== false || standby !== false) throw new UsageError('--replace and --standby go with --attach');
    return null;
  }
  if (listen !== undefined || driver !== undefined) {
    throw new UsageError('--listen and --driver are the options of `sluice engine`: leave them out with --attach');
  }
  if (replace === true && standby === true) throw new UsageError('--replace takes over at once, --standby waits: choose one');
  return { name: String(attach), mode: replace === true ? 'replace' : standby === true ? 'standby' : 'first' };
}

/** What the engine was started with is so, whatever this process was told. Throws RegionError. */
function engineConfig(name: string): RawConfig {
  const { listen, messageBytes, sendBudgetBytes, heartbeatMs } = describeEngine(name);
  return { listen, limits: { messageBytes, sendBudgetBytes, heartbeatMs } };
}

function note(text: string): void {
  process.stderr.write(`sluice serve: ${text}\n`);
}
