import { curve } from '../lib/histogram.js';
import type { Round } from '../lib/results.js';
import type { CaseTable, Row } from '../lib/verdict.js';
import { bytes, line, micros, short, svg, text, ticks } from './svg.js';

const WIDTH = 720;
const LABEL = 170;
const ROW = 34;

/** The classes of report/style.ts: a colour for each server, the same in all charts. */
function colourOf(arm: string): string {
  return `c-${arm.replace(/-again$/, '')}`;
}

type Scale = (value: number) => number;

function barRow(row: Row, values: readonly number[], y: number, scale: Scale, label: (value: number) => string): string {
  const { median, min, max } = row.value;
  const end = LABEL + scale(median);
  const ratio = row.ratio === null ? '' : `   ${row.ratio.median.toFixed(2)}×`;
  const dots = values.map((value) => `<circle class="dot" cx="${(LABEL + scale(value)).toFixed(1)}" cy="${y + 11}" r="2.2"/>`);
  const look = `bar ${colourOf(row.arm)}${row.arm.endsWith('-again') ? ' twin' : ''}`;
  const labelX = LABEL + scale(Math.max(max, median)) + 8;
  return [
    text(LABEL - 10, y + 15, row.label, 'class="name"'),
    `<rect class="${look}" x="${LABEL}" y="${y}" width="${Math.max(0, end - LABEL).toFixed(1)}" height="22" rx="3"/>`,
    line(LABEL + scale(min), y + 11, LABEL + scale(max), y + 11, 'class="whisker"'),
    ...dots,
    text(labelX, y + 15, `${label(median)}${ratio}`, 'class="value"'),
  ].join('');
}

/** Medians as bars, every round as a dot, and the bar that Sluice has to reach as a dashed line. */
export function barChart(table: CaseTable, rounds: readonly Round[]): string {
  const { info, rows } = table;
  const label = info.unit.startsWith('bytes') ? bytes : info.unit.startsWith('ms') ? (v: number): string => micros(v * 1000) : short;
  const base = rows.find((row) => row.ratio === null && !row.arm.startsWith('sluice'));
  const { bar } = info;
  const target = bar === null ? null : bar.of === 'ratio' ? (base === undefined ? null : bar.bar * base.value.median) : bar.bar;
  const max = Math.max(...rows.map((row) => row.value.max), target ?? 0) || 1;
  const room = WIDTH - LABEL - 130;
  const scale = (value: number): number => (Math.max(0, value) / max) * room;
  const height = rows.length * ROW + 34;
  const grid = ticks(max).map((value) => {
    const x = LABEL + scale(value);
    return line(x, 0, x, height - 24, 'class="grid"') + text(x, height - 8, label(value), 'class="tick"');
  });
  const bars = rows.map((row, index) => {
    const values = rounds.filter((round) => round.case === info.id && round.arm === row.arm).map((round) => round.value);
    return barRow(row, values, index * ROW + 6, scale, label);
  });
  const goal = target === null ? '' : line(LABEL + scale(target), 0, LABEL + scale(target), height - 24, 'class="target"');
  return svg(WIDTH, height, `${info.title}: ${info.unit}`, [...grid, goal, ...bars]);
}

interface Series {
  readonly arm: string;
  readonly label: string;
  readonly points: readonly (readonly [x: number, y: number])[];
}

interface Axis {
  readonly max: number;
  readonly min: number;
  readonly log: boolean;
  readonly marks: readonly (readonly [value: number, label: string])[];
}

function place(axis: Axis, value: number, from: number, to: number): number {
  const of = (v: number): number => (axis.log ? Math.log10(Math.max(v, 1e-9)) : v);
  const share = (of(value) - of(axis.min)) / (of(axis.max) - of(axis.min) || 1);
  return from + share * (to - from);
}

