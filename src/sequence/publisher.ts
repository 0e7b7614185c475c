import { randomInt } from 'node:crypto';
import type { EnginePort } from '../engine/port.js';
import { KeyHash } from '../store/key-hash.js';
import type { FirstResult, MessageLog } from '../store/types.js';
import type { HotLog } from '../store/hot-log.js';
import type { ChannelRegistry, OpenChannel } from './channels.js';
import type { LamportClock } from './lamport.js';
import type { Snowflake } from './snowflake.js';
import type { PublishRequest } from './types.js';
import { Batch, Publication } from './batch.js';
import { RecentKeys } from './dedupe.js';
import { frameHeaderBytes } from '../engine/frame-header.js';
import { headerLine, jsonText, writeDelivery, type JsonText } from './frame.js';
import { BusyError, StoppedError, StoreError } from '../errors.js';

/** `error` is null exactly when `result` is not. The result may be the publisher's own object: read it at once. */
export type PublishResultHandler = (request: PublishRequest, error: Error | null, result: FirstResult | null, duplicate: boolean) => void;

export interface PublisherOptions {
  readonly port: EnginePort;
  readonly log: MessageLog;
  readonly hotLog: HotLog;
  readonly channels: ChannelRegistry;
  readonly lamport: LamportClock;
  /** Null while this process has no worker number: then it makes no ids. */
  readonly snowflake: () => Snowflake | null;
  /** Milliseconds since the Unix epoch. */
  readonly now: () => number;
  /** Milliseconds, never stepping back. */
  readonly monotonic: () => number;
  /** Publishes that may be under way at once; above it they are refused as busy. */
  readonly maxInFlight: number;
  /** Keys of finished publishes to ephemeral channels that are remembered, at least; the log remembers the others. */
  readonly recentKeys: number;
  /** One handler for all results. Called in the order in which the messages of a channel were published. */
  readonly onResult: PublishResultHandler;
  /** After each commit: messages, seconds it took, seconds since the oldest of its publishes came. */
  readonly onCommit?: (count: number, seconds: number, oldestWaitSeconds: number) => void;
}

const RETRY_AFTER_MS = 100;
/**
 * Share of the arena that frames not yet published may take. No core refers to them yet, so the arena would use their chunks
 * again if it came round meanwhile: it cannot while they are a quarter of it.
 */
const ARENA_SHARE = 0.25;
const COMMIT_INTERVAL_MS = 1;
/** A commit of so many is taken for load. */
const PACED_MESSAGES = 8;
const MAX_SENDERS = 65_536;

/**
 * The way of a publish: duplicate check, order, frame, group commit, fan-out, result. One commit is under way at a time; what comes
 * meanwhile is the next one.
 */
export class Publisher {
  readonly #options: PublisherOptions;
  readonly #port: EnginePort;
  readonly #ephemeral: RecentKeys<FirstResult>;
  readonly #maxBytes: number;
  /** Senders' names as JSON. */
  readonly #senders = new Map<string, JsonText>();
  // Made once: the stack of a refusal tells nothing, and an overload is no time to gather it.
  readonly #tooMany = new BusyError('too many publishes are under way', RETRY_AFTER_MS);
  readonly #noMemory = new BusyError('the memory for recent messages is all in use', RETRY_AFTER_MS);
  readonly #noNumber = new StoreError('this node has no worker number for message ids', true);
  /** Only for what is under way, so its seed need not outlive the process. */
  readonly #hash = new KeyHash({ high: randomInt(2 ** 32), low: randomInt(2 ** 32) });
  #gathering: Batch;
  #committing: Batch;
  #commitRuns = false;
  #commitQueued = false;
  #closed = false;
  /** Resolves close(). */
  #onIdle: (() => void) | null = null;

  constructor(options: PublisherOptions) {
    this.#options = options;
    this.#port = options.port;
    this.#ephemeral = new RecentKeys(options.recentKeys);
    this.#maxBytes = options.port.arena.chunks * options.port.arena.chunkSize * ARENA_SHARE;
    this.#gathering = new Batch(options.port.cores);
    this.#committing = new Batch(options.port.cores);
  }

  /** Publishes that wait for their commit. */
  get inFlight(): number {
    return this.#gathering.publications.length + this.#committing.publications.length;
  }

