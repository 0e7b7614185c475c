/** What the nodes of a cluster tell each other through the store. Stores read no clock: times are given, in ms since the Unix epoch. */

export type NodeState = 'serving' | 'draining';

export interface NodeRecord {
  readonly node: string;
  /** Of the process, unlike any other's; empty: it has ended, and whoever comes next may have the name. */
  readonly instance: string;
  /** Who has the connections: the process, or the engine that it is attached to. */
  readonly holder: string;
  readonly region: string;
  /** Where clients reach this very node: "wss://n1.example.org/v1". */
  readonly url: string;
  readonly state: NodeState;
  readonly connections: number;
  /** Share of what the node can bear that it bears: 0 idle, 1 full. */
  readonly load: number;
  /** The node is taken for dead from here on. */
  readonly until: number;
}

/** Nodes that say they live. */
export interface NodeDirectory {
  /**
   * In one step: null when the record stands, or the living one of another process under this name, which then stands. `now`: who lives;
   * null takes the name whoever has it. `as`: the instance that announces it, where it is not the record's.
   */
  announce(record: NodeRecord, now: number | null, as?: string): Promise<NodeRecord | null>;
  /** In no particular order, those whose `until` lies behind `now` left out. */
  list(now: number): Promise<readonly NodeRecord[]>;
  /** Does nothing where the name is another process's. */
  withdraw(node: string, instance: string): Promise<void>;
}

/** Who of one node is in a channel. */
export interface PresenceShare {
  readonly node: string;
  /** As in the node's record: with another one there, these connections are gone. */
  readonly holder: string;
  readonly count: number;
  /** Users of the sessions, the latest first; not all where there are many. */
  readonly members: readonly string[];
  readonly until: number;
}

export interface PresenceBoard {
  /** A count of 0 takes the node off the channel. */
  report(channel: string, share: PresenceShare): Promise<void>;
  list(channel: string, now: number): Promise<readonly PresenceShare[]>;
}

/** Short notes from node to node, told as they are sent; may be lost. */
export interface NodeMail {
  /** How many listen, as far as the store knows. */
  send(node: string, note: string): Promise<number>;
  /** Resolves when it listens to what is sent to `node`, for good. */
  receive(node: string, onNote: (note: string) => void): Promise<void>;
  close(): Promise<void>;
}
