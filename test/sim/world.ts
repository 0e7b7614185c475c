/**
 * The real gateway and the real client on virtual time: between them a network that delays and breaks, below them stores that are slow,
 * fail, and at whose steps the gateway dies. What survives a death is in the stores only.
 */

import { createClient, type Client, type Incomplete, type WebSocketLike } from '../../src/client/index.js';
import { decode, encode, stringOr, type Fields } from '../../src/client/codec.js';
import { makeConfig } from '../../src/config.js';
import type { Row } from '../../src/engine/port.js';
import { Gateway } from '../../src/gateway/gateway.js';
import type { FakeClient } from '../support/fake-client.js';
import { FakePort } from '../support/fake-port.js';
import { Archiver } from '../../src/store/archive/archiver.js';
import { SharedArchiver } from '../../src/store/archive/shared-archiver.js';
import { MemoryHistory } from '../support/memory-history.js';
import { MemoryLeases, workerNumber } from '../support/memory-leases.js';
import { MemoryLog } from '../support/memory-log.js';
import type { HistoryStore } from '../../src/store/history-store.js';
import { MemorySessions } from '../support/memory-sessions.js';
import {
  ApplicationChecker, CausalityChecker, CheckedRecords, checkLog, checkStamps, OwnerChecker, Problems, WireChecker,
} from './checkers.js';
import { archiveOf as sharedArchiveOf } from './shared-archive.js';
import { SharedBacking, sharedOf, stepsOf, type NodeOfStore, type SharedFaults } from './shared-stores.js';
import { archiveOf, historyOf, Life, logOf, sessionsOf } from './stores.js';
import type { VirtualTime } from './virtual-time.js';

export interface Faults extends SharedFaults {
  /** How many nodes: one on its own stores, or several over shared ones. */
  nodes: number;
  /** Mean time between two times that a node is cut off from the shared stores, and the longest of these, ms; 0 never. */
  cutOffMs: number;
  /** Whether new sessions are sent to the node where they belong. */
  sticky: boolean;
  /** How far the nodes' clocks are apart, at most, ms. */
  skewMs: number;
  /** Mean life of a connection, ms; 0 for ever. */
  lifeMs: number;
  /** Whether the log keeps its end only, and a cold tier the rest. */
  cold: boolean;
  /** Mean time between drains with a restart behind them, ms; 0 none. */
  drainMs: number;
}

interface Connection {
  readonly socket: WebSocketLike;
  readonly server: Server;
  readonly row: Row;
  /** The port's end of it: the row is somebody else's later. */
  readonly end: FakeClient;
  readonly name: string;
  readonly wire: WireChecker;
  /** The resume token of its `hello`. */
  shown: string | null;
  /** Once it is welcomed. */
  session: string | null;
  isCut: boolean;
  isClosed: boolean;
  /** When the last message in each direction arrives: TCP keeps the order. */
  upAt: number;
  downAt: number;
}

interface Server {
  readonly node: string;
  readonly port: FakePort;
  readonly gateway: Gateway;
  readonly life: Life;
  /** Of a shared log. */
  readonly archiver: SharedArchiver | null;
  isDraining: boolean;
}

const IDENTITY = { read: ['**'], write: ['**'], expiresAt: 0 };
const LATENCY_MS = 20;
const RESTART_MS = 500;
const RETENTION_MS = 300;
/** Messages of a channel that the log keeps at most, of those that were archived. */
const LOGGED = 4;
const NODE_LEASE_MS = 3000;
/** A channel that was left by a node that died is found in the time that a run has. */
const ARCHIVE_LEFT_MS = 3000;
const CONFIG = {
  limits: { publishRate: 0 }, log: { hotMessages: 1, vectorClocks: ['room1'] },
  session: { leaseMs: 10_000, resumeGraceMs: 60_000, storeTimeoutMs: 4000 },
  drain: { deadlineMs: 4000, rate: 20, graceMs: 500 },
};

