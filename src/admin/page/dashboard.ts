import { Chart } from './chart.js';
import { byId, element, setPill } from './dom.js';
import { duration, short, uptime } from './format.js';
import type { GatewayStats } from '../backend.js';

const POLL_MS = 1000;
const TIMEOUT_MS = 3000;

type Stats = GatewayStats & {
  readonly ready: boolean;
  readonly ack_seconds: { readonly p50: number | null; readonly p99: number | null };
};

/** Polls /stats each second while the page is seen, and draws. */
export class Dashboard {
  readonly #connections = new Chart('Connections', [{ label: 'open', className: 'one' }], short);
  readonly #rates = new Chart(
    'Messages per second',
    [
      { label: 'in', className: 'one' },
      { label: 'out', className: 'two' },
    ],
    short,
  );
  readonly #latency = new Chart(
    'Publish acknowledgement',
    [
      { label: 'p50', className: 'one' },
      { label: 'p99', className: 'two' },
    ],
    duration,
  );
  readonly #rings = new Chart(
    'Ring depth',
    [
      { label: 'events', className: 'one' },
      { label: 'commands', className: 'two' },
    ],
    short,
  );
  readonly #facts = new Map<string, HTMLElement>();
  #last: { readonly stats: Stats; readonly at: number } | null = null;

  start(): void {
    byId('charts').append(...[this.#connections, this.#rates, this.#latency, this.#rings].map((chart) => chart.element));
    for (const name of ['published', 'channels', 'driver', 'owner', 'up']) {
      const value = element('dd', '', '–');
      this.#facts.set(name, value);
      byId('facts').append(element('div', '', element('dt', '', name), value));
    }
    void this.#poll();
  }

  async #poll(): Promise<void> {
    const began = performance.now();
    if (!document.hidden) this.#show(await fetchStats());
    // Set after the answer: a slow server is not asked twice at once.
    setTimeout(() => void this.#poll(), Math.max(50, POLL_MS - (performance.now() - began)));
  }

  #show(stats: Stats | null): void {
    if (stats === null) {
      setPill(byId('health'), 'bad', 'Gateway not reachable');
      for (const chart of [this.#connections, this.#rates, this.#latency, this.#rings]) chart.add([null, null]);
      this.#last = null;
      return;
    }
    const at = performance.now();
    setPill(byId('health'), stats.ready ? 'good' : 'warn', healthText(stats));
    byId('node').textContent = stats.node;
    this.#connections.add([stats.connections]);
    this.#rates.add([this.#rate(stats, at, 'messages_in'), this.#rate(stats, at, 'messages_out')]);
    this.#latency.add([stats.ack_seconds.p50, stats.ack_seconds.p99]);
    this.#rings.add([stats.event_ring.used, stats.command_ring.used]);
    this.#setFact('published', short(stats.published));
    this.#setFact('channels', short(stats.channels));
    this.#setFact('driver', stats.driver);
    this.#setFact('owner', `${stats.owner.detached ? 'detached, ' : ''}pid ${stats.owner.pid}, epoch ${stats.owner.epoch}`);
    this.#setFact('up', uptime(stats.uptime_s));
    this.#last = { stats, at };
  }

  /** Null for the first reading and after a restart, when the counter began anew. */
  #rate(stats: Stats, at: number, name: string): number | null {
    if (this.#last === null) return null;
    const difference = (stats.counters[name] ?? 0) - (this.#last.stats.counters[name] ?? 0);
    return difference < 0 ? null : (difference * 1000) / (at - this.#last.at);
  }

  #setFact(name: string, value: string): void {
    const fact = this.#facts.get(name);
    if (fact !== undefined) fact.textContent = value;
  }
}

/** While it drains: how far that is. */
function healthText({ ready, drain }: Stats): string {
  if (drain.state === 'serving') return ready ? 'Ready' : 'Not ready';
  if (drain.state === 'drained') return 'Drained';
  const gone = drain.initial === 0 ? 100 : Math.round((1 - drain.connections / drain.initial) * 100);
  return `${drain.state === 'closing' ? 'Closing' : 'Draining'} ${gone}%, ${short(drain.connections)} left, ${short(drain.rate)}/s`;
}

async function fetchStats(): Promise<Stats | null> {
  try {
    const response = await fetch('/stats', { signal: AbortSignal.timeout(TIMEOUT_MS) });
    return response.ok ? ((await response.json()) as Stats) : null;
  } catch {
    return null;
  }
}
