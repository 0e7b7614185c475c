/**
 * What the control plane sees of an engine: events that come out of the shared-memory rings and commands that go in.
 * Bytes are named by *address*, an offset into the shared region, so that nothing is copied to be looked at:
 * `port.memory` is one Buffer over the whole region.
 */

/**
 * Index of a connection's row: core × connectionsPerCore + slot. A row belongs to one connection from `onOpen` until the
 * control plane calls `release(row)` after `onClose`; until then it is not used again, so columns indexed by row are safe.
 */
export type Row = number;

/** Offset in bytes into the region; `port.memory[address]` is that byte. */
export type Address = number;

/** A message that is answered later; -1 for none. */
export type Hold = number;

/** Upgrade request as the peer sent it. Read what is needed at once: the view dies with the call. */
export interface OpenRequest {
  /** Request line and headers, without the empty line, as bytes of the region. */
  readonly address: Address;
  readonly length: number;
  /** Peer's address, "127.0.0.1" or "::1". */
  readonly peerAddress: string;
  readonly peerPort: number;
}

/** Calls come from within one turn; a turn handles a bounded batch of events of one core. */
export interface EngineEvents {
  /** A WebSocket was opened (101 is sent). */
  onOpen(row: Row, request: OpenRequest): void;
  /**
   * A whole message. Its bytes stay in place until the event is confirmed (see EnginePort.confirm).
   * `headerLength` is the offset of the first newline, or `length` where there is none.
   */
  onMessage(row: Row, address: Address, length: number, headerLength: number, text: boolean): void;
  /**
   * The connection is gone; 1005 and 1006 as RFC 6455 §7.1.5. Commands to the row are ignored from here on; call release(row) when its
   * columns are cleared.
   */
  onClose(row: Row, code: number, reason: string): void;
  /** Asked for by notifyWritable: everything sent to the row so far has left the send queue. */
  onWritable(row: Row): void;
  /**
   * The row fell behind its send budget and was unsubscribed from the channel natively: it has every message of the
   * channel up to `nextSeq - 1` and nothing from `nextSeq` on. Catch it up, then subscribe it again.
   */
  onLagging(row: Row, channelId: number, nextSeq: number): void;
  /** Something for the operator's log. */
  onNotice(kind: EngineNotice, core: number, value: number): void;
  /** End of a turn; everything up to `position` of this core's events was delivered. The receiver confirms it now or later. */
  onTurnEnd(core: number, position: number): void;
}

export type EngineNotice = 'file_limit' | 'file_limit_over' | 'receive_exhausted' | 'listen_error' | 'assembly_exhausted' | 'table_full';

/**
 * Commands take effect in the order in which they are written, per core. None blocks and none fails for a full ring: the port
 * then holds back events until the engine has caught up. Commands to a row that was closed are ignored.
 * Written outside of a turn (after an awaited commit, from a timer) they are handed over at the end of the current macrotask.
 */
export interface EnginePort {
  /** One view over the region, for reading messages and writing claimed arena bytes. */
  readonly memory: Buffer;
  readonly cores: number;
  readonly connectionsPerCore: number;
  /** Rows there can be: cores × connectionsPerCore. The size for columns. */
  readonly rows: number;
  readonly arena: Arena;

  /** The engine outlives this process: what a successor has to know is left with it, by note, noteChannel, behind and hold. */
  readonly detached: boolean;

  /**
   * Events up to `position` (from onTurnEnd) are done with, but for those that are held: their bytes may be reused and a successor need
   * not see them again. It travels with the commands, so that a successor finds what they did and this together, or neither.
   */
  confirm(core: number, position: number): void;
  /**
   * The row's message that is being delivered is answered later: the row's ending waits until the hold is let go, and where the engine is
   * detached the event is not confirmed before. Each hold is let go once, behind the answer.
   */
  hold(row: Row): Hold;
  letGo(hold: Hold): void;

  /** Leaves with the engine what a successor has to know of the row; replaces what was left before, and goes with the row. */
  note(row: Row, note: Uint8Array): void;
  /** The same of a channel; null takes it back. */
  noteChannel(channelId: number, note: Uint8Array | null): void;
  /** The row is subscribed, but not live: it still has to get everything from `nextSeq` on. Over with subscribe or unsubscribe. */
  behind(row: Row, channelId: number, nextSeq: number): void;