export class World {
  readonly problems = new Problems();
  readonly causality = new CausalityChecker(this.problems);
  readonly log = new MemoryLog();
  readonly history = new MemoryHistory();
  readonly sessions: MemorySessions;
  readonly leases = new MemoryLeases();
  readonly faults: Faults;
  readonly shared = new SharedBacking();
  /** Deaths, drains, cut connections. */
  readonly counts = { deaths: 0, drains: 0, cuts: 0, resumed: 0, coldReads: 0, pairs: 0, moves: 0, partitions: 0 };
  readonly #time: VirtualTime;
  readonly #owners = new OwnerChecker(this.problems);
  readonly #connections = new Set<Connection>();
  readonly #archived = new Map<string, number>();
  readonly #servers = new Map<string, Server>();
  #lives = 0;
  #dialled = 0;

  constructor(time: VirtualTime, faults: Faults) {
    this.#time = time;
    this.faults = faults;
    const kept = { records: new CheckedRecords(this.problems), devices: new Map<string, string>() };
    this.sessions = new MemorySessions(kept as unknown as MemorySessions);
  }

  start(): void {
    for (let i = 1; i <= this.faults.nodes; i += 1) this.#start(`n${i}`);
    if (this.faults.cutOffMs > 0) this.#time.plan(null, this.faults.cutOffMs * this.#chance(), () => this.#cutOff());
  }

  #start(node: string): void {
    const life: Life = new Life(() => this.#died(node, life));
    this.#lives += 1;
    // What it plans is its own, and goes with it.
    this.#time.plan(life, 0, () => void this.#boot(node, life).catch(() => life.kill()));
  }

