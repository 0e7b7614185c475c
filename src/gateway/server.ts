/** A whole Sluice server in this process: log, engine, gateway and admin API, started and stopped in their order. */

import { performance } from 'node:perf_hooks';
import type { AdminServer, AgentCheck, PreparedAdmin } from '../admin/index.js';
import { deviceAddress } from '../config/device.js';
import { formatAddress, listenAddress, type Config, type ListenAddress } from '../config.js';
import {
  attachEngine, startEngine, type AttachedEngine, type AttachmentEnd, type AttachOptions, type EngineHost, type EngineNotice,
  type EngineStartOptions,
} from '../engine/index.js';
import { AttachError, type StoreError } from '../errors.js';
import { Gateway } from './gateway.js';
import { keepUp, makeAdmin, rehearse } from './takeover/rehearsal.js';
import { prepareStores, type StoreFollowers, type Stores } from './stores.js';
import { TimeLeft } from './time-left.js';

export interface ServerOptions {
  /** The engine of another process, instead of one of its own. */
  readonly attach?: AttachOptions;
  /** With `attach`: this control plane has ended without being asked to stop, and released what it had. */
  readonly onEnd?: (error: AttachError) => void;
  /** With `attach` as a standby: everything is there, and the end of the one that is attached is waited for. */
  readonly onPrepared?: () => void;
  /** Something for the operator's log. */
  readonly onNotice?: (kind: EngineNotice, core: number, value: number) => void;
  /** The log cannot be written; null: it can again. */
  readonly onStore?: (error: StoreError | null) => void;
  /** This node has lost its place among the others; null: it has it again. */
  readonly onCluster?: (error: Error | null) => void;
  /** The cold tier does not take messages; null: it does again. */
  readonly onHistory?: (error: Error | null) => void;
  /** Messages of the log, or of a cold tier of files, cannot be read any more: the file is damaged. */
  readonly onDamage?: (error: StoreError) => void;
  /** It has stopped, and a store that did not answer lacks something. */
  readonly onUnwritten?: (what: string) => void;
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
  /** What an operator should know of the stores; null where nothing is to be said. */
  readonly storeNotice: string | null;
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

/** An answer that is given at once has come by then. */
const ANSWER_MS = 100;
/** For the first commit after a takeover; traffic goes on whatever comes of it. */
const FIRST_ANSWERS_MS = 500;

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
  const prepared = prepareStores(config, options);
  // Once it is granted, a former control plane has let go of the data folder.
  const taken = options.attach === undefined ? null : await takeEngine(config, options.attach, prepared.followers, options.onPrepared);
  const attached = taken?.engine ?? null;
  if (attached !== null) undo.push(() => attached.stop());
  const stores = await prepared.open(attached !== null);
  undo.push(() => stores.close());
  const early = taken === null ? await adminBeforeEngine(config) : taken.admin;
  const host = attached ?? (await openEngine(config));
  if (attached === null) undo.push(() => host.stop());
  const clock = { now: () => Date.now(), monotonic: () => performance.now() };
  const holder = attached === null ? {} : { holder: `${host.regionName} of process ${host.stats().enginePid}` };
  const gateway = await Gateway.create({ config, port: host.port, ...stores, ...holder, clock, host, ...options });
  const { address: listening, port } = host.listening;
  const url = ownUrl(config, { host: listening, port });
  gateway.start();
  stores.archiver?.start();
  if (attached !== null) gateway.adopt(attached.snapshot, attached.pauseMs);
  host.start(gateway);
  if (stores.shared !== null) undo.push(() => gateway.stop());
  await gateway.join(config.cluster.url);
  if (attached !== null) await firstAnswers(gateway);
  await stores.openRest();
  const admin = await (early ?? (await makeAdmin(config, url))).open(gateway.admin);
  undo.push(() => admin.close());
  const agent = await openAgent(config, gateway);
  undo.push(() => agent?.close());
  const ends = { gateway, admin, agent, stores, closeTimeoutMs: config.session.closeTimeoutMs };
  const stop = attached === null ? () => stopAll(host, ends) : () => detach(attached, ends);
  let stopping: Promise<void> | null = null;
  const server: Server = {
    url, gateway,
    adminUrl: `${admin.url}/`,
    agentAddress: agent?.address ?? null,
    driver: host.driver,
    driverReason: host.driverReason,
    storeNotice: stores.notice,
    regionName: host.regionName,
    takeover: attached !== null && attached.formerPid !== 0 ? attached : null,
    stop: () => (stopping ??= stop()),
    drainAndStop: async () => {
      // The connections are the engine's, and stay for the next control plane.
      if (attached === null) await gateway.drain();
      await (stopping ??= stop());
    },
  };
  void gateway.settle();
  if (attached !== null) attached.onEnd = (end) => void server.stop().finally(() => options.onEnd?.(endError(attached.regionName, end)));
  return server;
}

