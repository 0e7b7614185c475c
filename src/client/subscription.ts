import { Backoff } from './backoff.js';
import { numberOr, stringOr } from './codec.js';
import { Emitter } from './emitter.js';
import { ClientError } from './errors.js';
import { PullQueue } from './queue.js';
import { Tracker } from './tracker.js';
import type { Fields } from './codec.js';
import type { Link, Reply } from './replies.js';
import type { Incomplete, Limits, Message, Position, Since, SubscriptionEvents, VectorClock } from './types.js';
import { ChannelClock } from './vector-clock.js';

/** What a subscription tells its client. */
export interface SubscriptionOwner {
  /** Whether the client has listeners for `message`. */
  readonly isListening: boolean;
  delivered(message: Message): void;
  incomplete(loss: Incomplete): void;
  failed(error: ClientError): void;
  closed(channel: string): void;
}

/** off: not known to the gateway. asking: `sub` is unanswered. paused: the queue is full. */
type Phase = 'off' | 'asking' | 'live' | 'paused' | 'closed';

/**
 * One channel's messages, each once and in order, across reconnects.
 *
 * With listeners for `message` it pushes. Without one, or with an async iterator, messages wait in a bounded queue; a full queue
 * pauses the subscription at the gateway, and it catches up from there when half of the queue is taken: nothing is dropped.
 */
export class Subscription extends Emitter<SubscriptionEvents> implements AsyncIterable<Message> {
  readonly channel: string;
  /** The channel's head when the gateway first accepted; rejects when it refuses or the client ends before. */
  readonly ready: Promise<Position>;
  readonly #link: Link;
  readonly #owner: SubscriptionOwner;
  readonly #limits: Limits;
  readonly #tracker: Tracker;
  readonly #queue: PullQueue<Message>;
  readonly #backoff: Backoff;
  readonly #clock = new ChannelClock();
  #phase: Phase = 'off';
  /** The gateway has answered a `sub`. */
  #isKnown = false;
  #iterators = 0;
  /** Only the answer to the latest `sub` counts. */
  #asks = 0;
  /** Requests for the same gap since the last delivery. */
  #refetches = 0;
  #retry: unknown = null;
  #resolveReady!: (position: Position) => void;
  #rejectReady!: (error: Error) => void;

  constructor(channel: string, since: Since | null, link: Link, owner: SubscriptionOwner, limits: Limits) {
    super();
    this.channel = channel;
    this.#link = link;
    this.#owner = owner;
    this.#limits = limits;
    this.#tracker = new Tracker(since);
    this.#queue = new PullQueue(limits.queueMessages, () => this.#unpause(), (message) => this.#clock.receive(message));
    this.#backoff = new Backoff(limits.backoffBaseMs, limits.backoffCapMs, link.random);
    this.ready = new Promise((resolve, reject) => {
      this.#resolveReady = resolve;
      this.#rejectReady = reject;
    });
    // Who does not wait for it hears of the failure by the event `error`.
    this.ready.catch(() => undefined);
  }

  /** Last delivered position; null while the channel's head is not known. */
  get position(): Position | null {
    return this.#tracker.position;
  }

  /** What the application has been given, in channels with vector clocks; empty elsewhere. */
  get clock(): VectorClock {
    return this.#clock.value;
  }

  /** Unsubscribes. Iterators end after what is queued. */
  close(): void {
    this.end(null);
  }

  override on<K extends keyof SubscriptionEvents>(event: K, listener: (value: SubscriptionEvents[K]) => void): () => void {
    const remove = super.on(event, listener);
    // A microtask later the caller has its handle.
    if (event === 'message') queueMicrotask(() => this.flush());
    return remove;
  }

