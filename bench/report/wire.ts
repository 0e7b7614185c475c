import { curve } from '../lib/histogram.js';
import { delayLines } from '../wire/delays.js';
import { total, type Owners } from '../wire/memory.js';
import { longestPause, pausesOver } from '../wire/pauses.js';
import { bytesPerConnection, type Check, type Pair, type Pauses, type WireRun } from '../wire/results.js';
import type { Reserved } from '../wire/reserve.js';
import type { PhaseResult } from '../wire/wiregen.js';
import { STYLE } from './style.js';
import { COLOURS, HEIGHT, LEFT, WIDTH, axes, path } from './axes.js';
import { flatCharts } from './flat.js';
import { bytes, escapeHtml, micros, short, svg, text } from './svg.js';

const OWNERS: readonly (readonly [keyof Owners, string])[] = [
  ['process', 'process'],
  ['region', 'shared region'],
  ['hugepages', 'huge pages'],
];

function figure(phase: PhaseResult): string {
  const words: string[] = [];
  if (phase.opened_per_second !== undefined) words.push(`${short(phase.opened_per_second)} openings/s`);
  if (phase.per_second !== undefined) words.push(`${short(phase.per_second)}/s`);
  if (phase.per_cpu_second !== undefined) words.push(`${short(phase.per_cpu_second)} per server CPU-second`);
  if (phase.server_cpu_s !== undefined) words.push(`server busy ${Math.round((100 * phase.server_cpu_s) / phase.seconds)}%`);
  const { latency, pace, at_full_pace: full } = phase;
  if (latency !== undefined && latency.count > 0) {
    words.push(`p50 ${micros(latency.p50_us)}, p99 ${micros(latency.p99_us)}`);
    words.push(`p99.9 ${micros(latency.p999_us)}, max ${micros(latency.max_us)}`);
  }
  if (pace !== undefined && pace !== null) words.push(`CPUs at ${percent(pace.server)} and ${percent(pace.client)} of their pace`);
  if (full !== undefined && full !== null) {
    words.push(`${short(full.opened_per_second)} openings/s in the ${full.seconds.toFixed(0)} s in which the server had all of its CPU`);
  }
  return words.join(', ');
}

const percent = (share: number): string => `${Math.round(100 * share)}%`;

function checkText({ what, measured, bar, of, met }: Check): string {
  return `${met ? 'met   ' : 'missed'}  ${what}: ${short(measured)} (bar: ${of === 'at-least' ? 'at least' : 'at most'} ${short(bar)})`;
}

function pairText({ without_us: without, beside_us: beside, ratio, per_second: rate }: Pair): string {
  return `pair: p99 ${micros(without)}, beside ${short(rate)}/s ${micros(beside)}: ${ratio.toFixed(2)} times`;
}

/** The server's own account, a connection. */
function partsOf({ parts, connections }: WireRun): (readonly [part: string, bytes: number])[] {
  return Object.entries(parts).map(([part, all]) => [part, all / connections] as const);
}

function pausesText(pauses: Pauses): string {
  const { count, seconds } = pauses;
  const longest = longestPause(pauses);
  const last = pauses.buckets.at(-1)?.[0] ?? 0;
  const bound = Number.isFinite(longest) ? `none longer than ${micros(longest * 1e6)}` : `some longer than ${micros(last * 1e6)}`;
  return `garbage collection: ${count} times, ${seconds.toFixed(2)} s in all, ${bound}, ${pausesOver(pauses, 0.02)} over 20 ms`;
}

/** Whose speed a first touch of free memory has: the server's tables are some, and so are the files that it writes. */
function reservedText({ mib, first_mib_per_s, again_mib_per_s }: Reserved): string {
  const speeds = `${short(first_mib_per_s)} MiB/s when it is touched first, ${short(again_mib_per_s)} when it just was`;
  return `the machine's memory: ${speeds}; ${short(mib)} MiB were asked for before the run`;
}

/** What a terminal shows at the end. */
export function wireText(run: WireRun): string {
  const lines = run.phases.flatMap((phase) => [
    `${phase.phase.padEnd(8)} ${phase.seconds.toFixed(1).padStart(7)} s  ${figure(phase)}`,
    ...delayLines(phase).map((line) => `${' '.repeat(20)}${line}`),
  ]);
  const perConnection = OWNERS.map(([owner, name]) => `${name} ${bytes(bytesPerConnection(run.points, (memory) => memory[owner]))}`);
  lines.push(...(run.pairs ?? []).map(pairText));
  lines.push(`memory per connection: ${bytes(bytesPerConnection(run.points, total))} (${perConnection.join(', ')})`);
  const { wire } = run;
  const frames = `frames ${short(wire['frames_in'] ?? 0)} in, ${short(wire['frames_out'] ?? 0)} out`;
  const again = run.phases.filter(({ retransmits }) => Number(retransmits) > 0).map(({ phase, retransmits }) => `${phase} ${retransmits}`);
  lines.push(`${frames}, ${wire['retransmits'] ?? 0} retransmitted${again.length > 0 ? ` (${again.join(', ')})` : ''}`);
  for (const [part, bytesOf] of partsOf(run)) lines.push(`  ${part.padEnd(24)} ${bytesOf.toFixed(1).padStart(8)} B a connection`);
  if (run.pauses !== null) lines.push(pausesText(run.pauses));
  if (run.reserved) lines.push(reservedText(run.reserved));
  if (run.failure !== null) lines.push(`FAILED: ${run.failure}`);
  return [...lines, ...run.checks.map(checkText)].join('\n');
}