interface Taken {
  readonly engine: AttachedEngine;
  /** Where there was time for it. */
  readonly admin: PreparedAdmin | null;
}

/** Who is not in a hurry yet gets ready first. */
async function takeEngine(
  config: Config, attach: AttachOptions, followers: StoreFollowers | null, onPrepared?: () => void,
): Promise<Taken> {
  // Of the engine, by which the configuration goes.
  const url = gatewayUrl(listenAddress(config.listen));
  if (attach.mode === 'replace') {
    const admin = await rehearse(config, url, followers, () => false);
    return { engine: await attachEngine(attach), admin };
  }
  if (attach.mode === 'first') return { engine: await attachEngine(attach), admin: null };
  let over = false;
  const granted = attachEngine(attach).finally(() => (over = true));
  // An engine that nobody has answers at once.
  await Promise.race([granted, new Promise((resolve) => setTimeout(resolve, ANSWER_MS))]);
  const admin = over ? null : await rehearse(config, url, followers, () => over);
  if (admin !== null && !over) onPrepared?.();
  if (followers !== null) await keepUp(followers, () => over, granted);
  return { engine: await granted, admin };
}

/**
 * Half a second goes into it. Who takes over has clients that wait, and does it behind them; those of a new engine meet a node that
 * answers. Null where it has to be known first which port there is.
 */
async function adminBeforeEngine(config: Config): Promise<PreparedAdmin | null> {
  const address = listenAddress(config.listen);
  return address.port === 0 ? null : makeAdmin(config, ownUrl(config, address));
}

function ownUrl({ network }: Config, { host, port }: ListenAddress): string {
  return gatewayUrl({ host: network === null ? host : deviceAddress(network.ips, host), port });
}

function gatewayUrl(address: ListenAddress): string {
  return `ws://${formatAddress(address)}/v1`;
}

/** Clients that have been waiting are answered before what nobody waits for is loaded. */
async function firstAnswers(gateway: Gateway): Promise<void> {
  const end = performance.now() + FIRST_ANSWERS_MS;
  do await new Promise((resolve) => setImmediate(resolve));
  while (gateway.publishesFirst && performance.now() < end);
}

interface Ends {
  readonly gateway: Gateway;
  readonly admin: AdminServer;
  readonly agent: AgentCheck | null;
  readonly stores: Stores;
  readonly closeTimeoutMs: number;
}

async function stopAll(host: EngineHost, { gateway, admin, agent, stores, closeTimeoutMs }: Ends): Promise<void> {
  const time = TimeLeft.forStores(closeTimeoutMs, stores.shared !== null);
  await gateway.stop(time);
  await agent?.close();
  await admin.close();
  await host.lastWords(closeTimeoutMs);
  host.stop();
  await stores.close(time);
}

/** Ends at a batch's boundary. The engine is let go of last: that is the sign for a successor that log and sessions are free. */
async function detach(host: AttachedEngine, { gateway, admin, agent, stores, closeTimeoutMs }: Ends): Promise<void> {
  const time = TimeLeft.forStores(closeTimeoutMs, stores.shared !== null);
  host.port.quiet();
  await gateway.release(time);
  await stores.close(time);
  host.stop();
  await Promise.all([agent?.close(), admin.close()]);
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

async function openAgent(config: Config, gateway: Gateway): Promise<AgentCheck | null> {
  if (config.agent === null) return null;
  const { startAgentCheck } = await import('../admin/index.js');
  return startAgentCheck(gateway.admin, listenAddress(config.agent));
}
