/** A whole Sluice server in this process: log, engine, gateway and admin API, started and stopped in their order. */

import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { startAdmin, type AdminServer } from '../admin/index.js';
import { formatAddress, listenAddress, type Config } from '../config.js';
import { startEngine, type EngineHost, type EngineNotice } from '../engine/index.js';
import { loadSessionSecret } from '../session/secret.js';
import { LmdbMessageLog } from '../store/lmdb-message-log.js';
import { LmdbSessionStore } from '../store/lmdb-session-store.js';
import { Gateway } from './gateway.js';

export interface ServerOptions {
  /** Something for the operator's log. */
  readonly onNotice?: (kind: EngineNotice, core: number, value: number) => void;
}

export interface Server {
  /** "ws://127.0.0.1:9000/v1", with the real port. */
  readonly url: string;
  /** "http://127.0.0.1:9090/" */
  readonly adminUrl: string;
  readonly driver: string;
  readonly driverReason: string | null;
  /** Name of the shared region. */
  readonly regionName: string;
  readonly gateway: Gateway;
  /** Refuses new connections, finishes commits, closes all with 1012. Later calls return the first one's promise. */
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
  const log = openLog(config);
  undo.push(() => log.close());
  const store = new LmdbSessionStore({ folder: join(config.data, 'sessions') });
  undo.push(() => store.close());
  const host = await openEngine(config);
  undo.push(() => host.stop());
  const clock = { now: () => Date.now(), monotonic: () => performance.now() };
  const gateway = await Gateway.create({ config, port: host.port, log, store, secret, clock, host, ...options });
  const url = `ws://${formatAddress({ host: host.listening.address, port: host.listening.port })}/v1`;
  const admin = await openAdmin(config, gateway, url);
  undo.push(() => admin.close());
  gateway.start();
  host.start(gateway);
  const stop = async (): Promise<void> => {
    await gateway.stop();
    await admin.close();
    host.stop();
    await store.close();
    await log.close();
  };
  let stopping: Promise<void> | null = null;
  return {
    url, gateway,
    adminUrl: `${admin.url}/`,
    driver: host.driver,
    driverReason: host.driverReason,
    regionName: host.regionName,
    stop: () => (stopping ??= stop()),
  };
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
  const { driver, limits, log } = config;
  const { host, port } = listenAddress(config.listen);
  return startEngine({
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
    maxHeadBytes: limits.upgradeBytes,
    helloTimeoutMs: limits.helloTimeoutMs,
    heartbeatMs: limits.heartbeatMs,
    arenaBytes: log.hotBytes,
    ...(config.name === null ? {} : { name: config.name }),
  });
}

async function openAdmin(config: Config, gateway: Gateway, gatewayUrl: string): Promise<AdminServer> {
  const { host, port } = listenAddress(config.admin);
  return startAdmin(gateway.admin, { host, port, gatewayUrl, token: config.adminToken, dataFolder: config.data });
}
