/** The only declaration of the addon. */
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

import type { NetworkOptions } from '../config/device.js';
import { EngineError } from '../errors.js';
import { LAYOUT } from './layout.js';

export interface NativeOptions {
  readonly name: string;
  readonly cores: number;
  readonly connectionsPerCore: number;
  readonly eventRecords: number;
  readonly commandRecords: number;
  readonly commandDataBytes: number;
  readonly receiveBlocks: number;
  readonly assemblyBytes: number;
  readonly arenaChunkBytes: number;
  readonly arenaChunks: number;
  readonly protocol: 'plain' | 'sluice.v1';
  readonly maxMessage: number;
  readonly sendBudget: number;
  readonly upgradeTimeoutMs: number;
  readonly helloTimeoutMs: number;
  readonly closeTimeoutMs: number;
  readonly attachWaitMs: number;
  readonly heartbeatMs: number;
  readonly pacingUs: number;
  readonly maxHeadBytes: number;
  readonly maxHeaders: number;
  readonly paths: readonly string[];
  readonly subprotocols: readonly string[];
  readonly requireSubprotocol: boolean;
  readonly origins: readonly string[];
  /** Of kernel sockets; without meaning where there is a network. */
  readonly driver: 'auto' | 'epoll' | 'uring';
  /** Our own stack on a DPDK port; null for kernel sockets. */
  readonly network: NetworkOptions | null;
  readonly address: string;
  readonly port: number;
  /** Control planes attach from processes of their own: startDetached() instead of start(). */
  readonly detached: boolean;
}

export interface NativeInfo {
  readonly port: number;
  readonly driver: string;
  readonly driverReason: string;
  readonly regionName: string;
}

export interface NativeHost {
  region(): ArrayBuffer;
  info(): NativeInfo;
  /** `turn` runs when events are visible. `inline`: the core lives on this thread's event loop (one core only). */
  start(turn: () => void, inline: boolean): void;
  startDetached(): void;
  /** Stops listening and closes every connection of an engine that was started by startDetached(). */
  closeAll(code: number, reason: string): void;
  /** Hands over commands that were written outside of a turn. `whole`: all of them are done with when it returns. */
  pump(core: number, whole: boolean): void;
  ring(core: number): void;
  stop(): void;
}

/** A hold on the region of an engine in another process. */
export interface NativeAttachment {
  region(): ArrayBuffer;
  snapshot(): ArrayBuffer;
  info(): { readonly epoch: number; readonly formerPid: number; readonly pauseMs: number };
  /** `said`: 'stop', process `pid` takes over; 'gone', the engine has ended. */
  listen(said: (what: 'stop' | 'gone', pid: number) => void): void;
  /** `turn` runs when events are visible after prepareSleep. */
  start(turn: () => void): void;
  ring(core: number): void;
  /** The first turn is over. */
  running(): void;
  /** Gives the region up. */
  stop(): void;
}

export interface UringProbe {
  readonly usable: boolean;
  readonly reason: string;
  readonly multishotAccept: boolean;
  readonly multishotReceive: boolean;
  readonly providedBuffers: boolean;
  readonly incrementalBuffers: boolean;
  readonly deferTaskrun: boolean;
  readonly singleIssuer: boolean;
  readonly coopTaskrun: boolean;
  readonly silentSends: boolean;
}

export interface DpdkProbe {
  /** The driver is built and its libraries load. */
  readonly usable: boolean;
  /** Why it is not, and what to do. */
  readonly reason: string;
  /** "DPDK 22.11.11" */
  readonly version: string;
}

/** 'first': nobody may be attached; 'replace': who is attached is asked to stop; 'standby': its end is waited for. */
export type AttachMode = 'first' | 'replace' | 'standby';

/** See src/session/resume-token.ts. */
export interface NativeResumeTokens {
  sign(statement: Uint8Array, length: number): string;
  /** Length of the statement, which is written to `statement` (RESUME_STATEMENT_MAX bytes); -1 where the token is forged or damaged. */
  verify(token: string, statement: Uint8Array): number;
  /**
   * Writes at `address` of `memory`, and every `stride` bytes behind it, the `welcome`s of new sessions without a user; returns the length
   * of each. `ids`: four words a session; `tail`: what follows the token.
   */
  writeWelcomes(
    ids: Uint32Array, count: number, version: number, tail: Uint8Array, memory: Uint8Array, address: number, stride: number,
  ): number;
}

/** A thread that writes to files, one piece at a time. */
export interface NativeFileWriter {
  /** `done` is called when the file has bytes[from, from + length) at `at`, or cannot take them. */
  write(fd: number, bytes: Uint8Array, from: number, length: number, at: number): void;
  /** Waits for the piece that is being written, whose end is not told any more. */
  close(): void;
}

/** Room that verify() asks for. */
export const RESUME_STATEMENT_MAX = 276;

export interface NativeAddon {
  /** `done` is told errno, 0 for success; `ahead`: the thread goes before others where the system gives it real-time priority. */
  readonly FileWriter: new (done: (errno: number) => void, ahead: boolean) => NativeFileWriter;
  readonly ResumeTokens: new (secret: Uint8Array) => NativeResumeTokens;
  readonly Host: new (options: NativeOptions) => NativeHost;
  /**
   * Asks the engine for its region: throws an Error that says what to do, or tells `answered` one day, with the reason where it is refused.
   * What it returns gives up waiting.
   */
  attach(name: string, how: AttachMode, answered: (reason: string | null, attachment: NativeAttachment | null) => void): () => void;
  attachRegion(name: string, writable: boolean): ArrayBuffer;
  describeLayout(): Readonly<Record<string, Readonly<Record<string, number>>>>;
  probe(): { readonly uring: UringProbe; readonly dpdk: DpdkProbe };
}

let loaded: NativeAddon | null = null;

/** Loads the addon once. Throws EngineError when it is not built or is another release's. */
export function loadNative(): NativeAddon {
  if (loaded !== null) return loaded;
  const require = createRequire(import.meta.url);
  let addon: NativeAddon;
  try {
    const bindings = require('bindings') as (options: { bindings: string; module_root: string }) => NativeAddon;
    addon = bindings({ bindings: 'sluice.node', module_root: fileURLToPath(new URL('../..', import.meta.url)) });
  } catch (error) {
    throw new EngineError('the native addon could not be loaded', { cause: error });
  }
  const hash = addon.describeLayout()['LAYOUT']?.['HASH'];
  if (hash !== LAYOUT.HASH) throw new EngineError('the native addon has another memory layout than this JavaScript: run `npm run build`');
  loaded = addon;
  return addon;
}
