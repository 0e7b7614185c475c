/**
 * The channels of a shared log that this node uses. Each is one *life* of its sequence, with a number of its own by which the engine
 * knows it: when the log begins a new life, the channel is opened anew and its subscribers are moved. News come in here and go out as
 * effects of the channel's feed.
 */

import { StoreError } from '../errors.js';
import type { ChannelRegistry, OpenChannel } from '../sequence/channels.js';
import type { HotLog } from '../store/hot-log.js';
import type { SharedHead, SharedLog, SharedLogEvents, SharedNews } from '../store/shared-log.js';
import type { ChannelHead } from '../store/types.js';
import { ChannelFeed, type FeedEffect } from './feed.js';
import type { FanOut } from './fan-out.js';
import { areFrames, idOfFrame } from '../store/delivery-frame.js';

export interface SharedChannelsParts {
  readonly log: SharedLog;
  readonly registry: ChannelRegistry;
  readonly fanOut: FanOut;
  readonly hotLog: HotLog;
  readonly memory: Buffer;
  /** Messages of the channel are gone: its subscribers are told. */
  readonly onLost: (channel: OpenChannel, fromSeq: number, toSeq: number) => void;
  /** The channel goes on as another one: its subscribers are moved. */
  readonly onRenewed: (former: OpenChannel, channel: OpenChannel) => void;
  /** The highest Lamport value of what others published. */
  readonly onLamport: (value: number) => void;
}

/** One life of a channel here. */
interface Life {
  readonly id: number;
  readonly name: string;
  readonly feed: ChannelFeed;
  /** Oldest server_seq that could be read when the log was asked last. */
  oldestSeq: number;
  /** A message that this node knows for certain to have this number, for want of a later one: what the head was when it was opened. */
  readonly mark: { readonly seq: number; readonly id: string };
  /** Listening was interrupted: whether the log is still the same is to be looked at before anything is delivered. */
  sure: boolean;
  checking: boolean;
  /** Who waits until more was delivered. */
  waiting: { readonly seq: number; readonly resolve: () => void }[];
}

/** Messages of a gap that are read at once. */
const FETCH_MESSAGES = 1000;
const HEADS_A_TICK = 64;

export class SharedChannels implements SharedLogEvents {
  #parts: SharedChannelsParts | null = null;
  readonly #lives = new Map<string, Life>();
  readonly #opening = new Map<string, { readonly done: Promise<void>; readonly news: SharedNews[] }>();
  /** Whose messages are known of and not delivered, since the last tick. */
  readonly #behind = new Set<Life>();
  #hand: Iterator<Life> | null = null;
  #nextId = 1;
  #gaps = 0;
  #renewals = 0;
  #stopped = false;

  /** Before anything else: the parts are made around this. */
  join(parts: SharedChannelsParts): void {
    this.#parts = parts;
  }

  /** Reads of the log for news that did not come in order, and channels that began a new life. */
  get counts(): { readonly gaps: number; readonly renewals: number } {
    return { gaps: this.#gaps, renewals: this.#renewals };
  }

  // --- as a channel registry asks a log

  openChannel(name: string): ChannelHead {
    const head = this.findChannel(name);
    if (head === null) throw new StoreError(`channel ${name} is not open here yet`, true);
    return head;
  }

  findChannel(name: string): ChannelHead | null {
    const life = this.#lives.get(name);
    if (life === undefined) return null;
    const { id, oldestSeq, feed } = life;
    return { id, name, epoch: feed.epoch, headSeq: feed.deliveredSeq, oldestSeq };
  }

  /**
   * A channel of the engine's goes on in this control plane, behind what a former one handed to the engine. Whether the log still is in
   * this life, and what it has more, is found out at once, beside whatever comes.
   */
  adoptChannel(name: string, id: number, epoch: string, publishedSeq: number | null): ChannelHead | null {
    if (publishedSeq === null || this.#lives.has(name)) return null;
    this.#nextId = Math.max(this.#nextId, id + 1);
    const life = this.#begin(name, { epoch, headSeq: publishedSeq, oldestSeq: 1, lastId: '' }, id);
    life.sure = false;
    void this.#join(life);
    return this.findChannel(name);
  }

  /** Never rejects: the next look at the channel tries again. */
  async #join(life: Life): Promise<void> {
    await this.#own.log.listen(life.name).catch(() => undefined);
    if (this.#lives.get(life.name) === life) await this.#check(life);
  }

  recentHead(): null {
    return null;
  }

  /** Those that are open. */
  all(): Iterable<{ readonly id: number; readonly name: string }> {
    return this.#lives.values();
  }

  // --- opening

  /** Null when the channel is at hand. Otherwise it is opened, if it is there or is to be made. Rejects with StoreError. */
  prepare(name: string, make: boolean): Promise<void> | null {
    // One that the engine has is adopted when it is asked for.
    if (this.#lives.has(name) || this.#own.registry.find(name) !== null) return null;
    const opening = this.#opening.get(name);
    if (opening !== undefined) return make ? opening.done.then(() => this.prepare(name, true) ?? undefined) : opening.done;
    const news: SharedNews[] = [];
    const done = this.#open(name, make, news).finally(() => this.#opening.delete(name));
    this.#opening.set(name, { done, news });
    return done;
  }

  async #open(name: string, make: boolean, news: readonly SharedNews[]): Promise<void> {
    const { log, registry } = this.#own;
    if (!make && (await log.head(name, false)) === null) return;
    // In this order: what is published in between is told, or in the head.
    await log.listen(name);
    let head: SharedHead | null;
    try {
      head = await log.head(name, true);
    } catch (error) {
      log.unlisten(name);
      throw error;
    }
    const life = this.#begin(name, head as SharedHead);
    registry.open(name);
    for (const some of news) this.#do(life, life.feed.onNews(some));
  }

  #begin(name: string, head: SharedHead, id = this.#nextId++): Life {
    const life: Life = {
      id, name, feed: new ChannelFeed(head), oldestSeq: head.oldestSeq, sure: true, checking: false, waiting: [],
      mark: { seq: head.headSeq, id: head.lastId },
    };
    this.#lives.set(name, life);
    return life;
  }

  /** What is the oldest message is as the log has it now. Rejects with StoreError. */
  async refreshOldest(name: string): Promise<void> {
    const life = this.#lives.get(name);
    const head = life === undefined ? null : await this.#own.log.head(name, false);
    if (life !== undefined && head?.epoch === life.feed.epoch) life.oldestSeq = Math.max(life.oldestSeq, head.oldestSeq);
  }

  /** Nobody here uses the channel any more. */
  forget(name: string): void {
    const life = this.#lives.get(name);
    if (life === undefined) return;
    this.#end(life);
    this.#own.log.unlisten(name);
  }

  #end(life: Life): void {
    this.#lives.delete(life.name);
    this.#behind.delete(life);
    for (const { resolve } of life.waiting.splice(0)) resolve();
  }

