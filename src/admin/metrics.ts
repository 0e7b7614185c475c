import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client';
import { addTakeoverPause } from './takeover-metrics.js';
import type { AdminBackend, GatewayStats } from './backend.js';

const COMMIT_BUCKETS = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5];
/** 20 ms is what a pause may take at most. */
const GC_BUCKETS = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5];
const BATCH_BUCKETS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000];

/** Of prom-client: levels with the ending of counters, and sums of those that stand beside them by type. */
const MISNAMED = ['handles', 'requests', 'resources'].map((what) => `sluice_nodejs_active_${what}_total`);

const DRAIN_STATES = ['serving', 'draining', 'closing', 'drained'];

/** Totals that something else counts, and how to read them. */
const TOTALS: readonly { readonly name: string; readonly help: string; readonly of: (stats: GatewayStats) => number }[] = [
  { name: 'sluice_messages_in_total', help: 'WebSocket messages received', of: (s) => counter(s, 'messages_in') },
  { name: 'sluice_messages_out_total', help: 'WebSocket messages sent', of: (s) => counter(s, 'messages_out') },
  { name: 'sluice_bytes_in_total', help: 'Bytes received from sockets', of: (s) => counter(s, 'bytes_received') },
  { name: 'sluice_bytes_out_total', help: 'Bytes sent to sockets', of: (s) => counter(s, 'bytes_sent') },
  { name: 'sluice_published_total', help: 'Messages sequenced and stored', of: (s) => s.published },
  { name: 'sluice_duplicates_total', help: 'Publishes answered with their first result', of: (s) => s.duplicates },
  { name: 'sluice_drain_released_total', help: 'Clients that a drain let go before their time', of: (s) => s.drain.released },
  { name: 'sluice_drain_forced_total', help: 'Clients that a drain had to close', of: (s) => s.drain.forced },
  { name: 'sluice_takeovers_total', help: 'Times that a control plane took the engine over', of: (s) => counter(s, 'takeovers') },
  { name: 'sluice_history_archived_total', help: 'Messages moved on to the cold tier', of: (s) => s.history?.archived ?? 0 },
  { name: 'sluice_history_failures_total', help: 'Attempts to move messages on that failed', of: (s) => s.history?.failures ?? 0 },
  { name: 'sluice_history_dropped_total', help: 'Messages that never reached the cold tier', of: (s) => s.history?.dropped ?? 0 },
  { name: 'sluice_history_removed_total', help: 'Messages that its retention removed', of: (s) => s.history?.removed ?? 0 },
  { name: 'sluice_history_read_failures_total', help: 'Reads that the cold tier did not answer', of: (s) => s.history?.read_failures ?? 0 },
  { name: 'sluice_log_damaged_total', help: 'Chunks of log.mdb that the disk has changed', of: (s) => s.damaged.log },
  { name: 'sluice_history_damaged_total', help: 'Messages of history.mdb that the disk has changed', of: (s) => s.damaged.history },
  { name: 'sluice_cluster_gaps_total', help: 'Gaps in what other nodes told, read from Redis', of: (s) => s.cluster?.gaps ?? 0 },
  { name: 'sluice_cluster_renewals_total', help: 'Sequences that Redis had set back', of: (s) => s.cluster?.renewals ?? 0 },
  { name: 'sluice_redis_commands_total', help: 'Commands and scripts for Redis', of: (s) => s.cluster?.store.commands ?? 0 },
  { name: 'sluice_redis_failures_total', help: 'Those that failed or had no answer in time', of: (s) => s.cluster?.store.failures ?? 0 },
  { name: 'sluice_redis_connects_total', help: 'Connections made to Redis', of: (s) => s.cluster?.store.connects ?? 0 },
  { name: 'sluice_commits_total', help: 'Group commits of the log', of: (s) => s.commits },
];

const LEVELS: readonly { readonly name: string; readonly help: string; readonly of: (stats: GatewayStats) => number }[] = [
  { name: 'sluice_connections', help: 'Open connections', of: (s) => s.connections },
  { name: 'sluice_sessions', help: 'Sessions', of: (s) => s.sessions },
  { name: 'sluice_subscriptions', help: 'Subscriptions of all connections', of: (s) => s.subscriptions },
  { name: 'sluice_channels', help: 'Channels in use', of: (s) => s.channels },
  { name: 'sluice_load', help: 'Whatever of the resources is nearest to its end, 0 to 1', of: (s) => s.load },
  { name: 'sluice_drain_state', help: '0 serving, 1 draining, 2 closing, 3 drained', of: (s) => DRAIN_STATES.indexOf(s.drain.state) },
  { name: 'sluice_drain_rate', help: 'Clients a second that a drain lets go', of: (s) => s.drain.rate },
  { name: 'sluice_drain_deadline_seconds', help: 'Time until a drain closes who is left', of: (s) => s.drain.deadline_ms / 1000 },
  { name: 'sluice_owner_epoch', help: 'Epoch of the control plane that has the engine', of: (s) => s.owner.epoch },
  { name: 'sluice_uptime_seconds', help: 'Time since the start', of: (s) => s.uptime_s },
  { name: 'sluice_history_backlog_bytes', help: 'Bytes of the log that wait for the cold tier', of: (s) => s.history?.backlog_bytes ?? 0 },
  { name: 'sluice_history_lag_seconds', help: 'Age of the oldest messages that wait for it', of: (s) => s.history?.lag_s ?? 0 },
  { name: 'sluice_cluster_nodes', help: 'Nodes that live, as this one knows; 0 outside of a cluster', of: (s) => s.cluster?.nodes ?? 0 },
  { name: 'sluice_redis_up', help: '1 while Redis answers', of: (s) => (s.cluster?.store.ready === true ? 1 : 0) },
  { name: 'sluice_hot_log_bytes', help: 'Memory held by recent messages', of: (s) => s.hot_log.bytes },
  { name: 'sluice_hot_log_messages', help: 'Recent messages in memory', of: (s) => s.hot_log.messages },
];

