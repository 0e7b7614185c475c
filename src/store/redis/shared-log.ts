import { randomBytes } from 'node:crypto';
import type { Cluster, Redis } from 'ioredis';
import { StoreError } from '../../errors.js';
import { EPOCH_MS } from '../message-id.js';
import type { SharedAppend, SharedEntry, SharedHead, SharedLog, SharedLogEvents, SharedResult } from '../shared-log.js';
import type { FrameRun } from '../types.js';
import { packEntries } from './append-args.js';
import type { RedisClient } from './client.js';
import { ChannelKeys, channelOfNews } from './keys.js';

export interface RedisSharedLogOptions {
  readonly redis: RedisClient;
  readonly events: SharedLogEvents;
  /** This node's name, which news carry. */
  readonly node: string;
  /** Messages of a channel that are kept, about. */
  readonly messagesMax: number;
  /** How long a publish key is remembered, at least. */
  readonly keysMs: number;
  /** Age above which messages may go, ms; 0 keeps them all. */
  readonly retentionMs: number;
  /** Milliseconds since the Unix epoch. */
  readonly now: () => number;
}

const TICKS_PER_MS = 4_194_304n; // a Snowflake's bits below the millisecond
const PULSE_MS = 2000;
/** Messages looked through for an id behind the first of its millisecond. */
const ID_SCAN = 4096;

type Entry = readonly [id: Buffer, fields: readonly Buffer[]];

/**
 * Channels as Redis streams. An entry's id is its server_seq, so that reading from a sequence number is one range. One append of a channel
 * should be under way at a time: Redis keeps the order of commands of one connection, but not over reconnects.
 */
export class RedisSharedLog implements SharedLog {
  readonly #options: RedisSharedLogOptions;
  readonly #subscriber: Redis | Cluster;
  readonly #keys = new Map<string, ChannelKeys>();
  readonly #listening = new Set<string>();
  readonly #pulse: NodeJS.Timeout;
  #interrupted = false;
  #closed = false;

  constructor(options: RedisSharedLogOptions) {
    this.#options = options;
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
    const { redis, node, messagesMax, keysMs, retentionMs, now } = this.#options;
    const keys = this.#keysOf(channel);
    const args = [
      newEpoch(), seen?.epoch ?? '', seen?.seq ?? 0, messagesMax, keysMs * 2, keys.news, node, packEntries(entries),
      retentionMs, Math.floor(now()),
    ];
    const answer = (await redis.script('sluiceAppend', [keys.head, keys.stream, ...keys.seen(now(), keysMs)], args)) as Buffer[];
    const results = answer.slice(1).map(readResult);
    if (results.length !== entries.length) throw new StoreError('Redis answered for another number of messages', false);
    return { epoch: String(answer[0]), results };
  }

  async read(channel: string, fromSeq: number, maxCount: number): Promise<FrameRun | null> {
    const entries = await this.#range(channel, `${fromSeq}-0`, maxCount);
    const first = entries[0];
    if (first === undefined) return null;
    const firstSeq = seqOf(first);
    const frames: Buffer[] = [];
    const ends: number[] = [];
    let end = 0;
    for (const entry of entries) {
      // A gap is where messages were lost: the run ends before it.
      if (seqOf(entry) !== firstSeq + frames.length) break;
      const frame = entry[1][1] as Buffer;
      frames.push(frame);
      end += frame.length;
      ends.push(end);
    }
    return { firstSeq, lastSeq: firstSeq + frames.length - 1, frames: Buffer.concat(frames, end), ends: Uint32Array.from(ends) };
  }

  async seqAtTs(channel: string, ts: number): Promise<number> {
    const head = await this.head(channel, false);
    if (head === null) return 1;
    let low = head.oldestSeq;
    let high = head.headSeq + 1;
    while (low < high) {
      const middle = low + Math.floor((high - low) / 2);
      const [entry] = await this.#range(channel, `${middle}-0`, 1);
      if (entry === undefined) high = middle;
      else if (tsOf(entry) >= ts) high = middle;
      else low = seqOf(entry) + 1;
    }
    // Where the middle fell into a gap, what is there begins behind it.
    return low;
  }

  async seqAfterId(channel: string, msgId: string): Promise<number> {
    // Ids of several nodes do not rise along a channel. The position behind a message is asked for by its id and one.
    const before = String(BigInt(msgId) - 1n);
    const ts = Number(BigInt(before) / TICKS_PER_MS) + EPOCH_MS;
    // A message's server_ts is not below its id's time, so it is found from there on.
    const start = await this.seqAtTs(channel, ts);
    const entries = await this.#range(channel, `${start}-0`, ID_SCAN);
    const found = entries.find(({ 1: fields }) => String(fields[5]) === msgId || String(fields[5]) === before);
    if (found === undefined) return this.seqAtTs(channel, Number(BigInt(msgId) / TICKS_PER_MS) + EPOCH_MS);
    return String(found[1][5]) === before ? seqOf(found) + 1 : seqOf(found);
  }

  async idAt(channel: string, seq: number): Promise<string> {
    const [entry] = await this.#range(channel, `${seq}-0`, 1);
    return entry === undefined || seqOf(entry) !== seq ? '' : String(entry[1][5]);
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

  async #range(channel: string, from: string, count: number): Promise<readonly Entry[]> {
    return (await this.#options.redis.command('xrange', this.#keysOf(channel).stream, from, '+', 'COUNT', count)) as Entry[];
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
    const [node = '', epoch = '', first, count, lamport] = message.toString('utf8', 0, Math.max(newline, 0)).split(' ');
    const firstSeq = Number(first);
    const lastSeq = firstSeq + Number(count) - 1;
    // What somebody else says on our channel is no news.
    if (newline < 0 || !Number.isSafeInteger(firstSeq) || !Number.isSafeInteger(lastSeq) || lastSeq < firstSeq) return;
    const channel = channelOfNews(this.#options.redis.prefix, key);
    const frames = message.subarray(newline + 1);
    this.#options.events.onNews({ channel, node, epoch, firstSeq, lastSeq, lamport: Number(lamport), frames });
  }
}

/** Never the same twice: a life of a sequence that came after another must not look like it. */
function newEpoch(): string {
  return randomBytes(6).toString('base64url');
}

function readResult(answer: Buffer): SharedResult {
  const [duplicate, seq, id = '', serverTs, lamport] = answer.toString('latin1').split(' ');
  return { duplicate: duplicate === '1', seq: Number(seq), id, serverTs: Number(serverTs), lamport: Number(lamport) };
}

function seqOf(entry: Entry): number {
  return Number(entry[0].toString('latin1').split('-')[0]);
}

function tsOf(entry: Entry): number {
  return Number(entry[1][3]?.toString('latin1'));
}
