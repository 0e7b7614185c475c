/** The frame of a chart over two numbers, from zero on. */
import { line, text, ticks } from './svg.js';

export const WIDTH = 720;
export const HEIGHT = 240;
export const LEFT = 70;

export interface Axes {
  x(value: number): number;
  y(value: number): number;
  readonly frame: readonly string[];
}

export function axes(maxX: number, maxY: number, labelX: (value: number) => string, labelY: (value: number) => string): Axes {
  const x = (value: number): number => LEFT + (value / (maxX || 1)) * (WIDTH - LEFT - 120);
  const y = (value: number): number => HEIGHT - 30 - (value / (maxY || 1)) * (HEIGHT - 50);
  const frame = [
    ...ticks(maxX).map((value) => text(x(value), HEIGHT - 10, labelX(value), 'class="tick"')),
    ...ticks(maxY).map((value) => {
      const grid = line(LEFT, y(value), WIDTH - 120, y(value), 'class="grid"');
      return grid + text(LEFT - 8, y(value) + 4, labelY(value), 'class="tick end"');
    }),
  ];
  return { x, y, frame };
}

export const COLOURS = ['c-uws', 'c-sluice-epoll', 'c-sluice-uring', 'c-ws'] as const;

export function path(points: readonly (readonly [number, number])[], colour: string): string {
  return `<polyline class="line ${colour}" points="${points.map(([x, y]) => `${x.toFixed(1)},${y.toFixed(1)}`).join(' ')}"/>`;
}