export interface Metrics {
  readonly contentType: string;
  /** The exposition text. */
  text(): Promise<string>;
  /** One group commit: for AdminBackend.onCommit. */
  commit(batchSize: number, seconds: number, oldestWaitSeconds: number): void;
  close(): void;
}

/** Metrics of one gateway in a registry of their own, so that several in one process do not meet. */
export function createMetrics(backend: AdminBackend): Metrics {
  const register = new Registry();
  // One reading for all metrics of a scrape.
  let reading: GatewayStats | null = null;
  const stats = (): GatewayStats => (reading ??= backend.stats());
  for (const { name, help, of } of TOTALS) addTotal(register, name, help, () => of(stats()));
  for (const { name, help, of } of LEVELS) {
    new Gauge({ name, help, registers: [register], collect() { this.set(of(stats())); } });
  }
  addLabelled(register, stats);
  addTakeoverPause(register, () => stats().counters);
  const latency = new Histogram({ name: 'sluice_commit_seconds', help: 'Group commit', buckets: COMMIT_BUCKETS, registers: [register] });
  const batch = new Histogram({
    name: 'sluice_commit_batch',
    help: 'Publishes in a commit',
    buckets: BATCH_BUCKETS,
    registers: [register],
  });
  const ack = new Histogram({
    name: 'sluice_publish_ack_seconds',
    help: 'Arrival to acknowledgement of the oldest publish of each commit: no publish of the commit waited longer',
    buckets: COMMIT_BUCKETS,
    registers: [register],
  });
  collectDefaultMetrics({ register, prefix: 'sluice_', gcDurationBuckets: GC_BUCKETS });
  for (const name of MISNAMED) register.removeSingleMetric(name);
  return {
    contentType: register.contentType,
    text() {
      reading = backend.stats();
      return register.metrics();
    },
    commit(batchSize, seconds, oldestWaitSeconds) {
      latency.observe(seconds);
      batch.observe(batchSize);
      ack.observe(oldestWaitSeconds);
    },
    close: () => register.clear(),
  };
}

function addLabelled(register: Registry, stats: () => GatewayStats): void {
  const ring = { registers: [register], labelNames: ['ring'] };
  new Gauge({
    ...ring,
    name: 'sluice_ring_used',
    help: 'Records in the fullest ring of the kind',
    collect() {
      this.set({ ring: 'event' }, stats().event_ring.used);
      this.set({ ring: 'command' }, stats().command_ring.used);
    },
  });
  new Gauge({
    ...ring,
    name: 'sluice_ring_capacity',
    help: 'Records that a ring of the kind holds',
    collect() {
      this.set({ ring: 'event' }, stats().event_ring.capacity);
      this.set({ ring: 'command' }, stats().command_ring.capacity);
    },
  });
  addTotals(register, 'sluice_drops_total', 'Publishes refused or dropped', 'reason', () => stats().drops);
  // A gauge: among the native counters are levels, and their names alone do not tell which.
  new Gauge({
    name: 'sluice_native',
    help: 'Counters of the data plane, summed over its cores',
    labelNames: ['counter'],
    registers: [register],
    collect() {
      for (const [name, value] of Object.entries(stats().counters)) this.set({ counter: name }, value);
    },
  });
  new Gauge({
    name: 'sluice_memory_bytes',
    help: 'Memory by owner',
    labelNames: ['part'],
    registers: [register],
    collect() {
      for (const { part, bytes } of stats().memory) this.set({ part }, bytes);
    },
  });
}

function addTotal(registry: Registry, name: string, help: string, read: () => number): void {
  new Counter({
    name,
    help,
    registers: [registry],
    collect() {
      this.reset();
      this.inc(read());
    },
  });
}

function addTotals(registry: Registry, name: string, help: string, label: string, read: () => Readonly<Record<string, number>>): void {
  new Counter({
    name,
    help,
    labelNames: [label],
    registers: [registry],
    collect() {
      this.reset();
      for (const [key, value] of Object.entries(read())) this.inc({ [label]: key }, value);
    },
  });
}

function counter(stats: GatewayStats, name: string): number {
  return stats.counters[name] ?? 0;
}