  /** Answers through onResult, perhaps before it returns. The body is read before it returns. */
  publish(request: PublishRequest): void {
    if (this.#closed) return this.#refuse(request, new StoppedError('the gateway is closing'));
    const channel = request.channel as OpenChannel;
    if (channel.ephemeral) return this.#publishEphemeral(request, channel);
    const hash = this.#hash.of(channel.id, request.sender, request.key);
    const underWay =
      this.#gathering.find(hash, channel.id, request.sender, request.key) ??
      this.#committing.find(hash, channel.id, request.sender, request.key);
    if (underWay !== null) {
      (underWay.waiting ??= []).push(request);
      return;
    }
    let stored: FirstResult | null;
    try {
      stored = this.#options.log.findByKey(channel.id, request.sender, request.key);
    } catch (error) {
      return this.#refuse(request, asError(error));
    }
    if (stored !== null) return this.#options.onResult(request, null, stored, true);
    const publication = this.#accept(request, channel);
    if (publication === null) return;
    if (this.#gathering.publications.length === 0) this.#gathering.since = this.#options.monotonic();
    this.#gathering.add(publication, hash);
    if (!this.#commitRuns && !this.#commitQueued) this.#queueCommit();
  }

  /** Fan-out at once; a duplicate is recognised while its key is among the recent ones. */
  #publishEphemeral(request: PublishRequest, channel: OpenChannel): void {
    const key = RecentKeys.key(channel.id, request.sender, request.key);
    const earlier = this.#ephemeral.get(key);
    if (earlier !== undefined) return this.#options.onResult(request, null, earlier, true);
    const publication = this.#accept(request, channel);
    if (publication === null) return;
    const { id, seq, serverTs, lamport } = publication;
    this.#ephemeral.set(key, { id, seq, serverTs, lamport });
    this.#finish(publication, this.#options.now());
  }

  #refuse(request: PublishRequest, error: Error): void {
    this.#options.onResult(request, error, null, false);
  }

  /** Gives the message its place in the order and writes its frame; null when it was refused, and then nothing was given. */
  #accept(request: PublishRequest, channel: OpenChannel): Publication | null {
    const { port, lamport } = this.#options;
    if (
      this.inFlight >= this.#options.maxInFlight ||
      this.#gathering.bytes + this.#committing.bytes + request.bodyLength > this.#maxBytes
    ) {
      this.#refuse(request, this.#tooMany);
      return null;
    }
    const snowflake = this.#options.snowflake();
    if (snowflake === null) {
      this.#refuse(request, this.#noNumber);
      return null;
    }
    const now = this.#options.now();
    const sender = this.#senderJson(request.sender);
    // Numbers of a refused message are simply not used: only server_seq must be dense.
    const id = snowflake.next(now);
    const serverTs = snowflake.timestamp;
    const stamp = lamport.stamp(request.lamport, now);
    const header = headerLine({
      channelJson: channel.nameJson,
      senderJson: sender.json,
      id,
      seq: channel.sequencedSeq + 1,
      clientTs: request.clientTs,
      serverTs,
      lamport: stamp,
      clock: request.clock,
    });
    // A clock holds other senders' names.
    const headerBytes = channel.ascii && sender.ascii && request.clock === '' ? header.length : Buffer.byteLength(header);
    const payload = headerBytes + 1 + request.bodyLength;
    const length = frameHeaderBytes(payload) + payload;
    const address = length > port.arena.chunkSize ? -1 : port.arena.claim(length);
    if (address < 0) {
      this.#refuse(request, this.#noMemory);
      return null;
    }
    const memory = this.#port.memory;
    const body = writeDelivery(memory, address, header, headerBytes, request.bodyLength, request.text);
    if (request.bodyBytes !== null) memory.set(request.bodyBytes, body);
    else memory.copyWithin(body, request.bodyAddress, request.bodyAddress + request.bodyLength);
    channel.sequencedSeq++;
    channel.usedAt = now;
    return new Publication(request, channel, id, serverTs, stamp, memory, address, length);
  }

  #senderJson(sender: string): JsonText {
    let known = this.#senders.get(sender);
    if (known === undefined) {
      if (this.#senders.size >= MAX_SENDERS) this.#senders.clear();
      known = jsonText(sender);
      this.#senders.set(sender, known);
    }
    return known;
  }

