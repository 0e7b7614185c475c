/** `createEngine`: plain WebSocket servers on the engine, without channels' order, sessions or a log. */
import { parseAddress } from '../config/address.js';
import { BusyError, InvalidError, StoppedError, TooBigError } from '../errors.js';
import { checkEngineOptions } from './check-options.js';
import { frameHeaderBytes, writeFrameHeader } from './frame-header.js';
import { startEngine, type EngineHost, type EngineStartOptions } from './host.js';
import type { EngineEvents, EngineNotice, OpenRequest, Row } from './port.js';
import type { RegionCounters } from './reader.js';
import { TopicTable } from './topics.js';

const ARENA_RETRY_MS = 5;
const ARENA_REMEDY = { remedy: 'Wait for retryAfterMs, then publish it again; raise arenaBytes where that happens often.' };

/**
 * One connection, from open() until close() has returned; a number, so that it can be kept in typed arrays or as a key. A handle that is
 * closed stays invalid for good: calls with it return false.
 */
export type Connection = number;

/** The HTTP request that became the connection. */
export interface UpgradeRequest {
  /** Request target, "/chat?room=1". */
  readonly target: string;
  /** By lower-case name; a header that comes repeatedly is joined with ", ". */
  readonly headers: ReadonlyMap<string, string>;
  /** "127.0.0.1" or "::1". */
  readonly peerAddress: string;
  readonly peerPort: number;
}

/** What the application is told, each within one turn of the event loop. An exception surfaces as an uncaught one. */
export interface EngineHandlers {
  /** After the upgrade; `request` is valid during the call. */
  open?(connection: Connection, request: UpgradeRequest): void;
  /** `data` is a view of received bytes, valid during the call: copy what is kept. Passing it, or a part of it, to send() costs no copy. */
  message?(connection: Connection, data: Uint8Array, isText: boolean): void;
  /** Everything sent to the connection has left the send queue; after notifyWritable(). */
  writable?(connection: Connection): void;
  /** RFC 6455 §7.1.5: 1005 when the peer gave no code, 1006 when the stream ended without a close frame. */
  close?(connection: Connection, code: number, reason: string): void;
  /** The connection fell behind its send budget; it is no longer subscribed to the topic. */
  lagging?(connection: Connection, topic: string): void;
  /** Once where files, memory or the listener fail: something for the operator's log. */
  notice?(kind: EngineNotice, value: number): void;
}

export interface CreateEngineOptions extends Omit<EngineStartOptions, 'protocol' | 'address' | 'port' | 'helloTimeoutMs'>, EngineHandlers {
  /** "127.0.0.1:9000", "[::1]:9000"; port 0 lets the system choose. */
  readonly listen: string;
}

/** RFC 6455 §7.1.5 */
const ABNORMAL = 1006;
const GENERATION_UNIT = 2 ** 32;
/** Handles stay below 2^53. */
const GENERATION_MASK = 0x1fffff;

/** Starts a server that listens when the promise resolves. Rejects with ListenError, EngineError or InvalidError. */
export async function createEngine(options: CreateEngineOptions): Promise<Engine> {
  checkEngineOptions(options);
  const listen = parseAddress(options.listen);
  if (listen === null) throw new InvalidError(`listen: '${options.listen}' is no address; write 127.0.0.1:9000 or [::1]:9000`);
  const host = await startEngine({ ...options, address: listen.host, port: listen.port, protocol: 'plain', helloTimeoutMs: 0 });
  return new Engine(host, options);
}

const NOTHING = new Uint8Array(0);

/**
 * What message() was handed last: the view and where its bytes lie, the handle and its row. What is sent back is known by them, without
 * asking the view or the table. In an object that lives as long as a turn: V8 notes each young object that is stored into an old one,
 * which this one never gets to be.
 */
class Given {
  view: Uint8Array = NOTHING;
  address = 0;
  length = 0;
  row: Row = -1;
  /** Never only a number: V8 would keep the number itself and make an object of it for each handler that it is passed to. */
  handle: Connection | null = null;
}

/** A plain WebSocket server; made by createEngine(). After stop() its connections are closed, and calls with them return false. */
export class Engine {
  readonly #host: EngineHost;
  readonly #handlers: EngineHandlers;
  readonly #topics: TopicTable;
  /** Handle of each row's open connection; 0 when there is none. */
  readonly #handles: Float64Array;
  /** Memory of the region, asked for once: a typed array's `buffer` is a call. */
  readonly #buffer: ArrayBufferLike;
  #given = new Given();
  #stopping: Promise<void> | null = null;

