import { RateLimitedError, StoreError } from '../../src/errors.js';
import type { AdminBackend, AdminMessage, DrainStatus, GatewayStats } from '../../src/admin/backend.js';

export interface Call {
  readonly method: string;
  readonly args: readonly unknown[];
}

/** An admin backend over nothing that remembers what it was asked. */
export class FakeBackend implements AdminBackend {
  health: 'serving' | 'draining' = 'serving';
  reason: string | null = null;
  onCommit: AdminBackend['onCommit'] = null;
  readonly calls: Call[] = [];
  counters: Record<string, number> = { messages_in: 10, messages_out: 20, bytes_received: 1000, bytes_sent: 2000 };
  connections = 3;
  load = 0.25;
  drain: DrainStatus = {
    state: 'serving', initial: 0, connections: 3, released: 0, forced: 0, rate: 0, deadline_ms: 0, target: null, receiver_load: null,
  };

  startDrain(...args: Parameters<AdminBackend['startDrain']>): DrainStatus {
    this.calls.push({ method: 'startDrain', args });
    this.drain = { ...this.drain, state: 'draining', initial: 3 };
    return this.drain;
  }

  drainStatus(): DrainStatus {
    return this.drain;
  }

  notReady(): string | null {
    return this.reason;
  }

  stats(): GatewayStats {
    return {
      cluster: null,
      node: 'n1', region_name: 'sluice-1', driver: 'epoll', driver_reason: null,
      owner: { pid: 7, epoch: 3, engine_pid: 8, detached: true }, uptime_s: 5, load: this.load,
      drain: this.drain, connections: this.connections, sessions: 2,
      subscriptions: 4, channels: 1, counters: this.counters, event_ring: { used: 7, capacity: 1024 },
      command_ring: { used: 8, capacity: 2048 }, published: 30, duplicates: 1, commits: 12, drops: { rate_limited: 2 },
      hot_log: { bytes: 100, messages: 3 }, history: null, damaged: { log: 2, history: 3 },
      memory: [{ part: 'rows', bytes: 256, per_connection: 128 }],
    };
  }

  async publish(...args: Parameters<AdminBackend['publish']>): ReturnType<AdminBackend['publish']> {
    this.calls.push({ method: 'publish', args });
    if (args[0] === 'busy') throw new RateLimitedError('50 a second', 1500);
    if (args[0] === 'full') throw new StoreError('ENOSPC: /data', false);
    if (args[0] === 'broken') throw new TypeError('secret detail');
    return { msg_id: '9', server_seq: 1, server_ts: 2, lamport: 3, duplicate: false };
  }

  async history(...args: Parameters<AdminBackend['history']>): ReturnType<AdminBackend['history']> {
    this.calls.push({ method: 'history', args });
    const message: AdminMessage = {
      id: '9', server_seq: 1, server_ts: 2, client_ts: null, lamport: 3, from: 'ada', body: 'hi', encoding: 'utf8',
    };
    return { epoch: 'e1', server_seq: 1, messages: [message] };
  }

  async presence(...args: Parameters<AdminBackend['presence']>): ReturnType<AdminBackend['presence']> {
    this.calls.push({ method: 'presence', args });
    return { count: 1, members: ['ada'] };
  }

  async disconnect(...args: Parameters<AdminBackend['disconnect']>): Promise<number> {
    this.calls.push({ method: 'disconnect', args });
    return 2;
  }
}
