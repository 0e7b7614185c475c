/**
 * The way of a publish over a shared log: duplicates, order and frame are the log's work, in one step. What comes for a channel while an
 * append of it is under way is its next one, so one round trip carries as many messages as come in its time; channels do not wait for
 * each other.
 */

import type { EnginePort } from '../engine/port.js';
import { BusyError, StoppedError, StoreError } from '../errors.js';
import { clockField, jsonText, type JsonText } from '../sequence/frame.js';
import type { LamportClock } from '../sequence/lamport.js';
import type { PublishResultHandler } from '../sequence/publisher.js';
import type { Snowflake } from '../sequence/snowflake.js';
import type { PublishRequest } from '../sequence/types.js';
import type { SharedAppend, SharedEntry, SharedLog, SharedResult } from '../store/shared-log.js';
import type { SharedChannels } from './shared-channels.js';

export interface SharedPublisherOptions {
  readonly port: Pick<EnginePort, 'memory' | 'confirm'>;
  readonly log: Pick<SharedLog, 'append'>;
  readonly channels: Pick<SharedChannels, 'seen' | 'published'>;
  readonly lamport: LamportClock;
  /** Null while this node has no worker number: then it makes no ids. */
  readonly snowflake: () => Snowflake | null;
  /** Milliseconds since the Unix epoch. */
  readonly now: () => number;
  /** Milliseconds, never stepping back. */
  readonly monotonic: () => number;
  /** Publishes that may be under way at once; above it they are refused as busy. */
  readonly maxInFlight: number;
  readonly onResult: PublishResultHandler;
  /** After each append: messages, seconds it took, seconds since the oldest of its publishes came. */
  readonly onCommit: (count: number, seconds: number, oldestWaitSeconds: number) => void;
}

/** Messages of a channel that wait to be appended, and those that are being. */
interface Queue {
  readonly channel: PublishRequest['channel'];
  waiting: Pending[];
  since: number;
  sending: boolean;
}

interface Pending {
  readonly request: PublishRequest;
  readonly entry: SharedEntry;
}

const RETRY_AFTER_MS = 100;
/** One append holds up everybody else's while it runs in the log. */
const APPEND_MESSAGES = 1000;
const APPEND_BYTES = 1 << 20;
const BYTES_MAX = 64 << 20;
const MAX_SENDERS = 65_536;
const NEWLINE = 10;

export class SharedPublisher {
  readonly #options: SharedPublisherOptions;
  readonly #queues = new Map<string, Queue>();
  readonly #ready = new Set<Queue>();
  /** What comes before a delivery's sender, by sender. */
  readonly #senders = new Map<string, JsonText>();
  readonly #tooMany = new BusyError('too many publishes are under way', RETRY_AFTER_MS);
  #inFlight = 0;
  #bytes = 0;
  #flushQueued = false;
  #closed = false;
  #onIdle: (() => void) | null = null;