  constructor(host: EngineHost, handlers: EngineHandlers) {
    this.#host = host;
    this.#handlers = handlers;
    this.#handles = new Float64Array(host.port.rows);
    this.#topics = new TopicTable(host.port.rows);
    this.#buffer = host.port.memory.buffer;
    host.start(this.#events());
  }

  /** Port that is listened on. */
  get port(): number {
    return this.#host.listening.port;
  }
  /** Numeric address that is listened on. */
  get address(): string {
    return this.#host.listening.address;
  }
  /** 'dpdk', 'epoll' or 'uring'. */
  get driver(): string {
    return this.#host.driver;
  }
  /** Why the driver is not the preferred one; null when it is. */
  get driverReason(): string | null {
    return this.#host.driverReason;
  }
  /** What `sluice stat --name` takes. */
  get regionName(): string {
    return this.#host.regionName;
  }

  /**
   * False when the connection is closed. A string is always text. Data of your own (not a view that message() got) may have up to
   * half of the command ring, 4 MiB; TooBigError above.
   */
  send(connection: Connection, data: Uint8Array | string, isText = typeof data === 'string'): boolean {
    const given = this.#given;
    if (data !== given.view || connection !== given.handle) return this.#send(connection, data, isText);
    this.#host.port.send(given.row, given.address, given.length, isText);
    return true;
  }

  /** Not what message() was handed last, or not to whom it came from. Apart, so that V8 makes the way of an answer one piece of code. */
  #send(connection: Connection, data: Uint8Array | string, isText: boolean): boolean {
    const row = this.#row(connection);
    if (row < 0) return false;
    const port = this.#host.port;
    const given = this.#given;
    if (data === given.view) {
      port.send(row, given.address, given.length, isText);
    } else if (typeof data === 'string') {
      port.sendCopy(row, data, true);
    } else if (data?.buffer === this.#buffer) {
      port.send(row, data.byteOffset, data.length, isText);
    } else {
      checkData(data);
      port.sendCopy(row, data, isText);
    }
    return true;
  }

  /** The connection gets what is published to the topic from now on. False when it is closed. Throws InvalidError. */
  subscribe(connection: Connection, topic: string): boolean {
    const row = this.#row(connection);
    if (row < 0) return false;
    if (typeof topic !== 'string') throw new InvalidError('topic: expected a string');
    const id = this.#topics.join(row, topic);
    if (id >= 0) this.#host.port.subscribe(row, id);
    return true;
  }

  /** False when the connection is closed. */
  unsubscribe(connection: Connection, topic: string): boolean {
    const row = this.#row(connection);
    if (row < 0) return false;
    const id = this.#topics.leave(row, topic);
    if (id >= 0) this.#host.port.unsubscribe(row, id);
    return true;
  }

