/** The parts of a gateway that is one of several nodes: what it has in common with the others, and what it tells them. */

import { randomUUID } from 'node:crypto';
import { FanOut } from '../cluster/fan-out.js';
import { Lookups } from '../cluster/lookups.js';
import { Membership } from '../cluster/membership.js';
import { Presence } from '../cluster/presence.js';
import { RemoteRuns } from '../cluster/remote-runs.js';
import { SharedChannels } from '../cluster/shared-channels.js';
import { SharedPublisher } from '../cluster/shared-publisher.js';
import type { WorkerNumber } from '../cluster/worker-number.js';
import type { Config } from '../config.js';
import type { EnginePort } from '../engine/port.js';
import type { ChannelRegistry } from '../sequence/channels.js';
import { LamportClock } from '../sequence/lamport.js';
import type { ClusterCounts } from '../admin/backend.js';
import type { NodeState } from '../store/cluster-store.js';
import type { HotLog } from '../store/hot-log.js';
import type { SharedStores } from '../store/redis/open.js';
import type { SharedLog } from '../store/shared-log.js';
import type { SessionRef } from '../store/sessions/session-store.js';
import type { SharedArchiver } from '../store/archive/shared-archiver.js';
import { Ahead } from './message/ahead.js';
import type { Clock } from './context.js';
import type { GatewayParts, Hooks } from './parts.js';
import { moveSubscribers, tellLost } from './delivery/renewal.js';
import { presenceHere } from './ops/presence.js';

export interface ClusterDeps {
  readonly config: Config;
  readonly port: EnginePort;
  readonly clock: Clock;
  readonly shared: SharedStores;
  readonly worker: Pick<WorkerNumber, 'snowflake'>;
  /** Who has the connections, where they outlive this process. */
  readonly holder?: string;
  /** What moves messages to the cold tier; null where there is none. */
  readonly sharedArchiver?: Pick<SharedArchiver, 'appending' | 'appended'> | null;
  /** This node has lost its place among the others, with the reason; null: it has it again. */
  readonly onCluster?: (error: Error | null) => void;
}

export interface ClusterStatus {
  readonly state: NodeState;
  readonly connections: number;
  readonly load: number;
}

const TICK_MS = 250;
/** Ticks between two looks at who is in which channel. */
const PRESENCE_TICKS = 2;
/** Redis in a cluster may not count all who listen: one who does answers sooner. */
const NAMESAKE_MS = 500;
const PRESENCE_LEASE_MS = 30_000;

export class ClusterSide {
  readonly channels = new SharedChannels();
  readonly lookups: Lookups;
  readonly runs: RemoteRuns;
  readonly #deps: ClusterDeps;
  readonly #log: SharedLog;
  readonly #lamport = new LamportClock(0);
  #membership: Membership | null = null;
  #presence: Presence | null = null;
  #parts: GatewayParts | null = null;
  #timer: NodeJS.Timeout | null = null;
  #ticks = 0;
  readonly #instance = randomUUID();
  #onNamesake: (() => void) | null = null;

