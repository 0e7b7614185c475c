import { RegionReader, type RegionCounters } from '../engine/index.js';
import { askAdmin, textOf } from './admin-request.js';
import { adminHost, parseFlags, readFlag, textFlag, type FlagValues } from './args.js';
import { parsePeer, SHOWN, statConnections, type WhichConnections } from './stat-connections.js';

const FLAGS = {
  admin: { type: 'string', help: 'admin address of the gateway, 127.0.0.1:9090 by default' },
  name: { type: 'string', help: 'name of the region, to read it without the admin API' },
  connections: { type: 'string', help: 'asks for the details of so many connections instead' },
  peer: { type: 'string', help: 'of these only connections with this remote ADDRESS, :PORT or ADDRESS:PORT' },
  json: { type: 'boolean', help: 'prints JSON' },
} as const;

/** `sluice stat`: reads the shared region itself; the admin API only tells its name and what the control plane holds. */
export async function stat(argv: readonly string[]): Promise<number> {
  const parsed = parseFlags('stat', FLAGS, argv);
  if (parsed === null) return 0;
  const which = whichConnections(parsed.values);
  const named = parsed.values['name'];
  const url = `http://${adminHost(parsed.values)}/stats`;
  const stats = typeof named === 'string' ? null : await askAdmin(url);
  const name = stats === null ? String(named) : textOf(stats, 'region_name', url);
  if (which !== null) {
    process.stdout.write(await statConnections(name, which, parsed.values['json'] === true));
    return 0;
  }
  const region = RegionReader.attach(name).read();
  const memory = memoryByPart(region, stats);
  if (parsed.values['json'] === true) {
    process.stdout.write(`${JSON.stringify({ ...region, memory, gateway: stats }, null, 2)}\n`);
  } else {
    process.stdout.write(render(region, memory));
  }
  return 0;
}

/** Null where no connections are asked for. */
function whichConnections(values: FlagValues): WhichConnections | null {
  if (values['connections'] === undefined && values['peer'] === undefined) return null;
  const peer = textFlag(values, 'peer', '');
  return { limit: readFlag(values, 'connections', SHOWN, 100), peer: peer === '' ? undefined : parsePeer(peer) };
}

interface MemoryPart {
  readonly part: string;
  readonly bytes: number;
  readonly per_connection: number;
}

/** The gateway knows all parts; without it only those of the data plane are known. */
function memoryByPart(region: RegionCounters, stats: Readonly<Record<string, unknown>> | null): readonly MemoryPart[] {
  if (stats !== null && Array.isArray(stats['memory'])) return stats['memory'] as MemoryPart[];
  const open = Math.max(1, region.counters['connections_open'] ?? 0);
  const part = (name: string, counter: string): MemoryPart => {
    const bytes = region.counters[counter] ?? 0;
    return { part: name, bytes, per_connection: bytes / open };
  };
  return [
    part('connection rows', 'memory_rows_bytes'),
    part('driver', 'memory_driver_bytes'),
    part('subscriber sets', 'memory_hub_bytes'),
    part('send queues', 'memory_send_queue_bytes'),
    part('messages in assembly', 'assembly_bytes'),
  ];
}

function render(region: RegionCounters, memory: readonly MemoryPart[]): string {
  const reason = region.driverReason === '' ? '' : ` (${region.driverReason})`;
  const open = region.counters['connections_open'] ?? 0;
  const since = new Date(region.startedMs).toISOString();
  const fill = ({ used, capacity }: { used: number; capacity: number }): string => `${used}/${capacity}`;
  const row = (name: string, bytes: string, each: string): string => name.padEnd(30) + bytes.padStart(14) + each.padStart(16);
  const lines = [
    `region ${region.name}  driver ${region.driver}${reason}`,
    `engine pid ${region.enginePid}  owner epoch ${region.ownerEpoch}  cores ${region.cores}  since ${since}`,
    `event ring ${fill(region.eventRing)}  command ring ${fill(region.commandRing)}`,
    '',
    ...Object.entries(region.counters).map(([name, value]) => `${name.padEnd(30)}${value}`),
    '',
    row('memory by part', 'bytes', 'a connection'),
    // Of nobody there is no share.
    ...memory.map(({ part, bytes, per_connection }) => row(part, String(bytes), open === 0 ? '–' : per_connection.toFixed(1))),
  ];
  return `${lines.join('\n')}\n`;
}
