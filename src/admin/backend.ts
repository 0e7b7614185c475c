/** What the admin API needs of a gateway. The gateway implements it; tests implement it over nothing. */

export interface AdminMessage {
  readonly id: string;
  readonly server_seq: number;
  readonly server_ts: number;
  readonly client_ts: number | null;
  readonly lamport: number;
  readonly from: string;
  /** UTF-8 text for a text message, base64 for a binary one. */
  readonly body: string;
  readonly encoding: 'utf8' | 'base64';
}

export interface AdminPublishResult {
  readonly msg_id: string;
  readonly server_seq: number;
  readonly server_ts: number;
  readonly lamport: number;
  readonly duplicate: boolean;
}

export interface AdminHistoryQuery {
  readonly before?: number;
  readonly after?: number;
  readonly limit: number;
}

export interface ClusterCounts {
  /** That are known to live, this one among them. */
  readonly nodes: number;
  /** Reads for news that did not come in order. */
  readonly gaps: number;
  /** Channels that began a new epoch. */
  readonly renewals: number;
  /** What the nodes share: whether it answers; since the start, calls, those that failed or were too late, connections made. */
  readonly store: { readonly ready: boolean; readonly commands: number; readonly failures: number; readonly connects: number };
}

export interface GatewayStats {
  readonly node: string;
  /** Null where it is alone. */
  readonly cluster: ClusterCounts | null;
  /** Name by which another process attaches to the shared-memory region. */
  readonly region_name: string;
  readonly driver: string;
  readonly driver_reason: string | null;
  /** The control plane that has the engine, which is another process where it is detached. The epoch grows with each takeover. */
  readonly owner: { readonly pid: number; readonly epoch: number; readonly engine_pid: number; readonly detached: boolean };
  readonly uptime_s: number;
  /** 0 to 1: whatever of its resources is nearest to its end. */
  readonly load: number;
  readonly drain: DrainStatus;
  readonly connections: number;
  readonly sessions: number;
  readonly subscriptions: number;
  readonly channels: number;
  /** Native counters summed over the cores, by name (layout.ts COUNTERS). */
  readonly counters: Readonly<Record<string, number>>;
  /** Records in the fullest event ring / its capacity, and the same for commands. */
  readonly event_ring: { readonly used: number; readonly capacity: number };
  readonly command_ring: { readonly used: number; readonly capacity: number };
  readonly published: number;
  readonly duplicates: number;
  readonly commits: number;
  /** Publishes refused or dropped, by reason. */
  readonly drops: Readonly<Record<string, number>>;
  readonly hot_log: { readonly bytes: number; readonly messages: number };
  /** The cold tier; null where there is none. */
  readonly history: HistoryStats | null;
  /** What was found to be damaged since the start: chunks of log.mdb, messages of history.mdb; up to 1,000 of each. */
  readonly damaged: { readonly log: number; readonly history: number };
  /** Memory by owner: bytes in all and bytes for each connection. */
  readonly memory: readonly { readonly part: string; readonly bytes: number; readonly per_connection: number }[];
}

export interface HistoryStats {
  /** Messages moved on to the cold tier. */
  readonly archived: number;
  /** Attempts that failed, and whether the last one did. */
  readonly failures: number;
  readonly failing: boolean;
  /** Messages that the cold tier's own retention removed. */
  readonly removed: number;
  /** Messages that left the log without having reached the cold tier, because the backlog was full. */
  readonly dropped: number;
  readonly backlog_bytes: number;
  /** Age of the oldest messages that wait. */
  readonly lag_s: number;
  /** Reads of clients that the cold tier did not answer. */
  readonly read_failures: number;
}

export interface DrainStatus {
  /** serving, draining, closing (those that are left), drained. */
  readonly state: string;
  /** Connections when it began, and those that are left. */
  readonly initial: number;
  readonly connections: number;
  /** Clients told to go sooner than planned, and clients that had to be closed. */
  readonly released: number;
  readonly forced: number;
  /** Clients a second that are let go now. */
  readonly rate: number;
  /** Milliseconds until the rest is closed. */
  readonly deadline_ms: number;
  readonly target: string | null;
  /** Of the fullest receiver, 0 to 1; null when nothing is known. */
  readonly receiver_load: number | null;
}

export interface AdminBackend {
  readonly health: 'serving' | 'draining';
  /** Null when ready, else the reason why not. */
  notReady(): string | null;
  stats(): GatewayStats;
  /** Begins a drain; one that was begun goes on as it is. Null takes what is configured. */
  startDrain(deadlineMs: number | null, target: string | null): DrainStatus;
  drainStatus(): DrainStatus;
  /** Seconds from the arrival of a publish to its acknowledgement; called for each commit with the values of its publishes. */
  onCommit: ((batchSize: number, seconds: number, oldestWaitSeconds: number) => void) | null;
  /** Rejects with a SluiceError. `key` makes it idempotent. */
  publish(channel: string, from: string, key: string, body: string | Uint8Array): Promise<AdminPublishResult>;
  history(
    channel: string,
    query: AdminHistoryQuery,
  ): Promise<{ readonly epoch: string; readonly server_seq: number; readonly messages: readonly AdminMessage[] }>;
  presence(channel: string): Promise<{ readonly count: number; readonly members: readonly string[] }>;
  /** Closes all connections of a user; returns how many. */
  disconnect(user: string, code: number, reason: string): Promise<number>;
}