  /** Rejects where the stores fail while it starts; a supervisor starts it again. */
  async #boot(node: string, life: Life): Promise<void> {
    const time = this.#time;
    const isAlone = this.faults.nodes === 1;
    const port = new FakePort({ rows: 32, chunkSize: 64 * 1024, chunks: 4 });
    const history = this.faults.cold ? historyOf(this.history, time, this.faults, life) : null;
    const place: NodeOfStore = { backing: this.shared, time, faults: this.faults, life, node };
    const shared = isAlone ? null : sharedOf(place, this.sessions);
    const archiver = isAlone || history === null ? null : this.#sharedArchiver(place, history);
    const skew = isAlone ? 0 : time.random.below(this.faults.skewMs + 1);
    const now = (): number => time.now() + skew;
    const worker = workerNumber(shared?.leases ?? this.leases, `life ${this.#lives} of ${node}`, now, this.log.maxTimestamp());
    const { sticky } = this.faults;
    const gateway = await Gateway.create({
      history, worker, shared, archiver, sharedArchiver: archiver,
      config: makeConfig({ ...CONFIG, node, ...(isAlone ? {} : clusterConfig(node, sticky)) }),
      port,
      log: isAlone ? logOf(this.log, time, this.faults, life) : null,
      store: shared?.sessions ?? sessionsOf(this.sessions, time, this.faults, life, (record) => this.#owners.lost(record, life.over)),
      secret: Buffer.alloc(32, 7),
      clock: { now, monotonic: time.monotonic },
      // Tokens are names: real ones are checked on other threads, whose order no seed decides.
      auth: { anonymous: null, verify: (token) => Promise.resolve({ ...IDENTITY, user: token }) },
      host: { regionName: 'sim', driver: 'sim', driverReason: null, stats: () => STATS },
    });
    if (life.over) return;
    const server: Server = { node, port, gateway, life, archiver, isDraining: false };
    port.start(gateway);
    gateway.start();
    await gateway.join(isAlone ? null : urlOf(node));
    if (history !== null && isAlone) this.#archive(history, life);
    archiver?.start();
    if (life.over) return;
    this.#servers.set(node, server);
    if (this.faults.drainMs > 0) time.plan(life, this.faults.drainMs * (0.5 + this.#chance()), () => void this.#drain(server));
  }

  /** One node loses the shared stores for a while. */
  #cutOff(): void {
    const { cutOffMs, nodes } = this.faults;
    if (cutOffMs === 0) return;
    const node = `n${1 + this.#time.random.below(nodes)}`;
    this.counts.partitions += 1;
    this.shared.cut(node, true);
    this.#time.plan(null, (cutOffMs / 2) * this.#chance(), () => this.shared.cut(node, false));
    this.#time.plan(null, cutOffMs * (0.5 + this.#chance()), () => this.#cutOff());
  }

  /** The archiver of one life, and the log's retention behind it. */
  #archive(store: HistoryStore, life: Life): void {
    const time = this.#time;
    const log = archiveOf(this.log, this.#archived, time, this.faults, life);
    const after = (ms: number, run: () => void): void => void time.plan(life, ms, run);
    new Archiver({ log, store, maxAgeMs: null, maxMessages: null, now: time.now, after }).start();
    const retain = (): void => {
      for (const [name, next] of this.#archived) this.log.expire(name, next - time.random.below(LOGGED));
      time.plan(life, RETENTION_MS, retain);
    };
    time.plan(life, RETENTION_MS, retain);
  }

  #sharedArchiver(place: NodeOfStore, store: HistoryStore): SharedArchiver {
    const { time, life, node } = place;
    const after = (ms: number, run: () => void): void => void time.plan(life, ms, run);
    const log = sharedArchiveOf(this.shared, stepsOf(place), `life ${this.#lives} of ${node}`, time.now);
    return new SharedArchiver({ log, store, maxAgeMs: null, maxMessages: null, now: time.now, after, leftMs: ARCHIVE_LEFT_MS });
  }

  /** After each step: what the gateway has to do is done, what it sent is on its way. */
  readonly afterStep = (): void => {
    for (const server of this.#servers.values()) {
      if (server.port.pendingEvents > 0) this.#time.plan(server.life, 0, () => this.#turn(server));
    }
    for (const connection of this.#connections) this.#collect(connection);
  };

  client(name: string): { readonly client: Client; readonly checker: ApplicationChecker } {
    const dial = (socket: WebSocketLike, url: string): void => this.#dial(socket, new URL(url).hostname);
    class Socket extends SimSocket {
      constructor(url: string) {
        super();
        dial(this, url);
      }
    }
    const { now, setTimeout, clear } = this.#time;
    const client = createClient({
      url: 'ws://gateway.test', token: name, device: `device of ${name}`, WebSocket: Socket, backoffBaseMs: 50, backoffCapMs: 1000,
      connectTimeoutMs: 6000, clock: { now, setTimeout, clearTimeout: clear }, random: () => this.#chance(),
    });
    client.on('open', ({ resumed }) => (this.counts.resumed += resumed ? 1 : 0));
    client.on('error', (error) => (error.retryable ? undefined : this.problems.add(`${name}: ${error.message}`)));
    const checker = new ApplicationChecker(this.problems, name);
    client.on('incomplete', (loss) => {
      if (loss.reason === 'unavailable' && this.faults.cold) this.#missing(checker, loss);
      else this.problems.add(`${name}: incomplete ${JSON.stringify(loss)}`);
    });
    return { client, checker };
  }

  #missing(checker: ApplicationChecker, { channel, fromSeq, toSeq }: Incomplete): void {
    checker.missing(channel, fromSeq, toSeq);
    this.causality.missing(channel);
  }

  /** What is stored, by channel, in whatever tier. */
  stored(): ReadonlyMap<string, readonly string[]> {
    const bodies = new Map<string, string[]>();
    for (const [channel, { epoch, messages, firstSeq }] of this.shared.channels) {
      const cold = new Map(this.history.all({ channel, epoch }));
      bodies.set(channel, messages.map(({ seq, frame }) => {
        const stored = seq >= firstSeq ? frame : cold.get(seq);
        return stored === undefined ? `${seq} is nowhere` : bodyOf(stored);
      }));
    }
    this.log.names.forEach((channel, id) => {
      const place = { channel, epoch: this.log.openChannel(channel).epoch };
      const messages = new Map<number, string>();
      const add = (seq: number, frame: Uint8Array): void => void messages.set(seq, bodyOf(frame));
      for (const [seq, frame] of this.history.all(place)) add(seq, frame);
      const run = this.log.read(id, 1, Infinity, Infinity);
      let from = 0;
      run?.ends.forEach((end, i) => add(run.firstSeq + i, run.frames.subarray(from, (from = end))));
      const last = Math.max(0, ...messages.keys());
      if (last > 0) bodies.set(channel, Array.from({ length: last }, (_, i) => messages.get(i + 1) ?? `${i + 1} is nowhere`));
    });
    this.counts.coldReads = this.history.reads;
    return bodies;
  }

  finish(checkers: readonly ApplicationChecker[]): void {
    const stored = this.stored();
    for (const checker of checkers) checker.finish(stored);
    checkLog(this.problems, stored);
    checkStamps(this.problems, this.shared.channels);
    this.counts.pairs = this.causality.finish();
  }

  #chance(): number {
    return this.#time.random.below(2 ** 30) / 2 ** 30;
  }

