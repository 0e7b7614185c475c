import { randomBytes } from 'node:crypto';
import type { Cluster, Redis } from 'ioredis';
import { timeOfId } from '../message-id.js';
import type { SharedAppend, SharedEntry, SharedHead, SharedLog, SharedLogEvents, SharedResult } from '../shared-log.js';
import type { FrameRun } from '../types.js';
import { packBatch } from './batch.js';
import type { RedisClient } from './client.js';
import { ChannelKeys, channelOfNews } from './keys.js';
import { runOfMessages } from './message-run.js';
import { placeOf, StreamReader } from './stream-reader.js';

export interface RedisSharedLogOptions {
  readonly redis: RedisClient;
  readonly events: SharedLogEvents;
  /** This node's name, which news carry. */
  readonly node: string;
  /** Messages of a channel that are kept, about. */
  readonly messagesMax: number;
  /** How long a publish key is remembered, at least. */
  readonly keysMs: number;
  /** Messages above that which are kept until they are archived; null: this node does not archive. */
  readonly backlog: number | null;
  /** Age above which messages may go, ms; 0 keeps them all. */
  readonly retentionMs: number;
  /** Milliseconds since the Unix epoch. */
  readonly now: () => number;
}

const PULSE_MS = 2000;

/**
 * Channels as Redis streams (stream-reader.ts). One append of a channel should be under way at a time: Redis keeps the order of commands
 * of one connection, but not over reconnects.
 */
export class RedisSharedLog implements SharedLog {
  readonly #options: RedisSharedLogOptions;
  readonly #subscriber: Redis | Cluster;
  readonly #keys = new Map<string, ChannelKeys>();
  readonly #listening = new Set<string>();
  readonly #reader: StreamReader;
  readonly #pulse: NodeJS.Timeout;
  #interrupted = false;
  #closed = false;

  constructor(options: RedisSharedLogOptions) {
    this.#options = options;
    this.#reader = new StreamReader(options.redis, (channel) => this.#keysOf(channel));
    this.#subscriber = options.redis.subscriber();
    this.#subscriber.on('error', () => undefined);
    this.#subscriber.on('close', () => this.#onClose());
    this.#subscriber.on('ready', () => void this.#listenAgain());
    // Who only listens does not notice that nobody speaks any more.
    this.#pulse = setInterval(() => void this.#subscriber.ping().catch(() => undefined), PULSE_MS).unref();
    this.#subscriber.on('smessageBuffer', (key: Buffer, message: Buffer) => this.#onMessage(key.toString(), message));
  }

  async head(channel: string, make: boolean): Promise<SharedHead | null> {
    const keys = this.#keysOf(channel);
    const answer = await this.#options.redis.script('sluiceOpen', [keys.head, keys.stream], [make ? newEpoch() : '']);
    if (answer === null) return null;
    const [epoch, seq, oldest, lastId] = answer as Buffer[];
    return { epoch: String(epoch), headSeq: Number(seq), oldestSeq: Number(oldest), lastId: String(lastId) };
  }

  async renew(channel: string, epoch: string, leastSeq: number): Promise<void> {
    await this.#options.redis.script('sluiceRenew', [this.#keysOf(channel).head], [epoch, newEpoch(), leastSeq]);
  }

  async append(channel: string, entries: readonly SharedEntry[], seen: { epoch: string; seq: number } | null): Promise<SharedAppend> {
    const { redis, node, messagesMax, keysMs, backlog, retentionMs, now } = this.#options;
    const keys = this.#keysOf(channel);
    const { names, marks, messages, leastTs, leastLamport } = packBatch(entries);
    const args = [
      newEpoch(), seen?.epoch ?? '', seen?.seq ?? 0, messagesMax, keysMs * 2, keys.news, node, names, marks, messages, leastTs,
      leastLamport, retentionMs, Math.floor(now()), backlog ?? '',
    ];
    const answer = (await redis.script('sluiceAppend', [keys.head, keys.stream, ...keys.seen(now(), keysMs)], args)) as Buffer[];
    return readAnswer(answer.map((part) => part.latin1Slice(0, part.length)), entries);
  }

  async read(channel: string, fromSeq: number, maxCount: number): Promise<FrameRun | null> {
    return this.#reader.read(channel, fromSeq, maxCount);
  }

