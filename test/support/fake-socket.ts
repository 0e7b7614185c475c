import { decode, encode } from '../../src/client/codec.js';
import { createClient } from '../../src/client/index.js';
import { FakeClock } from './fake-clock.js';
import type { Fields, Frame } from '../../src/client/codec.js';
import type { Client, ClientOptions, WebSocketLike } from '../../src/client/index.js';

/** A WebSocket whose peer is the test. */
export class FakeSocket implements WebSocketLike {
  binaryType = 'blob';
  onopen: ((event: unknown) => void) | null = null;
  onmessage: ((event: unknown) => void) | null = null;
  onclose: ((event: unknown) => void) | null = null;
  onerror: ((event: unknown) => void) | null = null;
  readonly url: string;
  readonly protocols: string | string[] | undefined;
  readonly raw: (string | Uint8Array)[] = [];
  closedWith: number | null | undefined = null;
  #read = 0;

  constructor(url: string, protocols?: string | string[]) {
    this.url = url;
    this.protocols = protocols;
  }

  send(data: string | Uint8Array): void {
    this.raw.push(data);
  }

  close(code?: number): void {
    this.closedWith = code;
  }

  /** What the client sent since the last call. */
  take(): Frame[] {
    const frames = this.raw.slice(this.#read).map((data) => decode(data));
    this.#read = this.raw.length;
    return frames.filter((frame) => frame !== null);
  }

  /** The one frame with this op that the client sent since the last call of take(). */
  takeOne(op: string): Frame {
    const frames = this.take().filter((frame) => frame.op === op);
    if (frames.length !== 1 || frames[0] === undefined) throw new Error(`${frames.length} frames '${op}' where one was expected`);
    return frames[0];
  }

  push(header: Fields, body: string | Uint8Array | null = null): void {
    const data = encode(header, body);
    this.onmessage?.({ data: typeof data === 'string' ? data : data.buffer });
  }

  pushRaw(data: unknown): void {
    this.onmessage?.({ data });
  }

  message(channel: string, seq: number, body = `m${seq}`, more: Fields = {}): void {
    this.push({ op: 'msg', channel, id: String(1000 + seq), server_seq: seq, server_ts: seq, lamport: seq, from: 'x', ...more }, body);
  }

  ok(request: Frame, fields: Fields = {}): void {
    this.push({ op: 'ok', id: request.header['id'], ...fields });
  }

  err(request: Frame, code: number, more: Fields = {}): void {
    this.push({ op: 'err', id: request.header['id'], code, name: 'test', message: `refused ${code}`, ...more });
  }

  /** The peer closes. */
  drop(code = 1006, reason = ''): void {
    this.onclose?.({ code, reason });
  }

  /** Opens and welcomes; returns the hello. */
  welcome(fields: Fields = {}): Frame {
    this.onopen?.({});
    const hello = this.takeOne('hello');
    this.push({ op: 'welcome', session: 's1', resume: 'r1', resumed: false, node: 'n1', region: 'local', heartbeat_ms: 1000, ...fields });
    return hello;
  }
}

export interface Rig {
  readonly clock: FakeClock;
  readonly sockets: FakeSocket[];
  readonly client: Client;
  /** The latest socket. */
  readonly socket: FakeSocket;
  /** connect() and welcome. */
  open(fields?: Fields): FakeSocket;
  /** Breaks the connection and lets the client come back. */
  reopen(code?: number, fields?: Fields): FakeSocket;
}

/** A client on fake sockets and a fake clock. `random` is 0.5 unless given. */
export function rig(options: Partial<ClientOptions> = {}): Rig {
  const clock = new FakeClock();
  const sockets: FakeSocket[] = [];
  class Socket extends FakeSocket {
    constructor(url: string, protocols?: string | string[]) {
      super(url, protocols);
      sockets.push(this);
    }
  }
  const client = createClient({ url: 'ws://gateway.test', WebSocket: Socket, clock, random: () => 0.5, ...options });
  const last = () => {
    const socket = sockets.at(-1);
    if (socket === undefined) throw new Error('no socket was made');
    return socket;
  };
  return {
    clock,
    sockets,
    client,
    get socket() {
      return last();
    },
    open(fields) {
      client.connect().catch(() => undefined);
      last().welcome(fields);
      return last();
    },
    reopen(code = 1006, fields = {}) {
      const before = sockets.length;
      last().drop(code);
      // The retry is the next timer; the heartbeat's went with the connection.
      clock.advance(clock.nextIn ?? 0);
      if (sockets.length !== before + 1) throw new Error('the client did not dial again');
      last().welcome(fields);
      return last();
    },
  };
}
