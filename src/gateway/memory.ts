/** Memory by owner. Control-plane columns are reserved at start, so their share of a connection is that of a row, used or not. */

import type { GatewayStats } from '../admin/backend.js';
import type { GatewayParts } from './parts.js';

/** Native counters that are bytes, and what they are called for readers. */
const NATIVE: readonly (readonly [counter: string, part: string])[] = [
  ['memory_rows_bytes', 'connection rows'],
  ['memory_driver_bytes', 'driver'],
  ['memory_hub_bytes', 'subscriber sets'],
  ['memory_send_queue_bytes', 'send queues'],
  ['assembly_bytes', 'messages in assembly'],
];

export function memoryParts(parts: GatewayParts, counters: Readonly<Record<string, number>>): GatewayStats['memory'] {
  const { sessions, subscriptions, rate, hotLog } = parts;
  const rows = sessions.rows;
  const open = Math.max(1, sessions.connections);
  const { columns, index, users } = sessions.memory;
  const native = NATIVE.filter(([counter]) => counters[counter] !== undefined).map(([counter, part]) => ({
    part, bytes: counters[counter] ?? 0, per_connection: (counters[counter] ?? 0) / open,
  }));
  return [
    ...native,
    { part: 'session rows', bytes: columns, per_connection: columns / rows },
    { part: 'session index', bytes: index, per_connection: index / rows },
    { part: 'publish rate', bytes: rate.memoryBytes, per_connection: rate.memoryBytes / rows },
    { part: 'user names', bytes: users, per_connection: users / open },
    { part: 'subscriptions', bytes: subscriptions.memoryBytes, per_connection: subscriptions.memoryBytes / open },
    { part: 'hot log', bytes: hotLog.bytes, per_connection: 0 },
  ];
}
