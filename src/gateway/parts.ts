/** Makes the parts of a gateway and joins them: what src/gateway/context.ts names. */

import type { Config } from '../config.js';
import type { EnginePort, Row } from '../engine/port.js';
import { CLOSE, InternalError } from '../errors.js';
import type { SharedChannels } from '../cluster/shared-channels.js';
import type { WorkerNumber } from '../cluster/worker-number.js';
import { ChannelRegistry, type ChannelStore } from '../sequence/channels.js';
import { LamportClock } from '../sequence/lamport.js';
import { Publisher, type PublishResultHandler, type PublisherOptions } from '../sequence/publisher.js';
import { Authenticator, type Authority } from '../session/auth.js';
import { SessionOpener } from '../session/opener.js';
import { compilePatterns } from '../session/patterns.js';
import { ResumeTokens } from '../session/resume-token.js';
import { Subscriptions } from '../session/subscriptions.js';
import { SessionTable } from '../session/table.js';
import { SessionWriter } from '../session/writer.js';
import type { Archiving } from '../store/archive/archiver.js';
import type { DamageCounts } from '../store/damage.js';
import type { HistoryStore } from '../store/history-store.js';
import { HotLog } from '../store/hot-log.js';
import type { SharedStores } from '../store/redis/open.js';
import type { SessionRef, SessionStore } from '../store/sessions/session-store.js';
import type { MessageLog } from '../store/types.js';
import { ColdReader } from '../sync/cold.js';
import type { RunReader } from '../sync/history.js';
import { Replays } from '../sync/replays.js';
import { TieredSource } from '../sync/tiers.js';
import type { ReplayChannel } from '../sync/types.js';
import type { Clock, Drops, GatewayContext } from './context.js';
import { channelNote } from './takeover/adopt.js';
import { ClusterSide, type ClusterDeps } from './cluster-side.js';
import { failureReply } from './failure.js';
import { Holds } from './message/holds.js';
import { goLive } from './ops/sub.js';
import { synced } from './ops/sync.js';
import { PublishRate } from './message/rate.js';
import { Replies } from './message/replies.js';
import { SeenIds } from './sessions/seen-ids.js';
import { SessionKeeper } from './sessions/session-keeper.js';
import { PortSink } from './delivery/sink.js';
import { welcomeTexts } from './opening/welcome-texts.js';

export interface GatewayDeps {
  readonly config: Config;
  readonly port: EnginePort;
  /** Of this node alone; null where several nodes share one. */
  readonly log: MessageLog | null;
  readonly shared?: SharedStores | null;
  readonly store: SessionStore;
  readonly onCluster?: NonNullable<ClusterDeps['onCluster']>;
  readonly holder?: NonNullable<ClusterDeps['holder']>;
  /** For message ids; whoever made it stops it. */
  readonly worker: WorkerNumber;
  /** The cold tier; null where there is none. */
  readonly history?: HistoryStore | null;
  /** What moves messages there. */
  readonly archiver?: Pick<Archiving, 'stats'> | null;
  /** The same, where it is told of what is appended. */
  readonly sharedArchiver?: NonNullable<ClusterDeps['sharedArchiver']> | null;
  /** What was found of it in the stores' files; by default nothing. */
  readonly damage?: GatewayParts['damage'];
  /** Signs resume tokens. */
  readonly secret: Uint8Array;
  readonly clock: Clock;
  /** Who clients are; by default what the configuration's keys say. */
  readonly auth?: Authority;
}

export interface Hooks {
  readonly onResult: PublishResultHandler;
  readonly onCommit: NonNullable<PublisherOptions['onCommit']>;
  readonly end: GatewayContext['end'];
  /** Older messages wait to be sent. */
  readonly onReplay: () => void;
  /** The session store failed (an error) or is well again (null). */
  readonly onSessionStore: (error: unknown) => void;
}

/** The part of either publisher that the gateway drives. */
export type Publishing = Pick<Publisher, 'publish' | 'endTurn' | 'close' | 'inFlight'>;

export interface GatewayParts extends GatewayContext {
  readonly publisher: Publishing;
  readonly hotLog: HotLog;
  readonly archiver: Pick<Archiving, 'stats'> | null;
  readonly damage: Readonly<DamageCounts>;
  readonly worker: Pick<WorkerNumber, 'snowflake'>;
}