  async seqAtTs(channel: string, ts: number): Promise<number> {
    const head = await this.head(channel, false);
    return head === null ? 1 : this.#reader.seqAtTs(channel, ts, head.oldestSeq, head.headSeq + 1);
  }

  async seqAfterId(channel: string, msgId: string): Promise<number> {
    const id = BigInt(msgId);
    // Ids of several nodes do not rise along a channel. The position behind a message is asked for by its id and one. A message's
    // server_ts is not below its id's time, so it is found from there on.
    const start = await this.seqAtTs(channel, timeOfId(id - 1n));
    return (await this.#reader.seqOfId(channel, start, msgId)) ?? this.seqAtTs(channel, timeOfId(id));
  }

  async idAt(channel: string, seq: number): Promise<string> {
    return this.#reader.idAt(channel, seq);
  }

  async listen(channel: string): Promise<void> {
    this.#listening.add(channel);
    await this.#options.redis.bounded('ssubscribe', () => this.#subscriber.ssubscribe(this.#keysOf(channel).news));
  }

  unlisten(channel: string): void {
    const keys = this.#keysOf(channel);
    this.#keys.delete(channel);
    this.#listening.delete(channel);
    this.#subscriber.sunsubscribe(keys.news).catch(() => undefined);
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#pulse);
    this.#subscriber.disconnect();
  }

  #onClose(): void {
    if (this.#interrupted || this.#closed) return;
    this.#interrupted = true;
    this.#options.events.onInterrupted();
  }

  /** After an interruption: subscribes to everything, and then says that something may have been missed. */
  async #listenAgain(): Promise<void> {
    if (!this.#interrupted || this.#closed) return;
    this.#interrupted = false;
    try {
      await Promise.all([...this.#listening].map((channel) => this.#subscriber.ssubscribe(this.#keysOf(channel).news)));
    } catch {
      // Broken again: the next connection begins anew.
      this.#interrupted = true;
      return;
    }
    if (!this.#closed && !this.#interrupted) this.#options.events.onResumed();
  }

  #keysOf(channel: string): ChannelKeys {
    let keys = this.#keys.get(channel);
    if (keys === undefined) {
      keys = new ChannelKeys(this.#options.redis.prefix, channel);
      this.#keys.set(channel, keys);
    }
    return keys;
  }

  #onMessage(key: string, message: Buffer): void {
    const newline = message.indexOf(10);
    const [node = '', epoch = '', lamport = '', ...place] = message.toString('utf8', 0, Math.max(newline, 0)).split(' ');
    const where = placeOf(place.join(' '));
    const run = where === null ? null : runOfMessages(message.subarray(newline + 1), where);
    // What somebody else says on our channel is no news.
    if (run === null) return;
    const { firstSeq, lastSeq, frames } = run;
    const channel = channelOfNews(this.#options.redis.prefix, key);
    this.#options.events.onNews({ channel, node, epoch, firstSeq, lastSeq, lamport: Number(lamport), frames });
  }
}

/** Never the same twice: a life of a sequence that came after another must not look like it. */
function newEpoch(): string {
  return randomBytes(6).toString('base64url');
}

/** Of epoch, first number, server_ts and lamport before it, then "INDEX SEQ ID SERVER_TS LAMPORT" of each duplicate. */
function readAnswer(answer: readonly string[], entries: readonly SharedEntry[]): SharedAppend {
  const [epoch = '', first, before, lamportBefore, ...repeated] = answer;
  const results: SharedResult[] = new Array<SharedResult>(entries.length);
  for (const text of repeated) {
    const [index, seq, id = '', serverTs, lamport] = text.split(' ');
    results[Number(index) - 1] = { duplicate: true, seq: Number(seq), id, serverTs: Number(serverTs), lamport: Number(lamport) };
  }
  let [seq, serverTs, lamport] = [Number(first), Number(before), Number(lamportBefore)];
  for (const [index, entry] of entries.entries()) {
    if (results[index] !== undefined) continue;
    serverTs = Math.max(serverTs, Math.floor(entry.serverTs));
    lamport = Math.max(lamport + 1, entry.lamport);
    results[index] = { duplicate: false, seq, id: entry.id, serverTs, lamport };
    seq += 1;
  }
  return { epoch, results };
}
