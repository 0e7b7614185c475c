/** A control plane's end of an engine in another process. */
import { AttachError } from '../errors.js';
import { RegionPort } from './engine-port.js';
import type { EngineHost } from './host.js';
import { loadNative, type NativeAttachment } from './native.js';
import { RegionReader, type RegionCounters } from './reader.js';
import { RegionView } from './region.js';
import { parseSnapshot, type Snapshot } from './snapshot.js';
import type { EngineEvents } from './port.js';
import type { RegionError } from '../errors.js';

export interface AttachOptions {
  readonly name: string;
  /** Takes over from a control plane that is attached. */
  readonly replace: boolean;
  readonly timeoutMs?: number;
}

/** Why an attachment ends without its owner's doing. */
export type AttachmentEnd =
  | { readonly why: 'replaced'; readonly pid: number }
  | { readonly why: 'engine_gone' }
  | { readonly why: 'failed'; readonly error: RegionError };

export interface AttachedEngine extends EngineHost {
  /** Grows with each control plane that takes the engine over. */
  readonly epoch: number;
  /** Process that was attached before; 0 none. */
  readonly formerPid: number;
  readonly snapshot: Snapshot;
  /** Milliseconds without a control plane, when it was granted. */
  readonly pauseMs: number;
  /** Set before start(). */
  onEnd: ((end: AttachmentEnd) => void) | null;
}

const TIMEOUT_MS = 10_000;

/** Rejects with AttachError; then nothing of the region was touched. Once it resolves, a former control plane has stopped. */
export async function attachEngine(options: AttachOptions): Promise<AttachedEngine> {
  const addon = loadNative();
  let native: NativeAttachment;
  try {
    native = await addon.attach(options.name, options.replace, options.timeoutMs ?? TIMEOUT_MS);
  } catch (error) {
    throw new AttachError(error instanceof Error ? error.message : String(error));
  }
  return new Attached(native, options.name);
}

/** What a running engine was told of its listener and limits, which a control plane goes by. Throws RegionError. */
export function describeEngine(name: string): { listen: string; messageBytes: number; sendBudgetBytes: number; heartbeatMs: number } {
  const region = RegionReader.attach(name).region;
  const { listenAddress, listenPort, maxMessage, sendBudget, heartbeatMs } = region;
  const host = listenAddress.includes(':') ? `[${listenAddress}]` : listenAddress;
  return { listen: `${host}:${listenPort}`, messageBytes: maxMessage, sendBudgetBytes: sendBudget, heartbeatMs };
}

class Attached implements AttachedEngine {
  readonly port: RegionPort;
  readonly listening: { readonly address: string; readonly port: number };
  readonly driver: string;
  readonly driverReason: string | null;
  readonly regionName: string;
  readonly inline = false;
  readonly epoch: number;
  readonly formerPid: number;
  readonly pauseMs: number;
  readonly snapshot: Snapshot;
  onEnd: ((end: AttachmentEnd) => void) | null = null;
  readonly #reader: RegionReader;
  readonly #native: NativeAttachment;
  #stopped = false;

  constructor(native: NativeAttachment, name: string) {
    const region = new RegionView(native.region());
    const { epoch, formerPid, pauseMs } = native.info();
    this.#native = native;
    this.epoch = epoch;
    this.formerPid = formerPid;
    this.pauseMs = pauseMs;
    this.snapshot = parseSnapshot(native.snapshot(), region.cores, region.connectionsPerCore);
    const link = {
      inline: false,
      start: (turn: () => void) => native.start(turn),
      pump: (core: number) => native.ring(core),
      ring: (core: number) => native.ring(core),
      stop: () => native.stop(),
    };
    const failed = (error: RegionError): void => this.#end({ why: 'failed', error });
    this.port = new RegionPort(link, region, { snapshot: this.snapshot, epoch, failed });
    this.listening = { address: region.listenAddress, port: region.listenPort };
    this.driver = region.driver;
    this.driverReason = region.driverReason === '' ? null : region.driverReason;
    this.regionName = name;
    this.#reader = new RegionReader(region);
    native.listen((what, pid) => this.#end(what === 'stop' ? { why: 'replaced', pid } : { why: 'engine_gone' }));
  }

  start(events: EngineEvents): void {
    this.port.start(events);
    // Behind the first turn, which setImmediate() was asked for just now.
    setImmediate(() => this.#native.running());
  }

  stats(): RegionCounters {
    return this.#reader.read();
  }

  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.port.stop();
  }

  #end(end: AttachmentEnd): void {
    if (!this.#stopped) this.onEnd?.(end);
  }
}