  /** Several iterators share the messages. Leaving a loop keeps the subscription; close() ends it. */
  [Symbol.asyncIterator](): AsyncIterator<Message> {
    let isOpen = true;
    this.#iterators += 1;
    return {
      next: () => (isOpen ? this.#queue.pull() : Promise.resolve({ value: undefined, done: true })),
      return: () => {
        if (isOpen) this.#iterators -= 1;
        isOpen = false;
        // Listeners have heard what is still queued.
        if (this.#iterators === 0 && this.#isHeard()) this.#queue.drain();
        return Promise.resolve({ value: undefined, done: true });
      },
    };
  }

  /** @internal Gives the first listener what came before it. */
  flush(): void {
    if (this.#iterators > 0 || this.#queue.size === 0 || !this.#isHeard()) return;
    for (const message of this.#queue.drain()) this.#tell(message);
  }

  /** @internal What `hello` tells of it; null when it shall not come by itself. */
  get resumable(): Position | null {
    return this.#isKnown && this.#phase !== 'paused' ? this.#tracker.position : null;
  }

  /**
   * @internal The connection is up. `from`: the gateway delivers the channel from behind this position by itself. Asks for what follows
   * the last delivered position unless that is what is coming. Returns whether what is coming is wanted.
   */
  up(from: Position | null = null): boolean {
    if (this.#phase !== 'off') return false;
    // The device had the channel before this client did, and it goes on there.
    if (!this.#isKnown && from !== null && this.#tracker.since === null) this.#adopt(from);
    const last = this.#tracker.position;
    // What overlaps is dropped; a hole, or another life of the channel, needs an answer to `sub`.
    const goesOn = this.#isKnown && from !== null && last !== null && from.epoch === last.epoch && from.seq <= last.seq;
    if (goesOn) this.#goOn(last);
    else {
      // It is on its way already, and would not be sent again for asking; what comes before the answer is dropped here.
      if (from !== null) this.#unsubscribe();
      this.#ask();
    }
    return true;
  }

  /** @internal The connection is gone. */
  down(): void {
    if (this.#phase === 'closed' || this.#phase === 'paused') return;
    this.#phase = 'off';
    this.#cancelRetry();
  }

  /** @internal A `msg` of this channel. */
  receive(message: Message): void {
    // While a `sub` is unanswered everything it will bring is after `since`, so that dropping this loses nothing.
    if (this.#phase !== 'live') return;
    const next = (this.position?.seq ?? 0) + 1;
    if (this.#hasQueue() && this.#queue.size >= this.#limits.queueMessages) {
      this.#queue.push(message);
      this.#pause();
      return;
    }
    let verdict = this.#tracker.accept(message.serverSeq);
    if (verdict === 'gap') {
      if (this.#refetches < this.#limits.gapRefetches) {
        this.#refetch();
        return;
      }
      this.#tracker.expired(message.serverSeq - 1);
      this.#report({ fromSeq: next, toSeq: message.serverSeq - 1, reason: 'unfilled' });
      verdict = this.#tracker.accept(message.serverSeq);
    }
    if (verdict === 'deliver') this.#deliver(message);
  }

  /** @internal An `incomplete` of this channel. */
  receiveIncomplete(header: Fields): void {
    // Before the answer to `sub` it is of a delivery that is dropped; what misses of the one that was asked for is said behind the answer.
    if (this.#phase !== 'live') return;
    const loss = { fromSeq: numberOr(header['from_seq'], 0), toSeq: numberOr(header['to_seq'], 0) };
    const reason = stringOr(header['reason'], '');
    if (reason !== 'epoch_changed') {
      if (this.#tracker.expired(loss.toSeq)) this.#report({ ...loss, reason: reason === 'unavailable' ? reason : 'expired' });
      return;
    }
    if (!this.#tracker.epochChanged()) return;
    this.#report({ ...loss, reason: 'epoch_changed' });
    // Said in mid-stream: the new epoch's name comes with the answer to a new `sub`.
    this.#ask();
  }

  /** @internal Ends it; `error` is null when the application closed it. */
  end(error: ClientError | null): void {
    if (this.#phase === 'closed') return;
    const isSubscribed = this.#phase === 'live' || this.#phase === 'asking';
    this.#phase = 'closed';
    this.#cancelRetry();
    if (isSubscribed && this.#link.isUp) this.#unsubscribe();
    this.#owner.closed(this.channel);
    this.#queue.end(error);
    this.#rejectReady(error ?? new ClientError('closed', `the subscription to ${this.channel} was closed`));
    if (error !== null) this.emit('error', error);
    this.emit('close', null);
  }

  #adopt(from: Position): void {
    this.#tracker.begin(from.seq, from.epoch);
    this.#isKnown = true;
    this.#resolveReady(from);
  }

  #goOn(last: Position): void {
    this.#cancelRetry();
    this.#asks += 1;
    this.#phase = 'live';
    this.emit('subscribed', last);
  }

  #ask(): void {
    if (!this.#link.isUp) {
      this.#phase = 'off';
      return;
    }
    this.#cancelRetry();
    this.#phase = 'asking';
    const since = this.#tracker.since;
    const header = { op: 'sub', channel: this.channel, ...(since === null ? {} : { since }) };
    const ask = (this.#asks += 1);
    this.#link.request(header, null, (reply) => {
      if (ask === this.#asks && this.#phase === 'asking') this.#answered(reply);
    });
  }

  #answered(reply: Reply): void {
    if (reply.error !== null) {
      if (reply.error.retryable) this.#retryLater(reply.error.retryAfterMs ?? this.#backoff.next());
      else {
        this.#owner.failed(reply.error);
        this.end(reply.error);
      }
      return;
    }
    this.#backoff.reset();
    const head = { seq: numberOr(reply.ok['server_seq'], 0), epoch: stringOr(reply.ok['epoch'], '') };
    const loss = this.#tracker.begin(head.seq, head.epoch);
    this.#phase = 'live';
    this.#isKnown = true;
    if (loss !== null) this.#report(loss);
    this.#resolveReady(head);
    this.emit('subscribed', head);
  }

  /** The first refetch is at once; a gateway that does not fill the gap is not asked again in a loop. */
  #refetch(): void {
    this.#refetches += 1;
    if (this.#refetches === 1) this.#ask();
    else this.#retryLater(this.#backoff.next());
  }

  #retryLater(ms: number): void {
    this.#cancelRetry();
    this.#phase = 'asking';
    this.#asks += 1;
    this.#retry = this.#link.clock.setTimeout(() => this.#ask(), ms);
  }

  #deliver(message: Message): void {
    this.#refetches = 0;
    if (this.#hasQueue()) this.#queue.push(message);
    if (!this.#isHeard()) return;
    this.flush();
    this.#tell(message);
  }

  #tell(message: Message): void {
    this.#clock.receive(message);
    this.emit('message', message);
    this.#owner.delivered(message);
  }

  #isHeard(): boolean {
    return this.listenerCount('message') > 0 || this.#owner.isListening;
  }

  #hasQueue(): boolean {
    return this.#iterators > 0 || !this.#isHeard();
  }

  #pause(): void {
    this.#phase = 'paused';
    if (this.#link.isUp) this.#unsubscribe();
  }

  #unsubscribe(): void {
    this.#link.request({ op: 'unsub', channel: this.channel }, null, () => undefined);
  }

  #unpause(): void {
    if (this.#phase === 'paused') this.#ask();
  }

  #report(loss: Omit<Incomplete, 'channel'>): void {
    if (loss.reason === 'epoch_changed') this.#clock.clear();
    const incomplete = { channel: this.channel, ...loss };
    this.emit('incomplete', incomplete);
    this.#owner.incomplete(incomplete);
  }

  #cancelRetry(): void {
    if (this.#retry !== null) this.#link.clock.clearTimeout(this.#retry);
    this.#retry = null;
  }
}
