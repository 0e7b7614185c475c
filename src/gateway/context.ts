/** What the operations work on: the parts of one gateway. */

import type { Config } from '../config.js';
import type { EnginePort, Hold, Row } from '../engine/port.js';
import type { CloseCode } from '../errors.js';
import type { ChannelRegistry } from '../sequence/channels.js';
import type { PublishRequest } from '../sequence/types.js';
import type { Authority } from '../session/auth.js';
import type { SessionOpener } from '../session/opener.js';
import type { Subscriptions } from '../session/subscriptions.js';
import type { SessionTable } from '../session/table.js';
import type { SessionWriter } from '../session/writer.js';
import type { SessionStore } from '../store/sessions/session-store.js';
import type { MessageLog } from '../store/types.js';
import type { RunReader } from '../sync/history.js';
import type { Replays } from '../sync/replays.js';
import type { ColdSource, ReplaySink, ReplaySource } from '../sync/types.js';
import type { Ahead } from './message/ahead.js';
import type { ClusterSide } from './cluster-side.js';
import type { Header } from './message/header.js';
import type { Holds } from './message/holds.js';
import type { PublishRate } from './message/rate.js';
import type { Replies } from './message/replies.js';
import type { SeenIds } from './sessions/seen-ids.js';
import type { SessionKeeper } from './sessions/session-keeper.js';
import type { WelcomeTexts } from './opening/welcome-texts.js';

export interface Clock {
  /** Milliseconds since the Unix epoch. */
  now(): number;
  /** Milliseconds, never stepping back. */
  monotonic(): number;
}

/** The part of the publisher that operations use. */
export interface PublishSink {
  publish(request: PublishRequest): void;
}

export interface GatewayContext {
  readonly config: Config;
  readonly clock: Clock;
  readonly port: EnginePort;
  readonly sessions: SessionTable;
  readonly subscriptions: Subscriptions;
  readonly auth: Authority;
  readonly store: SessionStore;
  readonly opener: SessionOpener;
  readonly writer: SessionWriter;
  readonly keeper: SessionKeeper;
  readonly rate: PublishRate;
  readonly channels: ChannelRegistry;
  /** Where places in channels are looked up. */
  readonly log: Pick<MessageLog, 'seqAtTs' | 'seqAfterId'>;
  /** Messages that are not in memory. */
  readonly runs: RunReader;
  /** What this node has in common with others; null where it is alone. */
  readonly cluster: ClusterSide | null;
  /** Fetches what operations need; null where all is at hand. */
  readonly ahead: Ahead | null;
  readonly publisher: PublishSink;
  readonly replays: Replays;
  readonly source: ReplaySource;
  /** Null where there is no cold tier. */
  readonly cold: ColdSource | null;
  readonly sink: ReplaySink;
  readonly replies: Replies;
  readonly holds: Holds;
  readonly seenIds: SeenIds;
  readonly drops: Drops;
  /** See WelcomeTexts. */
  readonly welcomeTexts: WelcomeTexts;
  /** Ends the row's session and closes its connection. */
  end(row: Row, code: CloseCode, reason: string): void;
}

/** Publishes that were refused or dropped, by reason. */
export type DropReason = 'rate_limited' | 'not_authorised' | 'bad_request' | 'busy' | 'store' | 'internal' | 'too_big';
export type Drops = Record<DropReason, number>;

/** Body of the message that is being handled: one object, filled anew for each. */
export interface Body {
  /** Place in the region; meaningless when `bytes` is set. */
  address: number;
  length: number;
  /** The body outside of the region: of a message that waited while its sender's token was checked. */
  bytes: Uint8Array | null;
  text: boolean;
  /** Of a message that waited: its event, to be let go when it is answered. Who answers later takes it, leaving -1. */
  hold: Hold;
}

export type Operation = (context: GatewayContext, row: Row, header: Header, body: Body) => void;
