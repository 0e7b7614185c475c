/** The Sluice client: browser and Node, no dependencies. See docs/CLIENT.md. */
export { Client, createClient } from './client.js';
export { ClientError } from './errors.js';
export { LamportClock, compareIds, compareMessages } from './order.js';
export { Subscription } from './subscription.js';
export { relationOf } from './vector-clock.js';
export { DEFAULT_LIMITS } from './options.js';
export type { ClientErrorCode } from './errors.js';
export type { Relation } from './vector-clock.js';
export type {
  Body, ClientEvents, ClientOptions, ClientState, Clock, CloseInfo, DrainNotice, HistoryOptions, HistoryPoint, Incomplete, Limits,
  Message, OpenInfo, Position, Presence, PublishOptions, PublishResult, ReconnectInfo, Since, SubscriptionEvents, SyncResult,
  TokenSource, VectorClock, WebSocketConstructor, WebSocketLike,
} from './types.js';
