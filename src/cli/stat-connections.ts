/** `sluice stat --connections`: what `ss -ti` says of kernel sockets, of every driver's connections. */
import { isIP } from 'node:net';

import { count } from '../config/kinds.js';
import { ConnectionInspector, type ConnectionDetail, type PeerFilter } from '../engine/inspect.js';
import { UsageError } from '../errors.js';

/** How many can be asked for. */
export const SHOWN = count(1, 100_000);

export interface WhichConnections {
  readonly limit: number;
  /** Undefined for all. */
  readonly peer: PeerFilter | undefined;
}

/** The lines, or JSON. */
export async function statConnections(region: string, { limit, peer }: WhichConnections, json: boolean): Promise<string> {
  const connections = await ConnectionInspector.attach(region).list(limit, peer);
  if (json) return `${JSON.stringify(connections, null, 2)}\n`;
  return `${[...connections.flatMap(render), `${connections.length} connections`].join('\n')}\n`;
}

/** An address, `:PORT` or both; IPv6 with a port in brackets. Throws UsageError. */
export function parsePeer(text: string): PeerFilter {
  if (isIP(text) !== 0) return { address: text, port: 0 };
  const match = /^(?:\[([^\]]+)\]|([^:[\]]*))(?::(\d+))?$/.exec(text);
  const address = match?.[1] ?? match?.[2] ?? '';
  const port = Number(match?.[3] ?? 0);
  if (match === null || (address !== '' && isIP(address) === 0) || (address === '' && port === 0) || port > 65_535) {
    throw new UsageError(`--peer takes an address, :PORT or both, not '${text}'`, {
      remedy: 'As in 192.0.2.7, :40000 or [2001:db8::7]:40000.',
    });
  }
  return { address: address === '' ? null : address, port };
}

function ms(us: number): string {
  return `${(us / 1000).toFixed(3).replace(/\.?0+$/, '')}ms`;
}

function render(it: ConnectionDetail): readonly string[] {
  const shown = (name: string, value: number): readonly string[] => (value === 0 ? [] : [`${name}:${value}`]);
  const scale = it.options.includes('window_scale') ? [`wscale:${it.send_shift},${it.receive_shift}`] : [];
  const words = [
    ...it.options.filter((option) => option !== 'window_scale'), ...scale, `mss:${it.mss}`, `cwnd:${it.cwnd}`,
    `ssthresh:${it.ssthresh ?? '-'}`, it.congestion, `rtt:${ms(it.srtt_us)}/${ms(it.rttvar_us)}`, `rto:${ms(it.rto_us)}`,
    ...shown('backoff', it.backoff), ...shown('in_flight', it.in_flight), ...shown('lost', it.lost), `retransmits:${it.retransmits}`,
    `send_window:${it.send_window}`, `receive_window:${it.receive_window}`, ...shown('out_of_order', it.out_of_order),
    `sent:${it.last_sent_ms}ms`, `received:${it.last_received_ms}ms`,
  ];
  const socket = [
    it.websocket, `age:${(it.age_ms / 1000).toFixed(1)}s`, `core:${it.core}`, `row:${it.row}`, ...shown('subscriptions', it.subscriptions),
    ...shown('queued', it.queued), ...(it.paused ? ['paused'] : []),
  ];
  const queues = `${String(it.receive_queue).padStart(8)}${String(it.send_queue).padStart(9)}`;
  return [
    `${it.state.padEnd(13)}${queues}  ${it.local}  ${it.remote}  ${socket.join(' ')}`,
    `             ${words.join(' ')}`,
  ];
}