  #turn(server: Server): void {
    if (server.life.over) return;
    try {
      server.port.deliver();
    } catch (error) {
      this.problems.add(`the gateway threw: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
    }
  }

  // --- life and death

  #died(node: string, life: Life): void {
    this.counts.deaths += 1;
    this.#time.drop(life);
    if (this.#servers.get(node)?.life === life) this.#servers.delete(node);
    for (const connection of this.#connections) {
      if (connection.server.life !== life) continue;
      this.#cut(connection, 50);
      this.#connections.delete(connection);
    }
    this.#time.plan(null, RESTART_MS * this.#chance(), () => this.#start(node));
  }

  /** Drains, stops and starts anew, as a deploy does. */
  async #drain(server: Server): Promise<void> {
    this.counts.drains += 1;
    server.isDraining = true;
    await server.gateway.drain();
    await server.gateway.stop();
    await server.archiver?.close();
    server.life.over = true;
    this.#time.drop(server.life);
    if (this.#servers.get(server.node) === server) this.#servers.delete(server.node);
    this.#time.plan(null, RESTART_MS * this.#chance(), () => this.#start(server.node));
  }

  // --- network

  /** `host`: of a node, or of the load balancer before all of them. */
  #dial(socket: WebSocketLike, host: string): void {
    const time = this.#time;
    time.plan(null, LATENCY_MS * this.#chance(), () => {
      const serving = [...this.#servers.values()].filter(({ isDraining }) => !isDraining);
      const named = serving.find(({ node }) => `${node}.test` === host);
      const server = named ?? (host === 'gateway.test' && serving.length > 0 ? time.random.pick(serving) : undefined);
      if (named !== undefined) this.counts.moves += 1;
      // A connection that is refused, or a 503.
      if (server === undefined) return socket.onclose?.({ code: 1006, reason: '' });
      const now = time.monotonic();
      const name = `connection ${(this.#dialled += 1)}`;
      const row = server.port.open();
      const connection: Connection = {
        socket, server, row, end: server.port.client(row), name, wire: new WireChecker(this.problems, name),
        shown: null, session: null, isCut: false, isClosed: false, upAt: now, downAt: now,
      };
      this.#connections.add(connection);
      (socket as SimSocket).onSend = (data) => this.#up(connection, data);
      (socket as SimSocket).onEnd = () => this.#hangUp(connection);
      if (this.faults.lifeMs > 0) time.plan(null, this.faults.lifeMs * 2 * this.#chance(), () => this.#cut(connection, 3000));
      socket.onopen?.({});
    });
  }

  #up(connection: Connection, data: string | Uint8Array): void {
    const frame = decode(data);
    if (frame !== null) connection.wire.asked(frame.header);
    if (frame?.op === 'hello') connection.shown = stringOr(frame.header['resume'], null);
    connection.upAt = Math.max(connection.upAt, this.#time.monotonic() + LATENCY_MS * this.#chance());
    this.#time.plan(connection.server.life, connection.upAt - this.#time.monotonic(), () => {
      if (!connection.isCut && isThere(connection)) connection.server.port.message(connection.row, data);
    });
  }

