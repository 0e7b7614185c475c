/** A gateway on the fake port and the log in memory. Time stands still unless a test moves it. */

import { makeConfig, type RawConfig } from '../../src/config.js';
import type { Row } from '../../src/engine/port.js';
import type { HostInfo } from '../../src/gateway/admin/admin-view.js';
import { Gateway } from '../../src/gateway/gateway.js';
import type { HistoryStore } from '../../src/store/history-store.js';
import type { FakeClient } from './fake-client.js';
import { FakePort, type FakePortOptions } from './fake-port.js';
import { MemoryLeases, workerNumber } from './memory-leases.js';
import { MemoryLog } from './memory-log.js';
import { MemorySessions } from './memory-sessions.js';

export interface Harness {
  readonly gateway: Gateway;
  readonly port: FakePort;
  readonly log: MemoryLog;
  readonly store: MemorySessions;
  readonly time: { now: number; monotonic: number };
  /** Connects and, unless `hello` is null, says hello with these fields. */
  connect(hello?: Record<string, unknown> | null): Promise<Peer>;
  /** Delivers events and lets commits and checks finish until nothing moves. */
  settle(): Promise<void>;
  /** Moves both clocks. */
  pass(ms: number): void;
}

export interface Peer {
  readonly row: Row;
  readonly client: FakeClient;
  /** The answer to hello; empty before it. */
  readonly welcome: Record<string, unknown>;
  /** Sends and settles; the answers, headers only. */
  ask(header: Record<string, unknown> | string, body?: string | Uint8Array): Promise<Record<string, unknown>[]>;
  /** The same for bytes as they are. */
  askRaw(message: Buffer, text: boolean): Promise<Record<string, unknown>[]>;
  /** Sends without settling. */
  send(header: Record<string, unknown> | string, body?: string | Uint8Array): void;
}

export const SECRET = Buffer.alloc(32, 7);
export const START = 1_800_000_000_000;

export async function makeHarness(
  raw: RawConfig = {}, portOptions: FakePortOptions = {}, history: HistoryStore | null = null,
): Promise<Harness> {
  const port = new FakePort(portOptions);
  const log = new MemoryLog();
  const store = new MemorySessions();
  const time = { now: START, monotonic: 1000 };
  const gateway = await Gateway.create({
    config: makeConfig({ node: 'n1', ...raw }),
    port, log, store, history,
    worker: workerNumber(new MemoryLeases(), 'n1', () => time.now),
    secret: SECRET,
    clock: { now: () => time.now, monotonic: () => time.monotonic },
    host: { regionName: 'fake', driver: 'fake', driverReason: null, stats: noStats },
  });
  port.start(gateway);
  const settle = async (): Promise<void> => {
    for (let quiet = 0; quiet < 3; ) {
      quiet = port.pendingEvents > 0 || port.pendingCommands > 0 ? 0 : quiet + 1;
      port.carryOut();
      port.deliver();
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  const connect = async (hello: Record<string, unknown> | null = {}): Promise<Peer> => {
    const row = port.open();
    const client = port.client(row);
    const send: Peer['send'] = (header, body) => port.message(row, encode(header, body), typeof body !== 'object');
    const ask: Peer['ask'] = async (header, body) => {
      send(header, body);
      await settle();
      return client.take();
    };
    const askRaw: Peer['askRaw'] = async (message, text) => {
      port.message(row, message, text);
      await settle();
      return client.take();
    };
    await settle();
    const welcome = hello === null ? [] : await ask({ op: 'hello', ...hello });
    return { row, client, welcome: welcome[0] ?? {}, ask, askRaw, send };
  };
  const pass = (ms: number): void => {
    time.now += ms;
    time.monotonic += ms;
  };
  return { gateway, port, log, store, time, connect, settle, pass };
}

function encode(header: Record<string, unknown> | string, body?: string | Uint8Array): Buffer {
  const line = typeof header === 'string' ? header : JSON.stringify(header);
  return body === undefined ? Buffer.from(line) : Buffer.concat([Buffer.from(`${line}\n`), Buffer.from(body)]);
}

function noStats(): ReturnType<HostInfo['stats']> {
  const ring = { used: 0, capacity: 1 };
  return { counters: {}, eventRing: ring, commandRing: ring, enginePid: 1, ownerPid: 1, ownerEpoch: 1, detached: false };
}