  /** Ends all waiting: the node stops. */
  stop(): void {
    this.#stopped = true;
    for (const life of [...this.#lives.values()]) this.#end(life);
  }

  // --- what the publisher and positions ask

  /** How far the sequence is known to go; null where the channel is not open. */
  seen(name: string): { readonly epoch: string; readonly seq: number } | null {
    const feed = this.#lives.get(name)?.feed;
    return feed === undefined ? null : { epoch: feed.epoch, seq: feed.knownSeq };
  }

  published(name: string, epoch: string, seq: number): void {
    const life = this.#lives.get(name);
    if (life !== undefined) this.#do(life, life.feed.onPublished(epoch, seq));
  }

  /**
   * Null when what comes next here is not before `seq` + 1; else a promise that resolves when it is so, or when there is no such message.
   * A client that comes from another node may have been given more than has arrived here.
   */
  reach(name: string, epoch: string | null, seq: number): Promise<void> | null {
    const life = this.#lives.get(name);
    if (life === undefined || life.feed.deliveredSeq >= seq || (epoch !== null && epoch !== life.feed.epoch)) return null;
    return this.#reach(life, seq);
  }

  async #reach(life: Life, seq: number): Promise<void> {
    const head = await this.#own.log.head(life.name, false);
    if (head === null || head.epoch !== life.feed.epoch) return this.#check(life);
    this.#do(life, life.feed.onHead(head.headSeq));
    const wanted = Math.min(seq, head.headSeq);
    if (this.#stopped || life.feed.deliveredSeq >= wanted || this.#lives.get(life.name) !== life) return;
    await new Promise<void>((resolve) => life.waiting.push({ seq: wanted, resolve }));
  }

  // --- what the log tells

  onNews(news: SharedNews): void {
    this.#own.onLamport(news.lamport);
    this.#opening.get(news.channel)?.news.push(news);
    const life = this.#lives.get(news.channel);
    if (life === undefined) return;
    const usable = life.sure && !this.#own.fanOut.full && areFrames(news.frames, news.lastSeq - news.firstSeq + 1);
    this.#do(life, usable ? life.feed.onNews(news) : life.feed.onSkipped(news));
  }

  onInterrupted(): void {
    for (const life of this.#lives.values()) life.sure = false;
  }

  onResumed(): void {
    for (const life of this.#lives.values()) void this.#check(life);
  }

  /** What did not come is read, and some heads are looked at, because the loss of the last news of a channel shows nowhere else. */
  tick(inUse: (channelId: number) => boolean): void {
    const late = [...this.#behind];
    this.#behind.clear();
    for (const life of late) {
      if (!life.sure) void this.#check(life);
      else if (life.feed.behind && !this.#own.fanOut.full) this.#do(life, life.feed.overdue());
    }
    for (let i = 0; i < HEADS_A_TICK; i++) {
      this.#hand ??= this.#lives.values();
      const { value, done } = this.#hand.next();
      if (done === true) {
        this.#hand = null;
        return;
      }
      if (inUse((value as Life).id)) void this.#check(value as Life);
    }
  }

  // --- effects

  #do(life: Life, effects: readonly FeedEffect[]): void {
    for (const effect of effects) {
      if (effect.kind === 'deliver') this.#own.fanOut.deliver(life.id, effect.firstSeq, bufferOf(effect.frames));
      else if (effect.kind === 'fetch') void this.#fetch(life, effect.fromSeq, effect.toSeq);
      else if (effect.kind === 'check') void this.#check(life);
      else this.#lost(life, effect.fromSeq, effect.toSeq);
    }
    if (life.feed.behind) this.#behind.add(life);
    if (life.waiting.length > 0) this.#wake(life);
  }

  #wake(life: Life): void {
    const { deliveredSeq } = life.feed;
    const ready = life.waiting.filter(({ seq }) => seq <= deliveredSeq);
    life.waiting = life.waiting.filter(({ seq }) => seq > deliveredSeq);
    for (const { resolve } of ready) resolve();
  }

  #lost(life: Life, fromSeq: number, toSeq: number): void {
    const channel = this.#own.registry.byId(life.id);
    life.oldestSeq = Math.max(life.oldestSeq, toSeq + 1);
    if (channel === undefined) return;
    channel.sequencedSeq = toSeq;
    channel.publishedSeq = toSeq;
    this.#own.onLost(channel, fromSeq, toSeq);
  }

  /** Never rejects. */
  async #fetch(life: Life, fromSeq: number, toSeq: number): Promise<void> {
    const { log } = this.#own;
    this.#gaps += 1;
    try {
      const run = await log.read(life.name, fromSeq, Math.min(FETCH_MESSAGES, toSeq - fromSeq + 1));
      // Whether that is because messages expired or because the log is another one now is found out before it is believed.
      if ((run === null || run.firstSeq > fromSeq) && !(await this.#isSame(life))) life.feed.onFetchFailed();
      else this.#do(life, life.feed.onFetched(fromSeq, toSeq, run));
    } catch {
      life.feed.onFetchFailed();
    }
    if (life.feed.behind && this.#lives.get(life.name) === life) this.#behind.add(life);
  }

  /** Never rejects: a check that fails is made again by the next tick. */
  async #check(life: Life): Promise<void> {
    if (life.checking || this.#stopped) return;
    life.checking = true;
    try {
      if (await this.#isSame(life)) {
        life.sure = true;
        this.#do(life, life.feed.overdue());
      }
    } catch {
      this.#behind.add(life);
    }
    life.checking = false;
  }

  /** Whether the log still is in this life; where it is not, the channel begins the next one. Rejects with StoreError. */
  async #isSame(life: Life): Promise<boolean> {
    const { log } = this.#own;
    // What the log must know when it is asked; more may be delivered before it has answered.
    const { deliveredSeq } = life.feed;
    const known = this.#newest(life);
    const head = await log.head(life.name, false);
    if (head !== null && head.epoch === life.feed.epoch && (await this.#agrees(life, head, deliveredSeq, known))) {
      life.oldestSeq = head.oldestSeq;
      this.#do(life, life.feed.onHead(head.headSeq));
      return true;
    }
    if (head === null || head.epoch === life.feed.epoch) await log.renew(life.name, life.feed.epoch, life.feed.knownSeq);
    const next = await log.head(life.name, true);
    if (this.#lives.get(life.name) === life && next !== null) this.#renew(life, next);
    return false;
  }

  /** A sequence that was set back gives out its numbers again: the message that this node knows must still have its own. */
  async #agrees(life: Life, head: SharedHead, deliveredSeq: number, known: Life['mark']): Promise<boolean> {
    if (head.headSeq < deliveredSeq) return false;
    if (life.sure || known.id === '') return true;
    const id = head.headSeq === known.seq ? head.lastId : await this.#own.log.idAt(life.name, known.seq);
    return id === '' || id === known.id;
  }

  #newest(life: Life): Life['mark'] {
    const { hotLog, memory } = this.#own;
    const seq = this.#own.registry.byId(life.id)?.publishedSeq ?? 0;
    const piece = hotLog.read(life.id, seq, 1, 1)?.[0];
    return piece === undefined ? life.mark : { seq, id: idOfFrame(memory, piece.address, piece.length) };
  }

  #renew(life: Life, head: SharedHead): void {
    const { registry, onRenewed } = this.#own;
    this.#renewals += 1;
    const former = registry.byId(life.id);
    this.#end(life);
    this.#begin(life.name, head);
    if (former === undefined) return;
    registry.forget(former);
    onRenewed(former, registry.open(life.name));
  }

  get #own(): SharedChannelsParts {
    if (this.#parts === null) throw new StoreError('the shared log is used before its parts are joined', false);
    return this.#parts;
  }
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}
