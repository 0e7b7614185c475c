/** Starts and stops an engine in this process. */
import { cpus } from 'node:os';

import type { NetworkOptions } from '../config/device.js';
import { EngineError, InvalidError, ListenError, StoppedError } from '../errors.js';
import { RegionPort, type RegionLink } from './engine-port.js';
import { lastWords } from './last-words.js';
import { loadNative, type NativeHost, type NativeInfo, type NativeOptions } from './native.js';
import { RegionReader, type RegionCounters } from './reader.js';
import { RegionView } from './region.js';
import type { EngineEvents } from './port.js';

/** What is left out has the value of DEFAULTS. docs/ENGINE.md has the table. */
export interface EngineStartOptions {
  readonly driver?: 'auto' | 'dpdk' | 'epoll' | 'uring';
  /** With driver 'dpdk': the device and our addresses. */
  readonly network?: NetworkOptions | null;
  /** Numeric address. */
  readonly address?: string;
  /** 0: the system chooses. */
  readonly port?: number;
  /** Name of the shared region; by default made of the process id. */
  readonly name?: string;
  /** Threads of the data plane, at most one for each CPU; 1 runs it inline on this thread's event loop. */
  readonly cores?: number;
  /** Connections that the tables have room for, over all cores. */
  readonly connections?: number;
  readonly protocol?: 'plain' | 'sluice.v1';
  /** Bytes; a larger message is closed with 1009. */
  readonly maxMessage?: number;
  /** Bytes queued for one connection before it lags. */
  readonly sendBudget?: number;
  /** For the request head, from accepting on. */
  readonly upgradeTimeoutMs?: number;
  /** Detached: how long an upgrade waits for a control plane before it gets 503. */
  readonly attachWaitMs?: number;
  /** Until admit() is called for a row; 0: no deadline. */
  readonly helloTimeoutMs?: number;
  /** From our close frame to the end of the connection. */
  readonly closeTimeoutMs?: number;
  /** Silence after which a ping is sent; two missed are closed with 4002. 0: no heartbeats. */
  readonly heartbeatMs?: number;
  /** Microseconds that a poll may be put off while messages come in batches, so that more come together. */
  readonly pacingUs?: number;
  /** Bytes of the request head; more is status 431. */
  readonly maxHeadBytes?: number;
  readonly maxHeaders?: number;
  /** Request targets that are served, others get 404; empty: all. */
  readonly paths?: readonly string[];
  /** In order of preference; the first that the client offers is chosen. */
  readonly subprotocols?: readonly string[];
  /** A client that offers none of them gets 400. */
  readonly requireSubprotocol?: boolean;
  /** Origin headers that are let in, others get 403; empty: all. */
  readonly origins?: readonly string[];
  /** Bytes of the arena: recent frames in memory. */
  readonly arenaBytes?: number;
}

const KIB = 1 << 10;
const MIB = 1 << 20;

const DEFAULTS = {
  address: '127.0.0.1',
  connections: 65_536,
  maxMessage: 64 * KIB,
  sendBudget: 256 * KIB,
  upgradeTimeoutMs: 5_000,
  attachWaitMs: 2_000,
  helloTimeoutMs: 10_000,
  closeTimeoutMs: 5_000,
  heartbeatMs: 25_000,
  pacingUs: 50,
  maxHeadBytes: 8 * KIB,
  maxHeaders: 64,
  arenaBytes: 64 * MIB,
} as const;

/** What nobody has needed to choose: records and bytes of each core's rings, and its receive blocks. */
const RINGS = { eventRecords: 16_384, commandRecords: 16_384, commandDataBytes: 8 * MIB, receiveBlocks: 512 } as const;

/** A data plane that this process can talk to. */
export interface EngineHost {
  readonly port: RegionPort;
  readonly listening: { readonly address: string; readonly port: number };
  /** 'dpdk', 'epoll' or 'uring'. */
  readonly driver: string;
  /** Why the driver is not the preferred one; null when it is. */
  readonly driverReason: string | null;
  readonly regionName: string;
  /** The event loop that hosts the only core is this thread's. */
  readonly inline: boolean;
  start(events: EngineEvents): void;
  stats(): RegionCounters;
  /** Resolves when peers have acknowledged what connections that are closed said to them, or after `timeoutMs`: before stop(). */
  lastWords(timeoutMs: number): Promise<void>;
  /** Ends all connections at once. Later calls do nothing. */
  stop(): void;
}

/** Rejects with ListenError or EngineError. Listens when it resolves; nothing is served before start(). */
export async function startEngine(options: EngineStartOptions = {}): Promise<EngineHost> {
  if (options.driver === 'dpdk' && (options.network ?? null) === null) throw new InvalidError('network: the dpdk driver needs its options');
  const cores = Math.min(options.cores ?? 1, Math.max(1, cpus().length));
  const native = createNative(toNative(options, cores));
  const info = native.info();
  const region = new RegionView(native.region());
  const inline = cores === 1;
  return new Host(native, info, region, inline, options.address ?? DEFAULTS.address);
}

const OWNER_LOOK_MS = 500;

/** An engine of this process that control planes of other processes attach to. */
export interface DetachedEngine {
  readonly listening: { readonly address: string; readonly port: number };
  readonly driver: string;
  readonly driverReason: string | null;
  readonly regionName: string;
  /** Told when another control plane owns it (its process and epoch), or none does any more (0). */
  onOwner: ((pid: number, epoch: number) => void) | null;
  /** Stops listening, closes all connections with 1012 and waits for their ends, at most `timeoutMs`. */
  stop(timeoutMs: number): Promise<void>;
}