  /**
   * Events of `core` up to `position` were handled; they are confirmed when what they published is durable. Starts a commit when
   * none is under way.
   */
  endTurn(core: number, position: number): void {
    if (this.#gathering.publications.length > 0) {
      this.#gathering.positions[core] = position;
      if (!this.#commitRuns) void this.#commit();
    } else if (this.#commitRuns) {
      this.#committing.positions[core] = position;
    } else {
      this.#port.confirm(core, position);
    }
  }

  /** For publishes outside of a turn. */
  #queueCommit(): void {
    this.#commitQueued = true;
    setImmediate(() => {
      this.#commitQueued = false;
      if (!this.#commitRuns && this.#gathering.publications.length > 0) void this.#commit();
    });
  }

  /**
   * Under load the next commit waits until a millisecond has passed since the last one began: each costs some hundred microseconds of
   * this CPU whatever its size, and what comes meanwhile shares it. A few messages go at once.
   */
  async #pace(started: number, count: number): Promise<void> {
    const wait = COMMIT_INTERVAL_MS - (this.#options.monotonic() - started);
    if (count >= PACED_MESSAGES && wait > 0 && !this.#closed) await new Promise((resolve) => setTimeout(resolve, Math.ceil(wait)));
  }

  /** Commits until nothing is left. Rejects only when a handler throws, which is a defect and ends the process. */
  async #commit(): Promise<void> {
    this.#commitRuns = true;
    while (this.#gathering.publications.length > 0) {
      const batch = this.#gathering;
      this.#gathering = this.#committing;
      this.#committing = batch;
      const started = this.#options.monotonic();
      let failure: Error | null = null;
      try {
        await this.#options.log.append(batch.publications);
      } catch (error) {
        failure = asError(error);
      }
      if (failure === null) this.#published(batch, started);
      else this.#failed(failure);
      const count = batch.publications.length;
      batch.clear();
      await this.#pace(started, count);
      // Turns that ended while it waited, with nothing to commit.
      this.#confirm(batch.positions);
      batch.positions.fill(-1);
    }
    this.#commitRuns = false;
    this.#onIdle?.();
  }

  #published(batch: Batch, started: number): void {
    const now = this.#options.now();
    for (const publication of batch.publications) this.#finish(publication, now);
    const done = this.#options.monotonic();
    this.#confirm(batch.positions);
    this.#options.onCommit?.(batch.publications.length, (done - started) / 1000, (done - batch.since) / 1000);
  }

  /** It is durable (or ephemeral): fan-out, hot log, results. */
  #finish(publication: Publication, now: number): void {
    const { channel, request, waiting, seq, address, length } = publication;
    this.#port.publish(channel.id, address, length, seq);
    channel.publishedSeq = seq;
    this.#options.hotLog.add(channel.id, seq, address, length, now);
    this.#options.onResult(request, null, publication, false);
    if (waiting !== null) for (const duplicate of waiting) this.#options.onResult(duplicate, null, publication, true);
  }

  /**
   * The commit under way failed. What was gathered behind it has sequence numbers above those that are given back, so it fails
   * too: every sequence stays dense and in the order in which its messages came.
   */
  #failed(error: Error): void {
    const batches = [this.#committing, this.#gathering];
    const failed = batches.flatMap((batch) => batch.publications);
    for (const { channel } of failed) channel.sequencedSeq = channel.publishedSeq;
    const positions = batches.map((batch) => [...batch.positions]);
    for (const batch of batches) batch.positions.fill(-1);
    this.#gathering.clear();
    for (const publication of failed) {
      const { request, waiting } = publication;
      this.#refuse(request, error);
      if (waiting !== null) for (const duplicate of waiting) this.#refuse(duplicate, error);
    }
    // Behind the answers: whoever leaves waits for both.
    for (const reached of positions) this.#confirm(reached);
  }

  #confirm(positions: ArrayLike<number>): void {
    for (let core = 0; core < positions.length; core++) {
      const position = positions[core]!;
      if (position >= 0) this.#port.confirm(core, position);
    }
  }

  /** Accepts nothing more; resolves when everything accepted has its result. */
  async close(): Promise<void> {
    this.#closed = true;
    if (!this.#commitRuns && this.#gathering.publications.length > 0) void this.#commit();
    if (this.#commitRuns) await new Promise<void>((resolve) => (this.#onIdle = resolve));
  }
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new StoreError(String(error), true, { cause: error });
}
