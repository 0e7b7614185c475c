/** The gateway as the admin API sees it. */

import type {
  AdminBackend, AdminHistoryQuery, AdminPublishResult, DrainStatus, GatewayStats,
} from '../../admin/backend.js';
import type { RegionCounters } from '../../engine/reader.js';
import { InvalidError, LimitError, TooBigError, type CloseCode } from '../../errors.js';
import type { PublishRequest } from '../../sequence/types.js';
import { STRING_BYTES_MAX } from '../../session/strings.js';
import { isName } from '../../session/text.js';
import type { DrainRequest } from '../drain/draining.js';
import { failureReply, asSluiceError } from '../failure.js';
import { CHANNEL_BYTES_MAX, readKey, type Position } from '../message/fields.js';
import { readRange } from './admin-messages.js';
import { HeaderFault } from '../message/header.js';
import { memoryParts } from '../memory.js';
import { historyRange } from '../ops/history.js';
import { presenceOf } from '../ops/presence.js';
import type { GatewayParts } from '../parts.js';

export interface HostInfo {
  readonly regionName: string;
  readonly driver: string;
  readonly driverReason: string | null;
  stats(): Pick<RegionCounters, 'counters' | 'eventRing' | 'commandRing' | 'enginePid' | 'ownerPid' | 'ownerEpoch' | 'detached'>;
}

export interface DrainControl {
  readonly status: DrainStatus;
  start(request: DrainRequest): void;
  /** How busy this node is, 0 to 1. */
  load(stats: Pick<GatewayStats, 'connections' | 'event_ring' | 'command_ring'>): number;
}

/** How long a failed commit keeps the node from being ready. */
const STORE_FAILURE_MS = 5000;
const HISTORY_BYTES_MAX = 16 * 1024 * 1024;

export class AdminView implements AdminBackend {
  onCommit: AdminBackend['onCommit'] = null;
  readonly #parts: GatewayParts;
  readonly #host: HostInfo;
  readonly #drain: DrainControl;
  readonly #started: number;
  #health: 'serving' | 'draining' = 'serving';
  #published = 0;
  #duplicates = 0;
  #commits = 0;
  #lagging = 0;
  /** Milliseconds of the monotonic clock; -Infinity when the last commit went well. */
  #storeFailedAt = -Infinity;
  #sessionStoreFailed = false;

  constructor(parts: GatewayParts, host: HostInfo, drain: DrainControl) {
    this.#parts = parts;
    this.#host = host;
    this.#drain = drain;
    this.#started = parts.clock.monotonic();
  }

  get health(): 'serving' | 'draining' {
    return this.#health;
  }

