import { bodyBytes, numberOr, stringOr } from './codec.js';
import { Connection } from './connection.js';
import { Emitter } from './emitter.js';
import { ClientError } from './errors.js';
import { messageOf, pointField } from './messages.js';
import { resolveOptions } from './options.js';
import { LamportClock } from './order.js';
import { Publisher } from './publisher.js';
import { Reads } from './reads.js';
import { errorOf, Replies } from './replies.js';
import { Subscription } from './subscription.js';
import type { Fields, Frame } from './codec.js';
import type { ResolvedOptions } from './options.js';
import type { Link, Reply } from './replies.js';
import type {
  Body, ClientEvents, ClientOptions, ClientState, CloseInfo, HistoryOptions, Message, OpenInfo, Position, Presence, PublishOptions,
  PublishResult, Since, SyncResult,
} from './types.js';

const DEFAULT_HISTORY = 50;
/** For positions in the `hello` of a gateway that has not told its limits, and what else a `hello` holds. */
const CURSORS_BYTES = 1500;
const HELLO_BYTES = 4096;

/** A session with a Sluice gateway. Made by createClient(); connects when told to; after close() all calls reject. */
export class Client extends Emitter<ClientEvents> {
  readonly #options: ResolvedOptions;
  readonly #connection: Connection;
  readonly #replies = new Replies();
  readonly #subscriptions = new Map<string, Subscription>();
  readonly #lamport = new LamportClock();
  readonly #publisher: Publisher;
  readonly #reads: Reads;
  #connecting: { promise: Promise<OpenInfo>; resolve: (info: OpenInfo) => void; reject: (error: ClientError) => void } | null = null;
  #opened: OpenInfo | null = null;
  #wasOpen = false;
  #cursorsBytes = CURSORS_BYTES;
  #ended: ClientError | null = null;

