/** A control plane's end of an engine in another process. */
import { AttachError } from '../errors.js';
import { RegionPort } from './engine-port.js';
import type { EngineHost } from './host.js';
import { loadNative, type AttachMode, type NativeAttachment } from './native.js';
import { RegionReader, type RegionCounters } from './reader.js';
import { RegionView } from './region.js';
import { parseSnapshot, type Snapshot } from './snapshot.js';
import type { EngineEvents } from './port.js';
import type { RegionError } from '../errors.js';

export interface AttachOptions {
  readonly name: string;
  readonly mode: AttachMode;
  /** For the answer; a standby waits for as long as it takes. */
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
  /** Told at once of an end that has come already. */
  onEnd: ((end: AttachmentEnd) => void) | null;
}

const TIMEOUT_MS = 10_000;

/** Rejects with AttachError; then nothing of the region was touched. Once it resolves, a former control plane has stopped. */
export async function attachEngine(options: AttachOptions): Promise<AttachedEngine> {
  const native = await requestRegion(options);
  return new Attached(native, options.name);
}

function requestRegion({ name, mode, timeoutMs = TIMEOUT_MS }: AttachOptions): Promise<NativeAttachment> {
  const addon = loadNative();
  return new Promise((resolve, reject) => {
    let timer: NodeJS.Timeout | undefined;
    const answered = (reason: string | null, attachment: NativeAttachment | null): void => {
      clearTimeout(timer);
      if (attachment !== null) resolve(attachment);
      else reject(new AttachError(reason ?? 'the engine gives no reason'));
    };
    let giveUp: () => void;
    try {
      giveUp = addon.attach(name, mode, answered);
    } catch (error) {
      reject(new AttachError(error instanceof Error ? error.message : String(error)));
      return;
    }
    if (mode === 'standby') return;
    timer = setTimeout(() => {
      giveUp();
      reject(new AttachError('the engine did not answer in time: the control plane that is attached may not be able to stop'));
    }, timeoutMs);
  });
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
  #onEnd: ((end: AttachmentEnd) => void) | null = null;
  #ended: AttachmentEnd | null = null;
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
    this.snapshot = parseSnapshot(Buffer.from(native.snapshot()), region.cores, region.connectionsPerCore);
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

  /** The engine goes on, and with it what its peers have to acknowledge. */
  async lastWords(): Promise<void> {}

  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.port.stop();
  }

  #end(end: AttachmentEnd): void {
    if (this.#stopped || this.#ended !== null) return;
    this.#ended = end;
    this.#onEnd?.(end);
  }

  get onEnd(): ((end: AttachmentEnd) => void) | null {
    return this.#onEnd;
  }
  set onEnd(told: ((end: AttachmentEnd) => void) | null) {
    this.#onEnd = told;
    if (this.#ended !== null) told?.(this.#ended);
  }
}
