/** The protocol's operations in memory over ws: for tests of the client and the page, where the gateway would hide who is wrong. */
import { createServer } from 'node:http';
import { once } from 'node:events';
import { WebSocketServer } from 'ws';
import { decode, encode } from '../../src/client/codec.js';
import type { AddressInfo } from 'node:net';
import type { WebSocket } from 'ws';
import type { Fields, Frame } from '../../src/client/codec.js';

interface Stored {
  readonly header: Fields & { readonly server_seq: number };
  readonly body: string | Uint8Array;
}

export interface MiniChannel {
  epoch: string;
  readonly log: Stored[];
  readonly keys: Map<string, Fields>;
}

/** What survives a restart of the server. */
class MiniStore {
  readonly channels = new Map<string, MiniChannel>();

  channel(name: string): MiniChannel {
    let channel = this.channels.get(name);
    if (channel === undefined) this.channels.set(name, (channel = { epoch: 'e1', log: [], keys: new Map() }));
    return channel;
  }
}

export interface MiniOptions {
  readonly store?: MiniStore;
  readonly port?: number;
  readonly heartbeatMs?: number;
  /** Sees each operation first; true when it has dealt with it. */
  readonly intercept?: (frame: Frame, connection: MiniConnection) => boolean;
}

export interface MiniConnection {
  readonly socket: WebSocket;
  readonly name: string;
  readonly channels: Set<string>;
  send(header: Fields, body?: string | Uint8Array): void;
}

export interface MiniServer {
  readonly url: string;
  readonly port: number;
  readonly store: MiniStore;
  readonly connections: ReadonlySet<MiniConnection>;
  /** Breaks every connection and stops listening, at once. */
  kill(): Promise<void>;
}

let snowflake = 0;

export async function startMiniServer(options: MiniOptions = {}): Promise<MiniServer> {
  const { store = new MiniStore(), heartbeatMs = 25_000 } = options;
  const http = createServer();
  const sockets = new WebSocketServer({ server: http, path: '/v1' });
  const connections = new Set<MiniConnection>();
  let made = 0;
  sockets.on('connection', (socket) => {
    made += 1;
    const connection: MiniConnection = {
      socket,
      name: `user${made}`,
      channels: new Set(),
      send: (header, body) => socket.send(encode(header, body ?? null)),
    };
    connections.add(connection);
    const beat = setInterval(() => socket.send('{"op":"hb"}'), heartbeatMs);
    socket.on('close', () => {
      clearInterval(beat);
      connections.delete(connection);
    });
    socket.on('error', () => undefined);
    socket.on('message', (data, isBinary) => {
      const frame = decode(isBinary ? data : String(data));
      if (frame === null) socket.close(1002);
      else if (options.intercept?.(frame, connection) !== true) handle(frame, connection, store, connections, heartbeatMs);
    });
  });
  http.listen(options.port ?? 0, '127.0.0.1');
  await once(http, 'listening');
  const { port } = http.address() as AddressInfo;
  return {
    url: `ws://127.0.0.1:${port}`,
    port,
    store,
    connections,
    async kill() {
      for (const { socket } of connections) socket.terminate();
      sockets.close();
      http.close();
      http.closeAllConnections();
      await once(http, 'close');
    },
  };
}

function handle(frame: Frame, connection: MiniConnection, store: MiniStore, all: ReadonlySet<MiniConnection>, heartbeatMs: number): void {
  const { op, header } = frame;
  const ok = (fields: Fields = {}) => connection.send({ op: 'ok', id: header['id'], ...fields });
  const name = String(header['channel']);
  if (op === 'hello') {
    connection.send({ op: 'welcome', session: connection.name, resume: 'r', resumed: header['resume'] !== undefined, node: 'mini',
      region: 'local', heartbeat_ms: heartbeatMs, limits: {}, sync_cursor: '' });
  } else if (op === 'sub') subscribe(header, connection, store.channel(name));
  else if (op === 'unsub') {
    connection.channels.delete(name);
    ok();
  } else if (op === 'pub') ok(publish(frame, connection.name, store.channel(name), all));
  else if (op === 'history') {
    for (const { header: stored, body } of page(store.channel(name).log, header))
      connection.send({ ...stored, history: header['id'] }, body);
    ok();
  } else if (op === 'presence') {
    const members = [...all].filter(({ channels }) => channels.has(name)).map((each) => each.name);
    ok({ members, count: members.length });
  } else if (op === 'bye') connection.socket.close(1000);
}

function subscribe(header: Fields, connection: MiniConnection, channel: MiniChannel): void {
  const name = String(header['channel']);
  const since = header['since'] as
    { readonly seq?: number; readonly epoch?: string; readonly ts?: number; readonly msg_id?: string } | undefined;
  const head = channel.log.at(-1)?.header.server_seq ?? 0;
  connection.send({ op: 'ok', id: header['id'], server_seq: head, epoch: channel.epoch });
  connection.channels.add(name);
  if (since === undefined) return;
  let isWanted = ({ header: stored }: Stored) => stored.server_seq > (since.seq ?? 0);
  if (since.ts !== undefined) isWanted = ({ header: stored }) => Number(stored['server_ts']) >= Number(since.ts);
  if (since.msg_id !== undefined) isWanted = ({ header: stored }) => BigInt(String(stored['id'])) > BigInt(String(since.msg_id));
  if (since.epoch !== undefined && since.epoch !== channel.epoch) {
    connection.send({ op: 'incomplete', channel: name, from_seq: (since.seq ?? 0) + 1, to_seq: head, reason: 'epoch_changed' });
    isWanted = () => true;
  }
  for (const stored of channel.log) if (isWanted(stored)) connection.send(stored.header, stored.body);
}

function publish({ header, body }: Frame, from: string, channel: MiniChannel, all: ReadonlySet<MiniConnection>): Fields {
  // The mini server has no users: a client that reconnects is the same sender, so its key alone decides.
  const key = String(header['key']);
  const first = channel.keys.get(key);
  if (first !== undefined) return { ...first, duplicate: true };
  snowflake += 1;
  const seq = (channel.log.at(-1)?.header.server_seq ?? 0) + 1;
  const common = { server_seq: seq, server_ts: Date.now(), lamport: Number(header['lamport'] ?? 0) + 1 };
  const stored: Stored = {
    header: { op: 'msg', channel: header['channel'], id: String(snowflake), ...common, client_ts: header['client_ts'], from },
    body,
  };
  channel.log.push(stored);
  for (const each of all) if (each.channels.has(String(header['channel']))) each.send(stored.header, stored.body);
  const result = { msg_id: String(snowflake), ...common };
  channel.keys.set(key, result);
  return result;
}

function page(log: readonly Stored[], header: Fields): Stored[] {
  const limit = Number(header['limit']);
  const before = (header['before'] as { readonly seq?: number } | undefined)?.seq;
  const after = (header['after'] as { readonly seq?: number } | undefined)?.seq;
  if (after !== undefined) return log.filter((stored) => stored.header.server_seq > after).slice(0, limit);
  return log.filter((stored) => before === undefined || stored.header.server_seq < before).slice(-limit);
}