  /** Throws ClientError `bad_option` or `no_websocket`. */
  constructor(options: ClientOptions) {
    super();
    this.#options = resolveOptions(options);
    this.#connection = new Connection(this.#options, {
      cursors: () => this.#cursors(),
      state: (state) => this.emit('state', state),
      up: (welcome) => this.#up(welcome),
      down: (info) => this.#down(info),
      frame: (frame) => this.#receive(frame),
      reconnecting: (info) => this.emit('reconnecting', info),
      drain: (notice) => this.emit('drain', notice),
      error: (error) => this.emit('error', error),
      stopped: (error) => this.#stopped(error),
    });
    const link = this.#link();
    this.#publisher = new Publisher(link, this.#lamport, this.#options.limits);
    this.#reads = new Reads(link, this.#options.limits);
  }

  get state(): ClientState {
    return this.#connection.state;
  }

  /** Publishes that are not answered yet. */
  get pendingPublishes(): number {
    return this.#publisher.pending;
  }

  /**
   * Resolves with the first `welcome`; keeps trying until then, and rejects when the client stops or is closed. Called while a
   * reconnect is waited for, it tries at once.
   */
  connect(): Promise<OpenInfo> {
    if (this.#ended !== null) return Promise.reject(this.#ended);
    if (this.#opened !== null) return Promise.resolve(this.#opened);
    if (this.#connecting === null) {
      let resolve!: (info: OpenInfo) => void;
      let reject!: (error: ClientError) => void;
      const promise = new Promise<OpenInfo>((yes, no) => {
        resolve = yes;
        reject = no;
      });
      this.#connecting = { promise, resolve, reject };
    }
    const { promise } = this.#connecting;
    this.#connection.start();
    return promise;
  }

  /** Ends the session. Publishes without an answer reject with `closed`; iterators end after what is queued. */
  close(): void {
    if (this.#ended !== null) return;
    const wasOpen = this.state === 'open';
    this.#end(new ClientError('closed', 'the client was closed'), null);
    this.#connection.stop();
    if (wasOpen) this.emit('close', { code: 1000, reason: 'closed by the client', willReconnect: false });
  }

  /**
   * One subscription per channel. Without `since` it gives what is published from now on.
   * Throws ClientError `closed` or `already_subscribed`.
   */
  subscribe(channel: string, options: { readonly since?: Since } = {}): Subscription {
    if (this.#ended !== null) throw this.#ended;
    if (this.#subscriptions.has(channel)) {
      throw new ClientError('already_subscribed', `${JSON.stringify(channel)} has a subscription: use it, or close() it first`);
    }
    const listening = () => this.listenerCount('message') > 0;
    const owner = {
      get isListening() {
        return listening();
      },
      delivered: (message: Message) => this.emit('message', message),
      incomplete: (loss: ClientEvents['incomplete']) => this.emit('incomplete', loss),
      failed: (error: ClientError) => this.emit('error', error),
      closed: (name: string) => this.#subscriptions.delete(name),
    };
    const subscription = new Subscription(channel, options.since ?? null, this.#link(), owner, this.#options.limits);
    this.#subscriptions.set(channel, subscription);
    subscription.up();
    return subscription;
  }

  /**
   * Resolves when the message is durable, however many reconnects that takes. Rejects with `outbox_full`, `too_big`, `closed`, or
   * what the gateway refused it for.
   */
  publish(channel: string, body: Body, options: PublishOptions = {}): Promise<PublishResult> {
    if (this.#ended !== null) return Promise.reject(this.#ended);
    const clock = options.clock ?? this.#subscriptions.get(channel)?.clock;
    return this.#publisher.publish(channel, body, clock === undefined ? options : { ...options, clock });
  }

  /** Ascending: the last `limit` messages before a point, or the first `limit` after it; without a point the latest. */
  async history(channel: string, options: HistoryOptions = {}): Promise<Message[]> {
    if (this.#ended !== null) throw this.#ended;
    const { before, after, limit = DEFAULT_HISTORY } = options;
    const points = {
      ...(before === undefined ? {} : { before: pointField('before', before) }),
      ...(after === undefined ? {} : { after: pointField('after', after) }),
    };
    return (await this.#reads.read({ op: 'history', channel, ...points, limit })).messages;
  }

  /** Who is connected and subscribed. */
  async presence(channel: string): Promise<Presence> {
    if (this.#ended !== null) throw this.#ended;
    const { ok } = await this.#reads.read({ op: 'presence', channel });
    const members = Array.isArray(ok['members']) ? ok['members'].map(String) : [];
    return { count: numberOr(ok['count'], members.length), members };
  }

  /**
   * Asks for what the device's channels have behind a cursor, by default behind what it has seen. The next cursor stands behind
   * everything that was delivered until it came.
   */
  async sync(cursor?: string): Promise<SyncResult> {
    if (this.#ended !== null) throw this.#ended;
    const { ok, messages } = await this.#reads.read({ op: 'sync', ...(cursor === undefined ? {} : { sync_cursor: cursor }) });
    return { cursor: stringOr(ok['sync_cursor'], ''), messages };
  }

  /** Tells the gateway that this device has seen the channel up to here. Lost when there is no connection; say it again then. */
  seen(channel: string, point: { readonly seq: number; readonly epoch: string } | { readonly msgId: string }): void {
    this.#connection.send({ op: 'seen', channel, ...pointField('point', point) }, null);
  }

  override on<K extends keyof ClientEvents>(event: K, listener: (value: ClientEvents[K]) => void): () => void {
    const remove = super.on(event, listener);
    if (event === 'message') queueMicrotask(() => this.#subscriptions.forEach((subscription) => subscription.flush()));
    return remove;
  }

  #link(): Link {
    const connection = this.#connection;
    const { clock, random } = this.#options;
    return {
      clock,
      random,
      get isUp() {
        return connection.state === 'open';
      },
      request: (header: Fields, body: Body | null, answer: (reply: Reply) => void) => {
        const id = this.#replies.add(answer);
        connection.send({ ...header, id }, body);
        return id;
      },
    };
  }

  #up(welcome: Fields): void {
    const info: OpenInfo = {
      session: stringOr(welcome['session'], ''),
      resumed: welcome['resumed'] === true,
      node: stringOr(welcome['node'], ''),
      region: stringOr(welcome['region'], ''),
    };
    this.#opened = info;
    this.#wasOpen = true;
    this.#cursorsBytes = Math.max(CURSORS_BYTES, limitOf(welcome, 'cursor_bytes', 0) - HELLO_BYTES);
    // Subscriptions first: a publisher that also listens then gets its own messages live.
    this.#subscribeAgain(restoredOf(welcome));
    this.#publisher.up(rateOf(welcome));
    this.#reads.up();
    this.#connecting?.resolve(info);
    this.#connecting = null;
    this.emit('open', info);
  }

  /** `restored`: channels that the gateway delivers by itself, from behind these positions. */
  #subscribeAgain(restored: ReadonlyMap<string, Position>): void {
    const unwanted = new Set(restored.keys());
    for (const [channel, subscription] of this.#subscriptions) {
      if (subscription.up(restored.get(channel) ?? null)) unwanted.delete(channel);
    }
    for (const channel of unwanted) this.#link().request({ op: 'unsub', channel }, null, () => undefined);
  }

  /** For `hello`: how far each subscription is, as many as a header line holds. The others ask by themselves. */
  #cursors(): Fields {
    const cursors: Record<string, Position> = {};
    let bytes = 0;
    for (const [channel, { resumable }] of this.#subscriptions) {
      if (resumable === null) continue;
      bytes += bodyBytes(JSON.stringify([channel, resumable]));
      if (bytes > this.#cursorsBytes) break;
      cursors[channel] = resumable;
    }
    const { syncCursor } = this.#options;
    return {
      ...(syncCursor === null || this.#wasOpen ? {} : { sync_cursor: syncCursor }),
      ...(Object.keys(cursors).length === 0 ? {} : { cursors }),
    };
  }

  #down(info: CloseInfo): void {
    this.#opened = null;
    this.#replies.clear();
    for (const subscription of this.#subscriptions.values()) subscription.down();
    this.#publisher.down();
    this.emit('close', info);
  }

  #receive(frame: Frame): void {
    const { op, header } = frame;
    if (op === 'msg') this.#message(frame);
    else if (op === 'incomplete') this.#subscriptions.get(stringOr(header['channel'], ''))?.receiveIncomplete(header);
    else if (op === 'ok' || op === 'err') {
      // An operation without an id, as `seen` is, is refused without one.
      if (!this.#replies.settle(op, header) && op === 'err') this.emit('error', errorOf(header));
    }
  }

  #message(frame: Frame): void {
    const message = messageOf(frame);
    if (message === null) {
      this.emit('error', new ClientError('protocol', 'the gateway sent a msg without channel or server_seq'));
      return;
    }
    this.#lamport.receive(message.lamport);
    const history = numberOr(frame.header['history'], null);
    if (history !== null) this.#reads.collect(history, message);
    else {
      const subscription = this.#subscriptions.get(message.channel);
      if (subscription === undefined) this.#reads.collectSynced(message);
      else subscription.receive(message);
    }
  }

  #stopped(error: ClientError): void {
    this.#end(error, error);
    this.emit('error', error);
  }

  /** `cause` is null when the application closed the client. */
  #end(error: ClientError, cause: ClientError | null): void {
    this.#ended = error;
    this.#opened = null;
    this.#replies.clear();
    for (const subscription of [...this.#subscriptions.values()]) subscription.end(cause);
    this.#publisher.end(error);
    this.#reads.end(error);
    this.#connecting?.reject(error);
    this.#connecting = null;
  }
}

/** The publish rate that `welcome.limits` grants; null when it does not say. */
function rateOf(welcome: Fields): { readonly perSecond: number; readonly burst: number } | null {
  const perSecond = limitOf(welcome, 'publish_rate', 0);
  if (perSecond <= 0) return null;
  const burst = limitOf(welcome, 'publish_burst', perSecond);
  // A tenth is left unused: what leaves here at the allowed pace may arrive closer together.
  return { perSecond, burst: Math.max(1, burst - Math.ceil(burst / 10)) };
}

function limitOf(welcome: Fields, name: string, fallback: number): number {
  const limits = welcome['limits'];
  return typeof limits === 'object' && limits !== null ? numberOr((limits as Fields)[name], fallback) : fallback;
}

/** `welcome.channels`. */
function restoredOf(welcome: Fields): ReadonlyMap<string, Position> {
  const restored = new Map<string, Position>();
  const channels = welcome['channels'];
  if (typeof channels !== 'object' || channels === null) return restored;
  for (const [channel, position] of Object.entries(channels as Fields)) {
    const { seq, epoch } = (position ?? {}) as Fields;
    restored.set(channel, { seq: numberOr(seq, 0), epoch: stringOr(epoch, '') });
  }
  return restored;
}

/** Throws ClientError `bad_option` or `no_websocket`. */
export function createClient(options: ClientOptions): Client {
  return new Client(options);
}