/** Throws ListenError or EngineError. */
export function startDetachedEngine(options: EngineStartOptions & { readonly name: string }): DetachedEngine {
  const cores = Math.min(options.cores ?? 1, Math.max(1, cpus().length));
  const native = createNative({ ...toNative(options, cores), detached: true });
  const info = native.info();
  const reader = new RegionReader(new RegionView(native.region()));
  try {
    native.startDetached();
  } catch (error) {
    native.stop();
    throw new EngineError(error instanceof Error ? error.message : String(error), { cause: error });
  }
  let last = '0/0';
  // Keeps the process alive as well: its work is done by threads that Node does not know.
  const timer = setInterval(() => {
    const pid = reader.counter('detached') > 0 ? 0 : reader.region.ownerPid;
    const now = `${pid}/${reader.region.ownerEpoch}`;
    if (now !== last) engine.onOwner?.(pid, reader.region.ownerEpoch);
    last = now;
  }, OWNER_LOOK_MS);
  const engine: DetachedEngine = {
    listening: { address: options.address ?? DEFAULTS.address, port: info.port },
    driver: info.driver,
    driverReason: info.driverReason === '' ? null : info.driverReason,
    regionName: info.regionName,
    onOwner: null,
    stop: async (timeoutMs) => {
      native.closeAll(1012, 'the engine is stopping');
      const deadline = performance.now() + timeoutMs;
      while (reader.counter('connections_open') > 0 && performance.now() < deadline) {
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      await lastWords(reader, Math.max(0, deadline - performance.now()));
      clearInterval(timer);
      native.stop();
    },
  };
  return engine;
}

function hostLink(native: NativeHost, inline: boolean): RegionLink {
  return {
    inline,
    start: (turn) => native.start(turn, inline),
    pump: (core, whole) => native.pump(core, whole),
    ring: (core) => native.ring(core),
    stop: () => native.stop(),
  };
}

function createNative(options: NativeOptions): NativeHost {
  const addon = loadNative();
  try {
    return new addon.Host(options);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    if (/^(listening on|binding|opening a listening socket|setting SO_REUSEPORT)|is not a numeric IPv4/.test(message)) {
      throw new ListenError(message, { cause: error });
    }
    if (/Choose another name\.$/.test(message)) throw new EngineError(message, { cause: error, remedy: 'Or stop that process.' });
    throw new EngineError(message, { cause: error });
  }
}

function toNative(options: EngineStartOptions, cores: number): NativeOptions {
  const maxMessage = options.maxMessage ?? DEFAULTS.maxMessage;
  const connections = options.connections ?? DEFAULTS.connections;
  // A frame lies in one chunk, and a message that spans buffers is copied once while it grows: both need room for the largest.
  const arenaChunkBytes = powerOfTwo(Math.max(4 * MIB, maxMessage + 8192));
  const arenaChunks = Math.max(4, Math.ceil((options.arenaBytes ?? DEFAULTS.arenaBytes) / arenaChunkBytes));
  return {
    ...RINGS,
    name: options.name ?? `${process.pid}-${counter++}`,
    cores,
    connectionsPerCore: Math.ceil(connections / cores),
    assemblyBytes: powerOfTwo(Math.max(128 * MIB, maxMessage * 4)),
    arenaChunkBytes,
    arenaChunks,
    protocol: options.protocol ?? 'plain',
    maxMessage,
    sendBudget: options.sendBudget ?? DEFAULTS.sendBudget,
    upgradeTimeoutMs: options.upgradeTimeoutMs ?? DEFAULTS.upgradeTimeoutMs,
    attachWaitMs: options.attachWaitMs ?? DEFAULTS.attachWaitMs,
    helloTimeoutMs: options.helloTimeoutMs ?? DEFAULTS.helloTimeoutMs,
    closeTimeoutMs: options.closeTimeoutMs ?? DEFAULTS.closeTimeoutMs,
    heartbeatMs: options.heartbeatMs ?? DEFAULTS.heartbeatMs,
    pacingUs: options.pacingUs ?? DEFAULTS.pacingUs,
    maxHeadBytes: options.maxHeadBytes ?? DEFAULTS.maxHeadBytes,
    maxHeaders: options.maxHeaders ?? DEFAULTS.maxHeaders,
    paths: options.paths ?? [],
    subprotocols: options.subprotocols ?? [],
    requireSubprotocol: options.requireSubprotocol ?? false,
    origins: options.origins ?? [],
    driver: options.driver === undefined || options.driver === 'dpdk' ? 'auto' : options.driver,
    network: options.driver === 'dpdk' ? (options.network ?? null) : null,
    address: options.address ?? DEFAULTS.address,
    port: options.port ?? 0,
    detached: false,
  };
}

let counter = 0;

function powerOfTwo(value: number): number {
  return 2 ** Math.ceil(Math.log2(value));
}

class Host implements EngineHost {
  readonly port: RegionPort;
  readonly listening: { readonly address: string; readonly port: number };
  readonly driver: string;
  readonly driverReason: string | null;
  readonly regionName: string;
  readonly inline: boolean;
  readonly #reader: RegionReader;
  #stopped = false;

  constructor(native: NativeHost, info: NativeInfo, region: RegionView, inline: boolean, address: string) {
    this.port = new RegionPort(hostLink(native, inline), region);
    this.listening = { address, port: info.port };
    this.driver = info.driver;
    this.driverReason = info.driverReason === '' ? null : info.driverReason;
    this.regionName = info.regionName;
    this.inline = inline;
    this.#reader = new RegionReader(region);
  }

  start(events: EngineEvents): void {
    if (this.#stopped) throw new StoppedError('the engine is stopped');
    this.port.start(events);
  }

  stats(): RegionCounters {
    return this.#reader.read();
  }

  async lastWords(timeoutMs: number): Promise<void> {
    if (!this.#stopped) await lastWords(this.#reader, timeoutMs);
  }

  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.port.stop();
  }
}