  /**
   * Leaves with the engine what a successor has to know of the row's subscription, a number of up to 53 bits; 0 takes it back. Over with
   * unsubscribe.
   */
  mark(row: Row, channelId: number, mark: number): void;

  /** Sends the `length` bytes at `address` (of a message being delivered, or of the arena), without a copy in JavaScript. */
  send(row: Row, address: Address, length: number, text: boolean): void;
  /** Sends a copy of `data`, of bytes the first `length`. A string is sent as a text message. */
  sendCopy(row: Row, data: string | Uint8Array, text: boolean, length?: number): void;
  /** Where up to `most` bytes of a text to the row may be written, which sendClaimed() then sends; -1 where there is no room now. */
  claimText(row: Row, most: number): Address;
  /** Nothing was sent since the bytes at `address` were claimed. */
  sendClaimed(row: Row, address: Address, length: number): void;
  /**
   * Where `count` times `most` bytes may be written for welcome() of as many rows, which are the next commands, in the order of their
   * places; -1 where there is no room now.
   */
  claimWelcomes(count: number, most: number): Address;
  /**
   * What a session begins with: the row is admitted, is sent the `length` bytes at `at` of `from`, which are `frames` whole WebSocket
   * frames, and subscribed as by subscribe() unless `channelId` is below 0. `from`: `memory`, in the row's place that was claimed, or other
   * memory, which is copied.
   */
  welcome(row: Row, from: Buffer, at: number, length: number, frames: number, channelId: number, publishedSeq: number): void;
  /**
   * Sends bytes of the arena that already are whole WebSocket frames. Of a catch-up: `channelId` and the server_seq that comes next,
   * so that a successor goes on there.
   */
  sendFramed(row: Row, address: Address, length: number, channelId?: number, nextSeq?: number): void;
  /** Sends a copy of whole WebSocket frames from memory outside of the region. */
  sendFramedCopy(row: Row, frames: Uint8Array, channelId?: number, nextSeq?: number): void;
  /** Starts the close handshake. */
  close(row: Row, code: number, reason: string): void;
  /** The same once everything that the row has said is answered: confirmed, and no hold left. At the latest after closeTimeoutMs. */
  leave(row: Row, code: number, reason: string): void;
  /** Gives the row back after onClose, when it is unsubscribed from all its channels: the subscriber sets hold rows, not connections. */
  release(row: Row): void;
  /** The row is authenticated: the deadline for its first message no longer applies. */
  admit(row: Row): void;
  /** onWritable once, when everything sent so far has left the send queue (at once if it already has). */
  notifyWritable(row: Row): void;
  /** Stops or starts receiving from the row: its sender's TCP window fills. */
  pause(row: Row): void;
  resume(row: Row): void;

  /**
   * Adds the row to the channel's subscribers: it gets every publish command that is written after this. `publishedSeq`: the channel's
   * last one before, 0 where it has no order.
   */
  subscribe(row: Row, channelId: number, publishedSeq?: number): void;
  unsubscribe(row: Row, channelId: number): void;
  /**
   * Fans out whole WebSocket frames at `address` of the arena to all subscribers on all cores. `seq` is the message's
   * server_seq: the engine ignores one that is not above the channel's last, so that a replay after a crash delivers nothing twice.
   * Channels without an order (plain servers) pass 0.
   */
  publish(channelId: number, address: Address, length: number, seq: number): void;

  /** What /healthz and new upgrades are told. */
  setHealth(state: 'serving' | 'draining', retryAfterSeconds: number): void;
  stopListening(): void;
  /** Sum over the cores of the named native counter (see layout.ts, COUNTERS). */
  counter(name: string): number;
}

/**
 * Control-plane memory in the region from which frames are sent: the hot log. Chunks are used in turn, oldest first; a chunk is
 * recycled as a whole once no core refers to it.
 */
export interface Arena {
  readonly chunkSize: number;
  readonly chunks: number;
  /** Contiguous bytes, or -1 when the oldest chunk is still being sent from: a reason to tell the publisher to come back. */
  claim(length: number): Address;
  chunkOf(address: Address): number;
  /** Called before a chunk is used again: forget all addresses in it. */
  onRecycle: ((chunk: number) => void) | null;
}