function lineChart(title: string, series: readonly Series[], x: Axis, y: Axis): string {
  const height = 300;
  const left = 64;
  const right = WIDTH - 150;
  const bottom = height - 30;
  const top = 10;
  const body: string[] = [];
  for (const [value, label] of y.marks) {
    const at = place(y, value, bottom, top);
    body.push(line(left, at, right, at, 'class="grid"'), text(left - 6, at + 4, label, 'class="tick end"'));
  }
  for (const [value, label] of x.marks) {
    const at = place(x, value, left, right);
    body.push(line(at, top, at, bottom, 'class="grid"'), text(at, height - 10, label, 'class="tick"'));
  }
  const labels: { y: number; arm: string; label: string }[] = [];
  for (const one of series) {
    const points = one.points.map(([px, py]) => `${place(x, px, left, right).toFixed(1)},${place(y, py, bottom, top).toFixed(1)}`);
    const dashed = one.arm.endsWith('-again') ? ' twin' : '';
    body.push(`<polyline class="line ${colourOf(one.arm)}${dashed}" points="${points.join(' ')}"/>`);
    const last = one.points.at(-1);
    if (last !== undefined) labels.push({ y: place(y, last[1], bottom, top), arm: one.arm, label: one.label });
  }
  labels.sort((a, b) => a.y - b.y);
  let free = top;
  for (const label of labels) {
    const at = Math.min(Math.max(label.y, free), bottom);
    free = at + 15;
    body.push(text(right + 8, at + 4, label.label, `class="key ${colourOf(label.arm)}"`));
  }
  return svg(WIDTH, height, title, body);
}

/** Latency over quantiles, on an axis of nines: where a curve rises is where clients wait. */
export function latencyChart(table: CaseTable, rounds: readonly Round[]): string {
  const series = table.rows.map((row) => {
    const mine = rounds.filter((round) => round.case === table.info.id && round.arm === row.arm);
    const parts = mine.flatMap((round) => round.load?.latency ?? []);
    const points = curve(parts).filter((point) => point.us > 0).map((point) => [-Math.log10(1 - point.quantile), point.us] as const);
    return { arm: row.arm, label: row.label, points };
  });
  const drawn = series.filter((one) => one.points.length > 1);
  if (drawn.length === 0) return '';
  const all = drawn.flatMap((one) => one.points.map((point) => point[1]));
  const low = 10 ** Math.floor(Math.log10(Math.min(...all)));
  const high = 10 ** Math.ceil(Math.log10(Math.max(...all)));
  const marks: [number, string][] = [];
  for (let value = low; value <= high; value *= 10) marks.push([value, micros(value)]);
  const nines = Math.max(1, ...drawn.flatMap((one) => one.points.map((point) => point[0])));
  const names: [number, string][] = [[0, '0'], [1, '90%'], [2, '99%'], [3, '99.9%'], [4, '99.99%'], [5, '99.999%']];
  const x = { min: 0, max: nines, log: false, marks: names.filter(([value]) => value <= nines) };
  return lineChart(`${table.info.title}: latency by quantile`, drawn, x, { min: low, max: high, log: true, marks });
}

/** Process memory over connections: the slope is what one costs, the start what the process needs for itself. */
export function memoryChart(table: CaseTable, rounds: readonly Round[]): string {
  const series = table.rows.map((row) => {
    const points = rounds.find((round) => round.case === table.info.id && round.arm === row.arm)?.idle ?? [];
    return { arm: row.arm, label: row.label, points: points.map((point) => [point.connections, point.memory.rss] as const) };
  });
  const all = series.flatMap((one) => one.points);
  if (all.length === 0) return '';
  const maxX = Math.max(...all.map((point) => point[0]));
  const maxY = Math.max(...all.map((point) => point[1]));
  const x = { min: 0, max: maxX, log: false, marks: ticks(maxX).map((value) => [value, short(value)] as const) };
  const y = { min: 0, max: maxY * 1.05, log: false, marks: ticks(maxY).map((value) => [value, bytes(value)] as const) };
  return lineChart(`${table.info.title}: process memory`, series, x, y);
}