  /**
   * Sends to all subscribers of the topic. Within a turn what is sent to single connections goes out first, then what was published; the
   * order within a topic is kept. False when nobody is subscribed. Throws TooBigError when the message does not fit a chunk of the arena,
   * BusyError while a core has yet to carry out what was published before in all of the arena: then the same may be published again soon.
   */
  publish(topic: string, data: Uint8Array | string, isText = typeof data === 'string'): boolean {
    if (this.#stopping !== null) throw new StoppedError('the engine is stopped');
    const id = this.#topics.idOf(topic);
    if (id < 0) return false;
    if (typeof data !== 'string') checkData(data);
    const port = this.#host.port;
    const length = typeof data === 'string' ? Buffer.byteLength(data) : data.length;
    const header = frameHeaderBytes(length);
    const { chunkSize } = port.arena;
    if (header + length > chunkSize) throw new TooBigError(`${length} bytes do not fit a chunk of the arena (${chunkSize} bytes)`);
    const address = port.arena.claim(header + length);
    if (address < 0) throw new BusyError('a core is behind with what was published: the arena is full', ARENA_RETRY_MS, ARENA_REMEDY);
    writeFrameHeader(port.memory, address, length, isText);
    if (typeof data === 'string') {
      port.memory.write(data, address + header, length, 'utf8');
    } else {
      port.memory.set(data, address + header);
    }
    port.publish(id, address, header + length, 0);
    return true;
  }

  /**
   * Starts the close handshake; the handler close() is called when it is over. False when the connection is closed. Throws InvalidError
   * for a code that may not be sent (RFC 6455 §7.4) and a reason of more than 123 bytes.
   */
  close(connection: Connection, code = 1000, reason = ''): boolean {
    const row = this.#row(connection);
    if (row < 0) return false;
    checkCloseCode(code);
    if (Buffer.byteLength(reason) > 123) throw new InvalidError('reason: at most 123 bytes of UTF-8');
    this.#host.port.close(row, code, reason);
    return true;
  }

  /** writable() is called once, when everything sent so far has left the send queue. False when the connection is closed. */
  notifyWritable(connection: Connection): boolean {
    const row = this.#row(connection);
    if (row >= 0) this.#host.port.notifyWritable(row);
    return row >= 0;
  }
  /** Stops receiving: the sender's TCP window fills. False when the connection is closed. */
  pause(connection: Connection): boolean {
    const row = this.#row(connection);
    if (row >= 0) this.#host.port.pause(row);
    return row >= 0;
  }
  /** Receives again after pause(). False when the connection is closed. */
  resume(connection: Connection): boolean {
    const row = this.#row(connection);
    if (row >= 0) this.#host.port.resume(row);
    return row >= 0;
  }

  /** The counters of `sluice stat`, summed over the cores. */
  stats(): RegionCounters {
    return this.#host.stats();
  }

  /**
   * Refuses new connections, closes all with `code` and waits for their close handshakes, at most `timeoutMs`. Then frees all. Called again
   * it resolves with the first call.
   */
  async stop(code = 1001, timeoutMs = 2_000): Promise<void> {
    checkCloseCode(code);
    return (this.#stopping ??= this.#stop(code, timeoutMs));
  }

  async #stop(code: number, timeoutMs: number): Promise<void> {
    const port = this.#host.port;
    port.setHealth('draining', 1);
    port.stopListening();
    for (const handle of this.#handles) {
      if (handle !== 0) port.close(handle % GENERATION_UNIT, code, '');
    }
    const deadline = performance.now() + timeoutMs;
    while (performance.now() < deadline && this.#handles.some((handle) => handle !== 0)) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    // Their memory goes: a handle that is still used must find nothing. What its handler throws is the application's, not this promise's.
    this.#given = new Given();
    for (const [row, handle] of this.#handles.entries()) {
      if (handle === 0) continue;
      this.#handles[row] = 0;
      queueMicrotask(() => this.#handlers.close?.(handle, ABNORMAL, ''));
    }
    await this.#host.lastWords(Math.max(0, deadline - performance.now()));
    this.#host.stop();
  }

  /** Row of an open connection, or -1. */
  #row(connection: Connection): number {
    // The lower 32 bits, as % would have them at five times the price; of what is no handle the comparison says so. As a signed number,
    // which rows fit: V8 would go by way of floating point for one that may be unsigned or -1.
    const row = connection | 0;
    return row >= 0 && this.#handles[row] === connection && connection > 0 ? row : -1;
  }

  #events(): EngineEvents {
    const port = this.#host.port;
    const handlers = this.#handlers;
    const handles = this.#handles;
    const buffer = this.#buffer;
    return {
      onOpen: (row, request) => {
        handles[row] = ((port.generation(row) & GENERATION_MASK) || 1) * GENERATION_UNIT + row;
        handlers.open?.(handles[row]!, lazyRequest(port.memory, request));
      },
      onMessage: (row, address, length, _headerLength, text) => {
        const given = this.#given;
        // One that sends much has several messages at a time.
        if (row !== given.row) {
          const handle = handles[row]!;
          if (handle === 0) return;
          given.row = row;
          given.handle = handle;
        }
        if (handlers.message === undefined) return;
        const data = new Uint8Array(buffer, address, length);
        given.view = data;
        given.address = address;
        given.length = length;
        handlers.message(given.handle as Connection, data, text);
      },
      onClose: (row, code, reason) => this.#closed(row, code, reason),
      onWritable: (row) => handlers.writable?.(handles[row]!),
      onLagging: (row, channelId) => {
        const topic = this.#topics.nameOf(channelId);
        this.#topics.leave(row, topic);
        handlers.lagging?.(handles[row]!, topic);
      },
      onNotice: (kind, _core, value) => handlers.notice?.(kind, value),
      onTurnEnd: (core, position) => {
        this.#given = new Given();
        port.confirm(core, position);
      },
    };
  }

  #closed(row: Row, code: number, reason: string): void {
    const handle = this.#handles[row]!;
    this.#handles[row] = 0;
    if (this.#given.row === row) this.#given = new Given();
    const port = this.#host.port;
    this.#topics.leaveAll(row, (id) => port.unsubscribe(row, id));
    port.release(row);
    this.#handlers.close?.(handle, code, reason);
  }
}

function checkCloseCode(code: number): void {
  const valid = (code >= 1000 && code <= 1014 && code !== 1004 && code !== 1005 && code !== 1006) || (code >= 3000 && code <= 4999);
  if (!Number.isInteger(code) || !valid) throw new InvalidError(`code: ${code} may not be sent (RFC 6455 §7.4)`);
}

/** What has no length would go out as an empty message. */
function checkData(data: unknown): void {
  if (!(data instanceof Uint8Array)) throw new InvalidError('data: expected a string or a Uint8Array (a Buffer is one)');
}

/** Headers are parsed only for those who look. */
function lazyRequest(memory: Buffer, request: OpenRequest): UpgradeRequest {
  const head = memory.toString('latin1', request.address, request.address + request.length);
  let headers: Map<string, string> | null = null;
  return {
    target: head.slice(head.indexOf(' ') + 1, head.indexOf(' ', head.indexOf(' ') + 1)),
    get headers() {
      return (headers ??= parseHeaders(head));
    },
    peerAddress: request.peerAddress,
    peerPort: request.peerPort,
  };
}

function parseHeaders(head: string): Map<string, string> {
  const headers = new Map<string, string>();
  for (const line of head.split('\r\n').slice(1)) {
    const colon = line.indexOf(':');
    if (colon <= 0) continue;
    const name = line.slice(0, colon).toLowerCase();
    const value = line.slice(colon + 1).trim();
    const before = headers.get(name);
    headers.set(name, before === undefined ? value : `${before}, ${value}`);
  }
  return headers;
}