  constructor(deps: ClusterDeps, nameOf: (channelId: number) => string | null) {
    const { clock, shared } = deps;
    const monotonic = (): number => clock.monotonic();
    this.#deps = deps;
    this.#log = shared.openLog(this.channels);
    this.lookups = new Lookups(this.#log, monotonic);
    this.runs = new RemoteRuns({ log: this.#log, nameOf, now: monotonic, after });
  }

  publisher(hooks: Hooks): SharedPublisher {
    const { config, port, clock, worker } = this.#deps;
    return new SharedPublisher({
      port,
      log: archivedLog(this.#log, this.#deps.sharedArchiver ?? null),
      channels: this.channels,
      lamport: this.#lamport,
      snowflake: () => worker.snowflake,
      now: () => clock.now(),
      monotonic: () => clock.monotonic(),
      maxInFlight: config.log.publishesInFlight,
      onResult: hooks.onResult,
      onCommit: hooks.onCommit,
    });
  }

  /** The parts are made. */
  join(parts: GatewayParts, registry: ChannelRegistry, hotLog: HotLog): void {
    const { port, clock, config, shared } = this.#deps;
    this.#parts = parts;
    const fanOut = new FanOut({ port, hotLog, channels: registry, now: () => clock.now(), after, onRoom: () => this.#tick() });
    this.channels.join({
      log: this.#log, registry, fanOut, hotLog, memory: port.memory,
      onLost: (channel, fromSeq, toSeq) => tellLost(parts, channel, fromSeq, toSeq),
      onRenewed: (former, channel) => moveSubscribers(parts, former, channel),
      onLamport: (value) => this.#lamport.receive(value, clock.now()),
    });
    this.#presence = new Presence({
      board: shared.board, directory: shared.directory, nodes: () => this.#membership?.nodes ?? [], node: config.node, holder: this.#holder,
      membersMax: config.limits.presenceMembers, leaseMs: PRESENCE_LEASE_MS,
      now: () => clock.now(),
      count: (channelId) => parts.subscriptions.countOfChannel(channelId),
      local: (channelId) => presenceHere(parts, channelId),
    });
  }

  ahead(parts: Pick<GatewayParts, 'source' | 'sessions'>): Ahead {
    return new Ahead({ channels: this.channels, lookups: this.lookups, source: parts.source, sessions: parts.sessions });
  }

  /** Everybody who is in the channel, on all nodes. Rejects with StoreError. */
  presence(name: string): ReturnType<Presence['of']> {
    return (this.#presence as Presence).of(name, this.channels.findChannel(name)?.id ?? null);
  }

  /** From here on the others know of this node. Rejects with StoreError. */
  async start(url: string | null, status: () => ClusterStatus): Promise<void> {
    const { config, clock, shared, onCluster } = this.#deps;
    const { node, region, cluster } = config;
    await shared.mail.receive(node, (note) => this.#onNote(note));
    this.#membership = new Membership({
      directory: shared.directory, node, instance: this.#instance, holder: this.#holder, region, url: url ?? '', leaseMs: cluster.leaseMs,
      now: () => clock.now(), status,
      answers: () => this.#namesakeAnswers(),
      ...(onCluster === undefined ? {} : { onTrouble: onCluster }),
    });
    await this.#membership.start();
    this.#timer = setInterval(() => this.#tick(), TICK_MS).unref();
  }

  /** State or load has changed. */
  announce(): void {
    void this.#membership?.refresh();
  }

  /** Why clients should not be sent here at the moment; null when nothing stands against it. */
  get trouble(): string | null {
    const { shared } = this.#deps;
    if (!shared.reachable) return `${shared.what} does not answer`;
    return this.#membership?.rival ? `another process is node ${this.#deps.config.node} of this store` : null;
  }

  get counts(): ClusterCounts {
    const { shared } = this.#deps;
    return { nodes: this.#membership?.nodes.length ?? 0, ...this.channels.counts, store: { ready: shared.reachable, ...shared.counts } };
  }

  /** Where the client of this session goes when this node drains; null leaves it its URL. */
  successor(key: string): string | null {
    return urlOf(this.#membership?.successor(key) ?? null);
  }

  /** The node where the client of this user or session belongs, if it is another one; else null. */
  elsewhere(key: string): string | null {
    const { config } = this.#deps;
    const home = config.cluster.sticky ? (this.#membership?.home(key, config.region) ?? null) : null;
    return home === null || home.node === config.node ? null : urlOf(home);
  }

  /** Of the fullest of the nodes that could take this one's clients; null when there is none. */
  get othersLoad(): number | null {
    const others = this.#membership?.nodes.filter(({ node, state }) => node !== this.#deps.config.node && state === 'serving') ?? [];
    return others.length === 0 ? null : Math.max(...others.map(({ load }) => load));
  }

  /** A session that was connected to another node goes on here: that one closes its connection. */
  taken(owner: string, { id, generation }: SessionRef): void {
    this.#tell(owner, { taken: id, generation });
  }

  /** False where the others could not be told: they take this node for alive until its lease ends. Never rejects. */
  async stop(): Promise<boolean> {
    this.#rest();
    // With the first the second counts no more; it is there to be tidied up.
    const [left] = await Promise.all([this.#membership?.stop(), this.#presence?.stop()]);
    await this.#log.close();
    return left ?? true;
  }

  /** The connections stay, and so do those who are present: for the next control plane of this node. As stop(). */
  async release(): Promise<boolean> {
    this.#rest();
    const left = await this.#membership?.letGo();
    await this.#log.close();
    return left ?? true;
  }

  get #holder(): string {
    return this.#deps.holder ?? this.#instance;
  }

  #rest(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.channels.stop();
    this.runs.stop();
  }

  #tick(): void {
    const { subscriptions } = this.#parts as GatewayParts;
    this.#ticks += 1;
    this.channels.tick((channelId) => subscriptions.countOfChannel(channelId) > 0);
    this.runs.tick();
    if (this.#ticks % PRESENCE_TICKS === 0) void this.#presence?.tick(this.channels.all());
  }

  #onNote(note: string): void {
    try {
      const { taken, generation, who, here } = JSON.parse(note) as Readonly<Record<'taken' | 'generation' | 'who' | 'here', unknown>>;
      if (typeof taken === 'string' && typeof generation === 'number') this.#parts?.keeper.lost({ id: taken, generation });
      if (typeof who === 'string' && who !== this.#instance) this.#tell(this.#deps.config.node, { here: this.#instance });
      if (typeof here === 'string' && here !== this.#instance) this.#onNamesake?.();
    } catch {
      // Of a program that is not ours.
    }
  }

  /** Whether somebody else listens to what is sent to this node, and answers. Rejects with StoreError. */
  async #namesakeAnswers(): Promise<boolean> {
    const { config, shared } = this.#deps;
    const answer = new Promise<true>((resolve) => (this.#onNamesake = () => resolve(true)));
    const listeners = await shared.mail.send(config.node, JSON.stringify({ who: this.#instance }));
    // A machine that is gone without a word is listed as a listener for long.
    const waitMs = listeners > 1 ? config.cluster.leaseMs : NAMESAKE_MS;
    let timer: NodeJS.Timeout | undefined;
    const silence = new Promise<false>((resolve) => (timer = setTimeout(() => resolve(false), waitMs)));
    const answered = await Promise.race([answer, silence]);
    clearTimeout(timer);
    this.#onNamesake = null;
    return answered;
  }

  #tell(node: string, note: object): void {
    this.#deps.shared.mail.send(node, JSON.stringify(note)).catch(() => undefined);
  }
}

/** Tells the archiver of what is appended. */
function archivedLog(log: SharedLog, archiver: Pick<SharedArchiver, 'appending' | 'appended'> | null): Pick<SharedLog, 'append'> {
  if (archiver === null) return log;
  return {
    append: async (channel, entries, seen) => {
      archiver.appending(channel);
      const appended = await log.append(channel, entries, seen);
      archiver.appended(channel);
      return appended;
    },
  };
}

function urlOf(node: { readonly url: string } | null): string | null {
  return node === null || node.url === '' ? null : node.url;
}

function after(ms: number, run: () => void): void {
  setTimeout(run, ms);
}
