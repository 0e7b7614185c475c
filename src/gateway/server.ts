/** A whole Sluice server in this process: log, engine, gateway and admin API, started and stopped in their order. */

import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { startAdmin, startAgentCheck, type AdminServer, type AgentCheck } from '../admin/index.js';
import { formatAddress, listenAddress, type Config } from '../config.js';
import {
  attachEngine, startEngine, type AttachedEngine, type AttachmentEnd, type AttachOptions, type EngineHost, type EngineNotice,
  type EngineStartOptions,
} from '../engine/index.js';
import { AttachError, type StoreError } from '../errors.js';
import { loadSessionSecret } from '../session/secret.js';
import { LmdbMessageLog } from '../store/lmdb-message-log.js';
import { LmdbSessionStore } from '../store/lmdb-session-store.js';
import { Gateway } from './gateway.js';

export interface ServerOptions {
  /** The engine of another process, instead of one of its own. */
  readonly attach?: AttachOptions;
  /** With `attach`: this control plane has ended without being asked to stop, and released what it had. */
  readonly onEnd?: (error: AttachError) => void;
  /** Something for the operator's log. */
  readonly onNotice?: (kind: EngineNotice, core: number, value: number) => void;
  /** The log cannot be written; null: it can again. */
  readonly onStore?: (error: StoreError | null) => void;
}

export interface Server {
  /** "ws://127.0.0.1:9000/v1", with the real port. */
  readonly url: string;
  /** "http://127.0.0.1:9090/" */
  readonly adminUrl: string;
  /** "127.0.0.1:9091", where there is an agent check. */
  readonly agentAddress: string | null;
  readonly driver: string;
  readonly driverReason: string | null;
  /** Name of the shared region. */
  readonly regionName: string;
  readonly gateway: Gateway;
  /** Milliseconds without a control plane before this one, where it was attached behind another; null otherwise. */
  readonly takeover: { readonly epoch: number; readonly formerPid: number; readonly pauseMs: number } | null;
  /** Lets all clients go (see `drain` of the configuration) and stops; with `attach` it only stops. */
  drainAndStop(): Promise<void>;
  /**
   * Refuses new connections, finishes commits, closes all with 1012; with `attach`, finishes commits and leaves the connections to the
   * next control plane. Later calls return the first one's promise.
   */
  stop(): Promise<void>;
}

/** Throws SluiceError: DataFolderError, StoreError, ConfigError, ListenError, EngineError. Nothing is left running then. */
export async function startServer(config: Config, options: ServerOptions = {}): Promise<Server> {
  const undo: (() => Promise<void> | void)[] = [];
  try {
    return await start(config, options, undo);
  } catch (error) {
    for (const step of undo.reverse()) await step();
    throw error;
  }
}

async function start(config: Config, options: ServerOptions, undo: (() => Promise<void> | void)[]): Promise<Server> {
  const secret = loadSessionSecret(config.data);
  // Once it is granted, a former control plane has let go of the data folder.
  const attached = options.attach === undefined ? null : await attachEngine(options.attach);
  if (attached !== null) undo.push(() => attached.stop());
  const log = openLog(config);
  undo.push(() => log.close());
  const store = new LmdbSessionStore({ folder: join(config.data, 'sessions') });
  undo.push(() => store.close());
  const host = attached ?? (await openEngine(config));
  if (attached === null) undo.push(() => host.stop());
  const clock = { now: () => Date.now(), monotonic: () => performance.now() };
  const gateway = await Gateway.create({ config, port: host.port, log, store, secret, clock, host, ...options });
  const url = `ws://${formatAddress({ host: host.listening.address, port: host.listening.port })}/v1`;
  gateway.start();
  if (attached !== null) gateway.adopt(attached.snapshot, attached.pauseMs);
  host.start(gateway);
  const admin = await openAdmin(config, gateway, url);
  undo.push(() => admin.close());
  const agent = await openAgent(config, gateway);
  undo.push(() => agent?.close());
  const ends = { gateway, admin, agent, log, store };
  const stop = attached === null ? () => stopAll(host, ends) : () => detach(attached, ends);
  let stopping: Promise<void> | null = null;
  const server: Server = {
    url, gateway,
    adminUrl: `${admin.url}/`,
    agentAddress: agent?.address ?? null,
    driver: host.driver,
    driverReason: host.driverReason,
    regionName: host.regionName,
    takeover: attached !== null && attached.formerPid !== 0 ? attached : null,
    stop: () => (stopping ??= stop()),
    drainAndStop: async () => {
      // The connections are the engine's, and stay for the next control plane.
      if (attached === null) await gateway.drain();
      await (stopping ??= stop());
    },
  };
  if (attached !== null) attached.onEnd = (end) => void server.stop().finally(() => options.onEnd?.(endError(attached.regionName, end)));
  return server;
}