/** Throws ConfigError for keys that cannot be used, StoreError where the log fails. */
export async function makeParts(deps: GatewayDeps, hooks: Hooks): Promise<GatewayParts> {
  const { config, port, store, clock, worker, shared = null } = deps;
  const auth = deps.auth ?? (await Authenticator.create(config.auth, config.anonymous, () => clock.now()));
  const replies = new Replies(port);
  const cluster = shared === null ? null : new ClusterSide({ ...deps, shared }, (id) => channels.byId(id)?.name ?? null);
  const channels = makeChannels(deps, cluster?.channels ?? ownLog(deps), cluster?.channels ?? null);
  const maxPerChannel = 2 ** Math.ceil(Math.log2(config.log.hotMessages));
  const hotLog = new HotLog(port.arena, { maxAgeMs: config.log.hotAgeMs, maxPerChannel });
  const sink = new PortSink({
    port,
    replies,
    goLive: (row, channel) => goLive(parts, row, channel),
    failed: (row) => hooks.end(row, CLOSE.tryAgainLater, 'messages cannot be read'),
    historyDone: (...of) => historyDone(parts, ...of),
    historyFailed: (...of) => historyFailed(parts, ...of),
    synced: (row, opId, reached) => synced(parts, row, opId, reached),
  });
  const writer = makeWriter(deps, hooks, (ref) => parts.keeper.lost(ref));
  const replayLimits = { chunkBytes: config.limits.catchUpChunkBytes, turnBytes: config.limits.catchUpTurnBytes };
  const runs: RunReader = cluster?.runs ?? ownLog(deps);
  const source = new TieredSource(hotLog, runs);
  const sessions = new SessionTable(port.rows);
  // Not a getter: what has one is looked up in a dictionary, and every operation reads half a dozen of the parts.
  const parts: { -readonly [K in keyof GatewayParts]: GatewayParts[K] } = {
    config, port, store, clock, auth, replies, holds: new Holds(port), channels, hotLog, sink, writer, runs, source, sessions, cluster,
    log: cluster?.lookups ?? ownLog(deps),
    ahead: cluster?.ahead({ source, sessions }) ?? null,
    opener: makeOpener(deps, writer, cluster),
    subscriptions: new Subscriptions(port.rows),
    rate: new PublishRate(port.rows, config.limits),
    cold: makeCold(deps), seenIds: new SeenIds(),
    archiver: deps.archiver ?? null, damage: deps.damage ?? { log: 0, history: 0 }, worker,
    replays: new Replays(replayLimits, sink, () => clock.monotonic(), hooks.onReplay),
    publisher: cluster?.publisher(hooks) ?? makePublisher(deps, ownLog(deps), hotLog, channels, hooks),
    drops: noDrops(),
    welcomeTexts: welcomeTexts(config),
    end: hooks.end,
    keeper: undefined as unknown as SessionKeeper,
  };
  parts.keeper = new SessionKeeper(parts);
  cluster?.join(parts, channels, hotLog);
  const numbered = worker.start();
  // Alone, a node whose disk is full still has all that was written to it to show; publishes are refused until there is a number.
  await (cluster === null ? numbered.catch(() => undefined) : numbered);
  return parts;
}

function ownLog({ log }: GatewayDeps): MessageLog {
  if (log === null) throw new InternalError('a gateway has a log of its own, or a shared one');
  return log;
}

function makeCold({ history = null, shared = null, config, clock }: GatewayDeps): ColdReader | null {
  if (history === null) return null;
  const { timeoutMs } = config.history;
  return new ColdReader({ store: history, timeoutMs, idsRise: shared === null, now: () => clock.monotonic() });
}

function makeWriter({ config, store }: GatewayDeps, hooks: Hooks, lost: (ref: SessionRef) => void): SessionWriter {
  const after = (ms: number, run: () => void): void => {
    if (ms === 0) setImmediate(run);
    else setTimeout(run, ms).unref();
  };
  return new SessionWriter({ store, gatherMs: config.session.gatherMs, after, lost, onHealth: hooks.onSessionStore });
}

function makeOpener(
  { config, store, secret, clock }: GatewayDeps, writer: SessionWriter, cluster: ClusterSide | null,
): SessionOpener {
  return new SessionOpener({
    store,
    tokens: new ResumeTokens(secret),
    terms: config.session,
    node: config.node,
    now: () => clock.now(),
    push: (id) => writer.push(id),
    ...(cluster === null ? {} : { taken: (owner, former) => cluster.taken(owner, former) }),
  });
}

function makeChannels({ config, port, clock }: GatewayDeps, log: ChannelStore, shared: SharedChannels | null): ChannelRegistry {
  const ephemeral = compilePatterns(config.log.ephemeral);
  const clocked = compilePatterns(config.log.vectorClocks);
  return new ChannelRegistry({
    log,
    now: () => clock.now(),
    idleMs: config.log.channelIdleMs,
    ephemeral: (name) => ephemeral.matches(name),
    clocked: (name) => clocked.matches(name),
    onUse: (channel, used) => {
      if (!used) shared?.forget(channel.name);
      if (port.detached) port.noteChannel(channel.id, used ? channelNote(channel, shared !== null) : null);
    },
  });
}

function makePublisher(
  { config, port, clock, worker }: GatewayDeps, log: MessageLog, hotLog: HotLog, channels: ChannelRegistry, hooks: Hooks,
): Publisher {
  return new Publisher({
    port, log, hotLog, channels,
    lamport: new LamportClock(log.maxLamport()),
    snowflake: () => worker.snowflake,
    now: () => clock.now(),
    monotonic: () => clock.monotonic(),
    maxInFlight: config.log.publishesInFlight,
    recentKeys: config.log.recentKeys,
    onResult: hooks.onResult,
    onCommit: hooks.onCommit,
  });
}

function historyDone(
  parts: GatewayContext, row: Row, opId: number, channel: ReplayChannel, count: number, coldOldest: number | null,
): void {
  const open = parts.channels.open(channel.name);
  const epoch = JSON.stringify(open.epoch);
  const oldest = Math.min(open.oldestSeq, coldOldest ?? Infinity);
  parts.replies.ok(row, opId, `,"count":${count},"server_seq":${open.publishedSeq},"epoch":${epoch},"oldest_seq":${oldest}`);
  parts.holds.settle(row, opId);
}

function historyFailed(parts: GatewayContext, row: Row, opId: number, error: unknown): void {
  const { kind, retryAfterMs } = failureReply(error);
  parts.replies.error(row, opId, kind, 'the history cannot be read at the moment', retryAfterMs);
  parts.holds.settle(row, opId);
}

function noDrops(): Drops {
  return { rate_limited: 0, not_authorised: 0, bad_request: 0, busy: 0, store: 0, internal: 0, too_big: 0 };
}