  notReady(): string | null {
    if (this.#health === 'draining') return 'draining';
    // For a while only: a node that is asked no more would never find out that its disk is well again.
    const recent = this.#parts.clock.monotonic() - this.#storeFailedAt < STORE_FAILURE_MS;
    if (recent) return 'the message log cannot be written';
    const trouble = this.#parts.cluster?.trouble ?? null;
    if (trouble !== null) return trouble;
    if (this.#parts.worker.snowflake === null) return 'this node has no worker number for message ids';
    return this.#sessionStoreFailed ? 'sessions cannot be stored' : null;
  }

  refuse(): void {
    this.#health = 'draining';
  }

  startDrain(deadlineMs: number | null, target: string | null): DrainStatus {
    const { drain } = this.#parts.config;
    const reason = 'an operator drains this node';
    this.#drain.start({ deadlineMs: deadlineMs ?? drain.deadlineMs, target: target ?? drain.target, reason });
    return this.#drain.status;
  }

  drainStatus(): DrainStatus {
    return this.#drain.status;
  }

  countLagging(): void {
    this.#lagging += 1;
  }

  countCommit(count: number, seconds: number, oldestWait: number): void {
    this.#commits += 1;
    this.#storeFailedAt = -Infinity;
    this.onCommit?.(count, seconds, oldestWait);
  }

  countSessionStore(error: unknown): void {
    this.#sessionStoreFailed = error !== null;
  }

  countResult(error: Error | null, duplicate: boolean): void {
    if (error === null) {
      if (duplicate) this.#duplicates += 1;
      else this.#published += 1;
      return;
    }
    const { drop } = failureReply(error);
    this.#parts.drops[drop] += 1;
    if (drop === 'store') this.#storeFailedAt = this.#parts.clock.monotonic();
  }

  stats(): GatewayStats {
    const stats = this.#stats();
    return { ...stats, load: this.#drain.load(stats), drain: this.#drain.status };
  }

  #stats(): Omit<GatewayStats, 'load' | 'drain'> {
    const { config, sessions, subscriptions, channels, hotLog, clock, drops } = this.#parts;
    const region = this.#host.stats();
    return {
      node: config.node,
      cluster: this.#parts.cluster?.counts ?? null,
      region_name: this.#host.regionName,
      driver: this.#host.driver,
      driver_reason: this.#host.driverReason,
      owner: { pid: region.ownerPid, epoch: region.ownerEpoch, engine_pid: region.enginePid, detached: region.detached },
      uptime_s: (clock.monotonic() - this.#started) / 1000,
      connections: sessions.connections,
      sessions: sessions.sessions,
      subscriptions: subscriptions.count,
      channels: channels.size,
      counters: { ...region.counters, lagging_events: this.#lagging },
      event_ring: region.eventRing,
      command_ring: region.commandRing,
      published: this.#published,
      duplicates: this.#duplicates,
      commits: this.#commits,
      drops: { ...drops },
      hot_log: { bytes: hotLog.bytes, messages: hotLog.messages },
      history: historyStats(this.#parts),
      damaged: { ...this.#parts.damage },
      memory: memoryParts(this.#parts, region.counters),
    };
  }

  async publish(channel: string, from: string, key: string, body: string | Uint8Array): Promise<AdminPublishResult> {
    const bytes = typeof body === 'string' ? Buffer.from(body) : body;
    this.#checkPublish(channel, from, key, bytes.length);
    await this.#parts.ahead?.channel(channel, true);
    const open = this.#parts.channels.open(channel);
    return new Promise((resolve, reject) => {
      const done: PublishRequest['done'] = (error, result, duplicate) => {
        if (result === null) return reject(asSluiceError(error));
        resolve({ msg_id: result.id, server_seq: result.seq, server_ts: result.serverTs, lamport: result.lamport, duplicate });
      };
      this.#parts.publisher.publish({
        channel: open, sender: from, key, clientTs: null, lamport: 0, clock: open.clocked ? '{}' : '', text: typeof body === 'string',
        bodyAddress: -1, bodyLength: bytes.length, bodyBytes: bytes, row: -1, generation: 0, opId: 0, hold: -1, done,
      });
    });
  }

  #checkPublish(channel: string, from: string, key: string, bodyBytes: number): void {
    const max = this.#parts.config.limits.messageBytes;
    checkName('channel', channel, CHANNEL_BYTES_MAX);
    checkName('from', from, STRING_BYTES_MAX);
    const checked = readKey(key);
    if (checked instanceof HeaderFault) throw new InvalidError(checked.message);
    if (bodyBytes > max) throw new TooBigError(`the body has ${bodyBytes} bytes, limits.messageBytes is ${max}`);
  }

  async history(channel: string, query: AdminHistoryQuery): ReturnType<AdminBackend['history']> {
    const { channels, config } = this.#parts;
    const max = config.limits.historyMessages;
    if (query.limit < 1 || query.limit > max) throw new LimitError(`limit must be from 1 to ${max}`);
    if (isName(channel, CHANNEL_BYTES_MAX)) await this.#parts.ahead?.channel(channel, false);
    const open = isName(channel, CHANNEL_BYTES_MAX) ? channels.find(channel) : null;
    if (open === null) return { epoch: '', server_seq: 0, messages: [] };
    const asked = { before: seqPosition(query.before), after: seqPosition(query.after), limit: query.limit };
    const messages = await readRange(this.#parts, open, await historyRange(this.#parts, open, asked), HISTORY_BYTES_MAX);
    return { epoch: open.epoch, server_seq: open.publishedSeq, messages };
  }

  async presence(channel: string): ReturnType<AdminBackend['presence']> {
    return isName(channel, CHANNEL_BYTES_MAX) ? presenceOf(this.#parts, channel) : { count: 0, members: [] };
  }

  async disconnect(user: string, code: number, reason: string): Promise<number> {
    const rows: number[] = [];
    this.#parts.sessions.forEachOf(user, (row) => rows.push(row));
    for (const row of rows) this.#parts.end(row, code as CloseCode, reason);
    // The engine is told at the end of this turn. Answered before, it would not be so where this process dies in between.
    await new Promise((resolve) => setImmediate(resolve));
    return rows.length;
  }
}

function historyStats({ archiver, cold, clock }: GatewayParts): GatewayStats['history'] {
  if (archiver === null) return null;
  const { archived, failures, failing, removed, backlog } = archiver.stats;
  const { bytes, since, dropped } = backlog;
  const lag = since === null ? 0 : Math.max(0, clock.now() - since) / 1000;
  return { archived, failures, failing, removed, dropped, backlog_bytes: bytes, lag_s: lag, read_failures: cold?.failures ?? 0 };
}

function checkName(field: string, text: string, maxBytes: number): void {
  if (!isName(text, maxBytes)) throw new InvalidError(`${field} must be a text of 1 to ${maxBytes} bytes without control characters`);
}

function seqPosition(seq: number | undefined): Position | null {
  return seq === undefined ? null : { kind: 'seq', seq, epoch: null };
}