interface Ends {
  readonly gateway: Gateway;
  readonly admin: AdminServer;
  readonly agent: AgentCheck | null;
  readonly log: LmdbMessageLog;
  readonly store: LmdbSessionStore;
}

async function stopAll(host: EngineHost, { gateway, admin, agent, log, store }: Ends): Promise<void> {
  await gateway.stop();
  await agent?.close();
  await admin.close();
  host.stop();
  await store.close();
  await log.close();
}

/** Ends at a batch's boundary. The engine is let go of last: that is the sign for a successor that log and sessions are free. */
async function detach(host: AttachedEngine, { gateway, admin, agent, log, store }: Ends): Promise<void> {
  host.port.quiet();
  await agent?.close();
  const adminClosed = admin.close();
  await gateway.release();
  await Promise.all([store.close(), log.close()]);
  host.stop();
  await adminClosed;
}

function endError(name: string, end: AttachmentEnd): AttachError {
  switch (end.why) {
    case 'replaced':
      return new AttachError(`process ${end.pid} has taken over engine ${name}`, { remedy: 'Nothing: connections go on with it.' });
    case 'engine_gone':
      return new AttachError(`engine ${name} has ended`, {
        remedy: 'Start it again (sluice engine), then this; clients come back and resume their sessions.',
      });
    case 'failed':
      return new AttachError(`detached from engine ${name}: ${end.error.message}`, { cause: end.error });
  }
}

function openLog({ data, log }: Config): LmdbMessageLog {
  return new LmdbMessageLog({
    folder: join(data, 'log'),
    mapBytes: log.mapBytes,
    maxAgeMs: log.retentionMs === 0 ? null : log.retentionMs,
    maxBytes: log.retentionBytes === 0 ? null : log.retentionBytes,
  });
}

async function openEngine(config: Config): Promise<EngineHost> {
  return startEngine(engineOptions(config));
}

/** What the configuration says of the data plane. */
export function engineOptions(config: Config): EngineStartOptions {
  const { driver, limits, log } = config;
  const { host, port } = listenAddress(config.listen);
  return {
    driver, port,
    network: config.network,
    address: host,
    protocol: 'sluice.v1',
    paths: ['/v1'],
    subprotocols: ['sluice.v1'],
    origins: config.origins,
    cores: config.cores,
    connections: config.connections,
    maxMessage: limits.messageBytes,
    sendBudget: limits.sendBudgetBytes,
    upgradeTimeoutMs: limits.upgradeTimeoutMs,
    attachWaitMs: limits.attachWaitMs,
    maxHeadBytes: limits.upgradeBytes,
    helloTimeoutMs: limits.helloTimeoutMs,
    heartbeatMs: limits.heartbeatMs,
    arenaBytes: log.hotBytes,
    ...(config.name === null ? {} : { name: config.name }),
  };
}

async function openAdmin(config: Config, gateway: Gateway, gatewayUrl: string): Promise<AdminServer> {
  const { host, port } = listenAddress(config.admin);
  return startAdmin(gateway.admin, { host, port, gatewayUrl, token: config.adminToken, dataFolder: config.data });
}

async function openAgent(config: Config, gateway: Gateway): Promise<AgentCheck | null> {
  return config.agent === null ? null : startAgentCheck(gateway.admin, listenAddress(config.agent));
}