  constructor(options: SharedPublisherOptions) {
    this.#options = options;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  /** Answers through onResult, perhaps before it returns. The body is copied before it returns. */
  publish(request: PublishRequest): void {
    if (this.#closed) return this.#refuse(request, new StoppedError('the gateway is closing'));
    if (this.#inFlight >= this.#options.maxInFlight || this.#bytes > BYTES_MAX) return this.#refuse(request, this.#tooMany);
    const entry = this.#entry(request);
    if (entry === null) return this.#refuse(request, new StoreError('this node has no worker number for message ids', true));
    const { name } = request.channel;
    let queue = this.#queues.get(name);
    if (queue === undefined) {
      queue = { channel: request.channel, waiting: [], since: 0, sending: false };
      this.#queues.set(name, queue);
    }
    if (queue.waiting.length === 0) queue.since = this.#options.monotonic();
    queue.waiting.push({ request, entry });
    this.#inFlight += 1;
    this.#bytes += entry.line[3].length;
    if (queue.sending) return;
    this.#ready.add(queue);
    if (!this.#flushQueued) this.#queueFlush();
  }

  /** Bodies are copied, so what the turn brought is done with; its publishes leave together. */
  endTurn(core: number, position: number): void {
    this.#flush();
    this.#options.port.confirm(core, position);
  }

  /** Accepts nothing more; resolves when everything accepted has its result. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#flush();
    if (this.#inFlight > 0) await new Promise<void>((resolve) => (this.#onIdle = resolve));
  }

  #refuse(request: PublishRequest, error: Error): void {
    this.#options.onResult(request, error, null, false);
  }

  #entry(request: PublishRequest): SharedEntry | null {
    const { lamport, now } = this.#options;
    const snowflake = this.#options.snowflake();
    if (snowflake === null) return null;
    const at = now();
    const id = snowflake.next(at);
    const { channel, sender, key, text, clientTs, clock } = request;
    const before = `{"op":"msg","channel":${channel.nameJson},"id":"${id}","server_seq":`;
    return {
      sender, key, id, text,
      serverTs: snowflake.timestamp,
      lamport: lamport.stamp(request.lamport, at),
      line: [before, `${clockField(clock)},"client_ts":${clientTs},"server_ts":`, ',"lamport":', this.#end(request)],
    };
  }

  /** The end of the header line, newline and body. */
  #end({ sender, bodyAddress, bodyLength, bodyBytes }: PublishRequest): Buffer {
    const { json, ascii } = this.#senderJson(sender);
    const bytes = ascii ? json.length : Buffer.byteLength(json);
    const end = Buffer.allocUnsafe(bytes + 1 + bodyLength);
    if (ascii) end.latin1Write(json, 0);
    else end.utf8Write(json, 0);
    end[bytes] = NEWLINE;
    if (bodyBytes !== null) end.set(bodyBytes, bytes + 1);
    else this.#options.port.memory.copy(end, bytes + 1, bodyAddress, bodyAddress + bodyLength);
    return end;
  }

  #senderJson(sender: string): JsonText {
    let known = this.#senders.get(sender);
    if (known === undefined) {
      if (this.#senders.size >= MAX_SENDERS) this.#senders.clear();
      const { json, ascii } = jsonText(sender);
      known = { json: `,"from":${json}}`, ascii };
      this.#senders.set(sender, known);
    }
    return known;
  }

  /** For publishes outside of a turn. */
  #queueFlush(): void {
    this.#flushQueued = true;
    setImmediate(() => {
      this.#flushQueued = false;
      this.#flush();
    });
  }

  #flush(): void {
    if (this.#ready.size === 0) return;
    for (const queue of this.#ready) void this.#send(queue);
    this.#ready.clear();
  }

  /** Appends until nothing waits. Rejects only when a handler throws, which is a defect and ends the process. */
  async #send(queue: Queue): Promise<void> {
    const { log, channels, monotonic } = this.#options;
    const { name } = queue.channel;
    queue.sending = true;
    while (queue.waiting.length > 0) {
      const { since } = queue;
      const batch = this.#take(queue);
      const started = monotonic();
      const appended = await log.append(name, batch.map(({ entry }) => entry), channels.seen(name)).catch(asError);
      if (appended instanceof Error) this.#fail(queue, batch, appended);
      else {
        this.#succeed(batch, appended);
        channels.published(name, appended.epoch, appended.results.reduce((last, { seq }) => Math.max(last, seq), 0));
        const done = monotonic();
        this.#options.onCommit(batch.length, (done - started) / 1000, (done - since) / 1000);
      }
      this.#checkIdle();
    }
    queue.sending = false;
    this.#queues.delete(name);
  }

  #take(queue: Queue): Pending[] {
    let bytes = 0;
    let count = 0;
    for (; count < queue.waiting.length && count < APPEND_MESSAGES && bytes < APPEND_BYTES; count++) {
      bytes += (queue.waiting[count] as Pending).entry.line[3].length;
    }
    this.#bytes -= bytes;
    queue.since = this.#options.monotonic();
    if (count === queue.waiting.length) {
      const all = queue.waiting;
      queue.waiting = [];
      return all;
    }
    return queue.waiting.splice(0, count);
  }

  #succeed(batch: readonly Pending[], { results }: SharedAppend): void {
    this.#inFlight -= batch.length;
    for (const [index, { request }] of batch.entries()) {
      const result = results[index] as SharedResult;
      this.#options.onResult(request, null, result, result.duplicate);
    }
  }

  /** What waited behind it fails as well, so that a sender's messages stay in their order when they are published again. */
  #fail(queue: Queue, batch: readonly Pending[], error: Error): void {
    const failed = [...batch, ...queue.waiting.splice(0)];
    for (const { entry } of failed.slice(batch.length)) this.#bytes -= entry.line[3].length;
    this.#inFlight -= failed.length;
    for (const { request } of failed) this.#refuse(request, error);
  }

  #checkIdle(): void {
    if (this.#inFlight > 0) return;
    this.#onIdle?.();
    this.#onIdle = null;
  }
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new StoreError(String(error), true, { cause: error });
}
