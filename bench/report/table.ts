import type { CaseTable, Row } from '../lib/verdict.js';
import type { Run } from '../lib/results.js';

function whole(value: number): string {
  return Number.isNaN(value) ? '–' : Math.round(value).toLocaleString('en-US');
}

function figure(unit: string, value: number): string {
  if (unit.startsWith('times')) return value.toFixed(1);
  return unit.startsWith('ms') ? value.toFixed(2) : whole(value);
}

function share(value: number | null): string {
  return value === null ? '–' : `${Math.round(value * 100)}%`;
}

function micros(value: number | null): string {
  return value === null ? '–' : value >= 10_000 ? `${(value / 1000).toFixed(1)} ms` : `${whole(value)} µs`;
}

function ratio(row: Row): string {
  if (row.ratio === null) return '–';
  const { median, min, max } = row.ratio;
  return `${median.toFixed(2)}× (${min.toFixed(2)}–${max.toFixed(2)})`;
}

export function barText({ info }: CaseTable): string {
  const { bar } = info;
  if (bar === null) return 'no bar';
  if (bar.of === 'ratio') return `bar ≥ ${bar.bar.toFixed(1)}×${bar.goal === null ? '' : `, goal ${bar.goal.toFixed(1)}×`}`;
  return `bar ${bar.of === 'at-most' ? '≤' : '≥'} ${whole(bar.bar)}`;
}

const HEAD = ['', 'median', 'spread', 'ratio to base', 'p50', 'p99', 'server', 'client', 'verdict'];

function cells(unit: string, row: Row): string[] {
  const verdict = [row.verdict === 'not judged' ? '' : row.verdict, ...row.flags].filter((word) => word !== '').join(', ');
  return [
    row.label,
    figure(unit, row.value.median),
    share(row.value.spread),
    ratio(row),
    micros(row.p50_us),
    micros(row.p99_us),
    share(row.server_busy),
    share(row.client_busy),
    verdict,
  ];
}

function tableText(table: CaseTable): string {
  const lines = [HEAD, ...table.rows.map((row) => cells(table.info.unit, row))];
  const widths = HEAD.map((_, column) => Math.max(...lines.map((line) => (line[column] ?? '').length)));
  const pad = (cell: string, column: number): string => {
    const width = widths[column] ?? 0;
    return column === 0 || column === 8 ? cell.padEnd(width) : cell.padStart(width);
  };
  const body = lines.map((line) => line.map(pad).join('  ').trimEnd());
  const noise = table.noise === null ? '' : `, A/A ${(table.noise * 100).toFixed(1)}% apart`;
  return `${table.info.title}: ${table.info.unit} (${barText(table)}${noise})\n${body.map((line) => `  ${line}`).join('\n')}`;
}

/** The result as a person reads it in a terminal. */
export function textReport(run: Run, tables: readonly CaseTable[]): string {
  const { machine } = run;
  const head = `${machine.cpu}, ${machine.cpus} CPUs, Linux ${machine.kernel}, Node ${machine.node}; commit ${run.commit}; ${run.date}`;
  const notes = run.notes.map((note) => `note: ${note}`);
  return [head, ...notes, '', ...tables.map((table) => `${tableText(table)}\n`)].join('\n');
}
