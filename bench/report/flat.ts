/** What does not grow with the connections, over all runs that were kept: a figure at ten million beside the same at ten thousand. */
import { total } from '../wire/memory.js';
import { bytesPerConnection, type WireRun } from '../wire/results.js';
import { HEIGHT, WIDTH, axes, path } from './axes.js';
import { bytes, escapeHtml, micros, short, svg, text } from './svg.js';

interface Flat {
  readonly title: string;
  readonly label: (value: number) => string;
  readonly of: (run: WireRun) => number;
}

/** CPU of the server for one delivery of the spread load, in microseconds. */
export function cpuPerDelivery({ phases }: WireRun): number {
  return 1e6 / (phases.find(({ phase }) => phase === 'publish')?.per_cpu_second ?? Number.NaN);
}

function openedPerSecond({ phases }: WireRun): number {
  return phases.find(({ phase }) => phase === 'open')?.opened_per_second ?? Number.NaN;
}

const FLAT: readonly Flat[] = [
  { title: 'Server CPU for a delivery of the spread load', label: micros, of: cpuPerDelivery },
  { title: 'Server memory for a connection', label: bytes, of: (run) => bytesPerConnection(run.points, total) },
  { title: 'Openings a second', label: short, of: openedPerSecond },
];

/** Of each number of connections the latest run. */
function latest(runs: readonly WireRun[]): WireRun[] {
  const byConnections = new Map<number, WireRun>();
  for (const run of [...runs].sort((a, b) => a.date.localeCompare(b.date))) {
    if (!run.smoke) byConnections.set(run.connections, run);
  }
  return [...byConnections.values()].sort((a, b) => a.connections - b.connections);
}

function chart({ title, label, of }: Flat, runs: readonly WireRun[]): string {
  const points = runs.map((run) => [Math.log10(run.connections), of(run), run] as const).filter(([, value]) => Number.isFinite(value));
  const [first] = points;
  const last = points.at(-1);
  if (first === undefined || last === undefined || points.length < 2) return '';
  const from = Math.floor(first[0]);
  const power = (value: number): string => short(10 ** (from + value));
  const { x, y, frame } = axes(last[0] - from, 1.2 * Math.max(...points.map(([, value]) => value)), power, label);
  const line = points.map(([at, value]) => [x(at - from), y(value)] as const);
  const marks = points.map(([at, value]) => text(x(at - from), y(value) - 8, label(value), 'class="tick"'));
  return `<h3>${escapeHtml(title)}</h3>${svg(WIDTH, HEIGHT, title, [...frame, path(line, 'c-sluice-epoll'), ...marks])}`;
}

/** Nothing where there is only one number of connections. */
export function flatCharts(all: readonly WireRun[]): string {
  const runs = latest(all);
  const charts = FLAT.map((flat) => chart(flat, runs)).join('');
  if (charts === '') return '';
  const of = runs.map(({ connections, date, commit }) => `${short(connections)} on ${date.slice(0, 16).replace('T', ' ')} at ${commit}`);
  return `<section><h2>With the number of connections</h2><p class="soft">Runs: ${escapeHtml(of.join(', '))}</p>${charts}</section>`;
}
