import type { Run } from '../lib/results.js';
import { tabulate, type CaseTable, type Row } from '../lib/verdict.js';
import { barChart, latencyChart, memoryChart } from './charts.js';
import { STYLE } from './style.js';
import { bytes, escapeHtml, micros, short } from './svg.js';
import { barText } from './table.js';

function valueText(unit: string, value: number): string {
  if (unit.startsWith('bytes')) return bytes(value);
  return unit.startsWith('ms') ? micros(value * 1000) : short(value);
}

function percent(value: number | null): string {
  return value === null ? '–' : `${Math.round(value * 100)}%`;
}

/** The best Sluice arm of each case: what a reader wants first. */
function tile(table: CaseTable): string {
  const { info } = table;
  const own = table.rows.filter((row) => row.arm.startsWith('sluice') && !row.arm.endsWith('-again'));
  const sign = info.bar?.of === 'at-most' ? 1 : -1;
  const better = (a: Row, b: Row): number => sign * (a.value.median - b.value.median);
  const best = [...own].sort(better)[0] ?? table.rows[0];
  if (best === undefined) return '';
  const byRatio = info.bar?.of === 'ratio' && best.ratio !== null;
  const figure = byRatio ? `${best.ratio?.median.toFixed(2)}×` : valueText(info.unit, best.value.median);
  const tone = best.verdict === 'missed' ? ' bad' : best.verdict === 'not judged' ? '' : ' good';
  const foot = `<span class="soft">${escapeHtml(best.label)}, ${barText(table)}</span>`;
  return `<div class="tile${tone}"><span class="soft">${escapeHtml(info.title)}</span><b>${figure}</b>${foot}</div>`;
}

function tableRow(unit: string, row: Row): string {
  const cells = [
    escapeHtml(row.label),
    valueText(unit, row.value.median),
    `${valueText(unit, row.value.min)} – ${valueText(unit, row.value.max)}`,
    row.ratio === null ? '–' : `${row.ratio.median.toFixed(2)}× (${row.ratio.min.toFixed(2)} – ${row.ratio.max.toFixed(2)})`,
    row.p50_us === null ? '–' : micros(row.p50_us),
    row.p99_us === null ? '–' : micros(row.p99_us),
    percent(row.server_busy),
    percent(row.client_busy),
  ];
  const verdict = [row.verdict === 'not judged' ? '' : row.verdict, ...row.flags].filter((word) => word !== '').join(', ');
  return `<tr>${cells.map((cell) => `<td>${cell}</td>`).join('')}<td class="${row.verdict}">${escapeHtml(verdict)}</td></tr>`;
}

function caseSection(run: Run, table: CaseTable): string {
  const { info, rows, noise } = table;
  const heads = ['', 'median', 'range', 'ratio to base', 'p50', 'p99', 'server busy', 'client busy', ''];
  const latency = latencyChart(table, run.rounds);
  const memory = memoryChart(table, run.rounds);
  const apart = noise === null ? '' : `; the two A/A arms lie ${(noise * 100).toFixed(1)}% apart`;
  return `<section><h2>${escapeHtml(info.title)}</h2>
<p class="soft">${escapeHtml(info.unit)}; ${barText(table)}${apart}</p>
${barChart(table, run.rounds)}
${latency === '' ? '' : `<h3>Latency by quantile, all rounds together</h3>${latency}`}
${memory === '' ? '' : `<h3>Process memory against connections</h3>${memory}`}
<table><tr>${heads.map((head) => `<th>${head}</th>`).join('')}</tr>
${rows.map((row) => tableRow(info.unit, row)).join('')}</table></section>`;
}

/** One file without links to anything: charts are inline, so the page can be mailed and kept. */
export function htmlReport(run: Run): string {
  const tables = tabulate(run);
  const { machine } = run;
  const hardware = `${machine.cpu}, ${machine.cpus} CPUs, ${machine.memory_gib} GiB`;
  const facts = `${hardware} · Linux ${machine.kernel} · Node ${machine.node} · TCP ${machine.congestion_control}`;
  const arms = run.arms.map((arm) => `<tr><td>${escapeHtml(arm.label)}</td><td class="about">${escapeHtml(arm.about)}</td></tr>`);
  const notes = run.notes.map((note) => `<p class="soft">${escapeHtml(note)}</p>`);
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>sluice bench ${escapeHtml(run.scenario)}, ${run.date.slice(0, 10)}</title><style>${STYLE}</style></head><body><main>
<h1>sluice bench ${escapeHtml(run.scenario)}</h1>
<p class="soft">${escapeHtml(run.date)} · commit ${escapeHtml(run.commit)} · <code>${escapeHtml(run.command)}</code></p>
<p class="soft">${escapeHtml(facts)} · load before ${machine.load_before.toFixed(2)}</p>${notes.join('')}
<div class="tiles">${tables.map(tile).join('')}</div>
${tables.map((table) => caseSection(run, table)).join('\n')}
<section><h2>How it was measured</h2>
<p>Server and load generator run on a CPU each. Each round starts a fresh server; the servers take turns in rotated order.
The load generator reads the server's CPU time, of all its threads, at the moments at which it reads its own counts.
Ratios are of rounds that ran next to each other; dots are rounds, bars medians, the dashed line is what Sluice has to reach.
“client-bound”: the load generator had no CPU left while the server had. “contended”: neither had its CPU to itself.</p>
<table>${arms.join('')}</table></section>
</main></body></html>
`;
}