/** Memory of the server against connections, by owner: a straight line, if a connection costs what it costs. */
function memoryChart(run: WireRun): string {
  const rising = run.points.filter((point, index) => index === 0 || point.connections >= (run.points[index - 1]?.connections ?? 0));
  const maxX = Math.max(1, ...rising.map((point) => point.connections));
  const maxY = Math.max(...rising.map((point) => total(point.memory)));
  const { x, y, frame } = axes(maxX, maxY, short, bytes);
  const series = [...OWNERS.map(([owner, name]) => [name, (m: Owners): number => m[owner]] as const), ['all', total] as const];
  const lines = series.map(([name, of], index) => {
    const colour = COLOURS[index] ?? 'c-ws';
    const points = rising.map((point) => [x(point.connections), y(of(point.memory))] as const);
    const last = points.at(-1) ?? [LEFT, HEIGHT];
    return path(points, colour) + text(last[0] + 6, last[1] + 4, name, `class="key ${colour}"`);
  });
  return svg(WIDTH, HEIGHT, 'server memory against connections', [...frame, ...lines]);
}

/** Latency by quantile on a scale of nines, of every phase that has one. */
function latencyCharts(run: WireRun): string {
  return run.phases
    .map((phase, index) => ({ phase, index }))
    .filter(({ phase }) => (phase.latency?.count ?? 0) > 0)
    .map(({ phase, index }) => {
      const measured = phase.latency === undefined ? [] : curve([phase.latency]);
      const points = measured.map((at) => [-Math.log10(1 - at.quantile), at.us] as const);
      const maxX = Math.max(1, ...points.map(([nines]) => nines));
      const maxY = Math.max(...points.map(([, us]) => us));
      const digits = (value: number): number => Math.max(0, Math.ceil(value) - 2);
      const nines = (value: number): string => (value === 0 ? '0' : `${(100 * (1 - 10 ** -value)).toFixed(digits(value))}%`);
      const { x, y, frame } = axes(maxX, maxY, nines, micros);
      const curveLine = path(points.map(([at, us]) => [x(at), y(us)] as const), 'c-sluice-epoll');
      const title = `${index + 1}. ${phase.phase}`;
      return `<h3>${escapeHtml(title)}</h3>${svg(WIDTH, HEIGHT, `${title}: latency by quantile`, [...frame, curveLine])}`;
    })
    .join('');
}

function checkTile({ what, measured, bar, of, met }: Check): string {
  const aim = `${of === 'at-least' ? 'at least' : 'at most'} ${short(bar)}`;
  return `<div class="tile ${met ? 'good' : 'bad'}"><span class="soft">${escapeHtml(what)}</span><b>${short(measured)}</b>
<span class="soft">${aim}</span></div>`;
}

/** `others`: runs of the same scenario that were kept, of any number of connections. */
export function wireHtml(run: WireRun, others: readonly WireRun[] = []): string {
  const { machine } = run;
  const facts = `${machine.cpu}, ${machine.cpus} CPUs, ${machine.memory_gib} GiB · Linux ${machine.kernel} · Node ${machine.node}`;
  const rows = run.phases.map((phase, index) => {
    const played = escapeHtml(run.lines[run.lines.length - run.phases.length + index] ?? phase.phase);
    return `<tr><td class="about"><code>${played}</code></td><td>${phase.seconds.toFixed(1)} s</td><td>${short(phase.ready)}</td>
<td class="about">${[figure(phase), ...delayLines(phase)].map(escapeHtml).join('<br>')}</td></tr>`;
  });
  const owners = OWNERS.map(([owner, name]) => {
    const each = bytesPerConnection(run.points, (memory) => memory[owner]);
    return `<tr><td>${name}</td><td>${bytes(run.points[0]?.memory[owner] ?? 0)}</td><td>${bytes(each)}</td></tr>`;
  });
  const partRows = partsOf(run).map(([part, each]) => `<tr><td>${escapeHtml(part)}</td><td>${bytes(each)}</td></tr>`);
  const failed = run.failure === null ? '' : `<p class="missed">Failed: ${escapeHtml(run.failure)}</p>`;
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>sluice bench ${escapeHtml(run.scenario)}, ${run.date.slice(0, 10)}</title><style>${STYLE}</style></head><body><main>
<h1>sluice bench ${escapeHtml(run.scenario)}: ${short(run.connections)} connections</h1>
<p class="soft">${escapeHtml(run.date)} · commit ${escapeHtml(run.commit)} · <code>${escapeHtml(run.command)}</code></p>
<p class="soft">${escapeHtml(facts)} · load before ${machine.load_before.toFixed(2)}</p>${failed}
<div class="tiles">${run.checks.map(checkTile).join('')}</div>
<section><h2>What was played</h2>
<table><tr><th>phase</th><th>time</th><th>ready after</th><th class="about">measured</th></tr>${rows.join('')}</table></section>
<section><h2>Server memory</h2>${memoryChart(run)}
<table><tr><th>owner</th><th>before the first</th><th>per connection</th></tr>${owners.join('')}</table></section>
<h3>By the server's own account</h3><table><tr><th>part</th><th>per connection</th></tr>${partRows.join('')}</table>
<p class="soft">${run.pauses === null ? '' : escapeHtml(pausesText(run.pauses))}</p>
<p class="soft">${run.reserved ? escapeHtml(reservedText(run.reserved)) : ''}</p>
${flatCharts([...others, run])}
<section><h2>Latency, from the moment at which each message was due</h2>${latencyCharts(run)}</section>
<section><h2>How it was measured</h2><p>Server (<code>--driver dpdk</code>) and sluice-wiregen run on a CPU each, joined by a
virtio-user link. Every upgrade, sequence number and body is checked; a loss that was not asked for fails the run.</p></section>
</main></body></html>
`;
}