  #collect(connection: Connection): void {
    const { server, row, socket, wire, end } = connection;
    if (connection.isClosed) return;
    for (const { header, body, text } of end.received.splice(0)) {
      if (header['op'] === 'welcome') this.#welcomed(connection, header);
      wire.sent(header);
      this.#down(connection, () => socket.onmessage?.({ data: text ? encode(header, body.toString()) : encode(header, body) }));
    }
    if (isThere(connection)) server.port.drain(row);
    if (end.closed === null) return;
    const { code, reason } = end.closed;
    connection.isClosed = true;
    this.#down(connection, () => {
      this.#connections.delete(connection);
      socket.onclose?.({ code, reason });
    });
  }

  #welcomed(connection: Connection, header: Fields): void {
    const session = String(header['session']);
    connection.session = session;
    const others = [...this.#connections].filter((other) => {
      const isSame = other !== connection && other.session === session && other.server === connection.server;
      return isSame && isThere(other) && other.end.closed === null;
    });
    this.#owners.welcome(header, connection.shown, others.map(({ name }) => name));
  }

  #down(connection: Connection, deliver: () => void): void {
    connection.downAt = Math.max(connection.downAt, this.#time.monotonic() + LATENCY_MS * this.#chance());
    this.#time.plan(null, connection.downAt - this.#time.monotonic(), () => {
      if (!connection.isCut) deliver();
    });
  }

  /** What is on the way is lost; each side notices when it notices, and until then the gateway talks to nobody. */
  #cut(connection: Connection, noticeMs: number): void {
    if (connection.isCut || !this.#connections.has(connection)) return;
    const { socket, server } = connection;
    connection.isCut = true;
    this.counts.cuts += 1;
    // Its own end went away, or the network fell silent.
    const soon = this.#time.random.chance(0.5) ? LATENCY_MS : noticeMs;
    this.#time.plan(null, soon * this.#chance(), () => socket.onclose?.({ code: 1006, reason: '' }));
    this.#time.plan(server.life, noticeMs * 2 * this.#chance(), () => this.#disconnect(connection));
  }

  /** The client closed its socket. */
  #hangUp(connection: Connection): void {
    if (connection.isCut) return;
    connection.isCut = true;
    this.#time.plan(connection.server.life, LATENCY_MS * this.#chance(), () => this.#disconnect(connection));
  }

  #disconnect(connection: Connection): void {
    this.#connections.delete(connection);
    if (isThere(connection) && connection.end.closed === null) connection.server.port.disconnect(connection.row);
  }
}

function clusterConfig(node: string, sticky: boolean): object {
  return { store: { redis: 'redis://sim' }, cluster: { leaseMs: NODE_LEASE_MS, url: urlOf(node), sticky } };
}

function urlOf(node: string): string {
  return `ws://${node}.test/v1`;
}

function bodyOf(frame: Uint8Array): string {
  const text = Buffer.from(frame).toString('latin1');
  return text.slice(text.indexOf('\n') + 1);
}

function isThere({ server, row, end }: Connection): boolean {
  return server.port.clients.get(row) === end;
}

const RING = { used: 0, capacity: 1 };
const STATS = { counters: {}, eventRing: RING, commandRing: RING, enginePid: 1, ownerPid: 1, ownerEpoch: 1, detached: false };

class SimSocket implements WebSocketLike {
  binaryType = '';
  onopen: WebSocketLike['onopen'] = null;
  onmessage: WebSocketLike['onmessage'] = null;
  onclose: WebSocketLike['onclose'] = null;
  onerror: WebSocketLike['onerror'] = null;
  onSend: (data: string | Uint8Array) => void = () => undefined;
  onEnd: () => void = () => undefined;

  send(data: string | Uint8Array): void {
    this.onSend(data);
  }

  close(): void {
    this.onEnd();
  }
}
