/** Public types of the client SDK. Wire names are snake_case (PROTOCOL.md); these are their camelCase counterparts. */
import type { ClientError } from './errors.js';

/** A place in a channel; `epoch` names one life of the channel's sequence. */
export interface Position {
  readonly seq: number;
  readonly epoch: string;
}

/** Where a subscription starts: after a position, at a server time (ms since the Unix epoch), or after a message. */
export type Since = Position | { readonly ts: number } | { readonly msgId: string };

/** Where a page of history ends or starts; itself excluded. With an `epoch` it is refused where the channel has another one. */
export type HistoryPoint = { readonly seq: number; readonly epoch?: string } | { readonly ts: number } | { readonly msgId: string };

/** Text is published and delivered as a string, binary as bytes. */
export type Body = string | Uint8Array;

export interface Message {
  readonly channel: string;
  /** Snowflake, decimal. */
  readonly id: string;
  readonly serverSeq: number;
  /** Milliseconds since the Unix epoch. */
  readonly serverTs: number;
  /** Milliseconds since the Unix epoch by the publisher's clock; null when it sent none. */
  readonly clientTs: number | null;
  readonly lamport: number;
  readonly from: string;
  /**
   * In channels with vector clocks: of each sender, the number of its last message that the author had been given; its own is this
   * message's. Null elsewhere. relationOf() compares two.
   */
  readonly clock: VectorClock | null;
  readonly body: Body;
}

/** Sequence numbers by sender. */
export type VectorClock = ReadonlyMap<string, number>;

export interface PublishOptions {
  /** Makes the publish idempotent; generated when absent. Repeating a key gives the first result with `duplicate: true`. */
  readonly key?: string;
  /**
   * In channels with vector clocks: what the message comes after. By default everything that the channel's subscription has given to the
   * application.
   */
  readonly clock?: VectorClock;
}

export interface PublishResult {
  readonly msgId: string;
  readonly serverSeq: number;
  readonly serverTs: number;
  readonly lamport: number;
  readonly duplicate: boolean;
}

export interface HistoryOptions {
  readonly before?: HistoryPoint;
  readonly after?: HistoryPoint;
  /** Messages at most; default 50. */
  readonly limit?: number;
}

export interface SyncResult {
  /** Opaque: keep it, and begin there the next time. */
  readonly cursor: string;
  /** Of channels without a subscription here; those of subscriptions are delivered by them. */
  readonly messages: readonly Message[];
}

export interface Presence {
  readonly count: number;
  readonly members: readonly string[];
}

/** Messages `fromSeq`..`toSeq` will not be delivered. After `epoch_changed` the numbers belong to different lives of the channel. */
export interface Incomplete {
  readonly channel: string;
  readonly fromSeq: number;
  readonly toSeq: number;
  /**
   * `unavailable`: the gateway keeps them, but cannot read them at the moment: history() may have them later. `unfilled`: the gateway left
   * a gap although it was asked for it repeatedly.
   */
  readonly reason: 'expired' | 'epoch_changed' | 'unavailable' | 'unfilled';
}

export interface DrainNotice {
  readonly reason: string;
  readonly deadlineMs: number;
  readonly reconnectInMs: number;
  /** Where to reconnect to; null means the URL that the client was made with. */
  readonly target: string | null;
}

export interface OpenInfo {
  readonly session: string;
  readonly resumed: boolean;
  readonly node: string;
  readonly region: string;
}

export interface CloseInfo {
  readonly code: number;
  readonly reason: string;
  /** False when the client has stopped for good. */
  readonly willReconnect: boolean;
}

export interface ReconnectInfo {
  /** 1 for the first try since the connection was last stable. */
  readonly attempt: number;
  readonly delayMs: number;
}

export type ClientState = 'idle' | 'connecting' | 'open' | 'waiting' | 'closed';

export interface ClientEvents {
  open: OpenInfo;
  close: CloseInfo;
  reconnecting: ReconnectInfo;
  message: Message;
  incomplete: Incomplete;
  drain: DrainNotice;
  error: ClientError;
  state: ClientState;
}

export interface SubscriptionEvents {
  message: Message;
  incomplete: Incomplete;
  /** The gateway has accepted the subscription, or accepted it again after a reconnect. */
  subscribed: Position;
  error: ClientError;
  close: null;
}

/** Every bound of the client; all have defaults (options.ts). */
export interface Limits {
  /** First and largest delay between tries to connect, ms; each delay is uniform between 0 and the doubled bound. */
  readonly backoffBaseMs: number;
  readonly backoffCapMs: number;
  /** A connection that stood this long resets the back-off, ms. */
  readonly stableMs: number;
  /** From dialling to `welcome`, ms. */
  readonly connectTimeoutMs: number;
  /** For history() and presence(), reconnects included, ms. */
  readonly requestTimeoutMs: number;
  /** Unanswered publishes and the sum of their bodies; publish() rejects with `outbox_full` above either. */
  readonly outboxMessages: number;
  readonly outboxBytes: number;
  /** Unanswered publishes on the wire for each channel. 1 keeps their order even when the gateway refuses one for a while. */
  readonly publishWindow: number;
  /** Messages that wait for an async iterator, per subscription; a full queue pauses the subscription. */
  readonly queueMessages: number;
  /** Largest body, bytes; publish() rejects with `too_big` above it. */
  readonly maxBodyBytes: number;
  /** How often a gap is asked for without any progress before it is reported as `unfilled`. */
  readonly gapRefetches: number;
  /** Closes for a protocol error (1002, 1003, 1007, 1009) in a row before the client stops. */
  readonly protocolFailures: number;
}

/** The part of the WHATWG WebSocket that the SDK uses; the browser's, ws's and undici's all have it. */
export interface WebSocketLike {
  binaryType: string;
  // The event types of the three implementations have no common supertype.
  onopen: ((event: any) => void) | null;
  onmessage: ((event: any) => void) | null;
  onclose: ((event: any) => void) | null;
  onerror: ((event: any) => void) | null;
  send(data: string | Uint8Array<ArrayBuffer>): void;
  close(code?: number, reason?: string): void;
}

export type WebSocketConstructor = new (url: string, protocols?: string | string[]) => WebSocketLike;

/** Time, handed in so that tests decide it. */
export interface Clock {
  /** Milliseconds since the Unix epoch. */
  now(): number;
  setTimeout(callback: () => void, ms: number): unknown;
  clearTimeout(handle: unknown): void;
}

export type TokenSource = string | (() => string | Promise<string>);

export interface ClientOptions extends Partial<Limits> {
  /** ws: or wss: URL of the gateway; the path defaults to /v1. */
  readonly url: string;
  /** A function is called before every attempt to connect, and so again after close code 4003. */
  readonly token?: TokenSource;
  /** Names this device for its cursors. */
  readonly device?: string;
  /** Of an earlier client of this device (`sync`): its channels come again from there, as soon as they are subscribed. */
  readonly syncCursor?: string;
  /** Needed where there is no global one (Node 20): `import { WebSocket } from 'ws'` or from 'undici'. */
  readonly WebSocket?: WebSocketConstructor;
  readonly clock?: Clock;
  /** Uniform in [0, 1); by default cryptographic. */
  readonly random?: () => number;
}
