import type { FirstResult } from '../store/types.js';
import type { Address, Hold } from '../engine/port.js';

/** A channel as the control plane of this node knows it. One object per channel that is in use, none per connection. */
export interface Channel {
  readonly id: number;
  readonly name: string;
  /** JSON.stringify(name), made once. */
  readonly nameJson: string;
  readonly epoch: string;
  /** Not in the log: fan-out only, best effort. */
  readonly ephemeral: boolean;
  /** Its messages carry vector clocks. */
  readonly clocked: boolean;
  /** Highest server_seq given out. */
  sequencedSeq: number;
  /** Highest server_seq that is durable and was handed to fan-out. */
  publishedSeq: number;
  readonly oldestSeq: number;
}

/** A publish that passed the session's checks. */
export interface PublishRequest {
  readonly channel: Channel;
  readonly sender: string;
  readonly key: string;
  readonly clientTs: number | null;
  readonly lamport: number;
  /** The message's vector clock as JSON; empty in a channel without them. */
  readonly clock: string;
  /** Kind of the publisher's message; its delivery has the same. */
  readonly text: boolean;
  /** Body bytes in the region (or in `bodyBytes`, for a publish that came over HTTP). */
  readonly bodyAddress: Address;
  readonly bodyLength: number;
  readonly bodyBytes: Uint8Array | null;
  /** Whom the result goes to: the row and the client's operation id, or a callback for a publish that came over HTTP (row -1). */
  readonly row: number;
  readonly generation: number;
  readonly opId: number;
  /** Event to be let go with the result; -1 where its turn is confirmed with the commit. */
  readonly hold: Hold;
  readonly done: PublishCallback | null;
}

/** `error` is null exactly when `result` is not. */
export type PublishCallback = (error: Error | null, result: FirstResult | null, duplicate: boolean) => void;
