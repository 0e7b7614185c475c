/** Memory by owner: what is in use. Columns are reserved at start, and take memory where a connection was. */

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
  const { sessions, subscriptions, rate, hotLog, store } = parts;
  const open = Math.max(1, sessions.connections);
  const { columns, index, users } = sessions.memory;
  const native = NATIVE.filter(([counter]) => counters[counter] !== undefined).map(([counter, part]) => ({
    part, bytes: counters[counter] ?? 0, per_connection: (counters[counter] ?? 0) / open,
  }));
  const own: readonly (readonly [part: string, bytes: number])[] = [
    ['session rows', columns],
    ['session index', index],
    ['publish rate', rate.memoryBytes],
    ['user names', users],
    ['subscriptions', subscriptions.memoryBytes],
    ['session store', store.memoryBytes ?? 0],
    // Not for each connection, but the share that it has: garbage of requests, code, what does not grow.
    ['JavaScript heap', process.memoryUsage().heapTotal],
  ];
  return [
    ...native,
    ...own.map(([part, bytes]) => ({ part, bytes, per_connection: bytes / open })),
    { part: 'hot log', bytes: hotLog.bytes, per_connection: 0 },
  ];
}
