import { element } from './dom.js';
import { niceAbove } from './format.js';

const SVG = 'http://www.w3.org/2000/svg';
/** Points kept: two minutes of one a second. */
export const POINTS = 120;
const WIDTH = POINTS - 1;
const HEIGHT = 100;

export interface Series {
  readonly label: string;
  readonly className: 'one' | 'two';
}

/** Lines over the last two minutes, newest at the right. A null is a gap. */
export class Chart {
  readonly element: HTMLElement;
  readonly #format: (value: number) => string;
  readonly #values: (number | null)[][];
  readonly #curves: SVGPathElement[];
  readonly #areas: SVGPathElement[];
  readonly #numbers: HTMLElement[];
  readonly #scale = element('span', 'scale');
  readonly #cursor = shape('line', 'cursor');
  /** Point under the mouse; null shows the newest. */
  #hovered: number | null = null;

  constructor(title: string, series: readonly Series[], format: (value: number) => string) {
    this.#format = format;
    this.#values = series.map(() => new Array<number | null>(POINTS).fill(null));
    this.#numbers = series.map(() => element('b', '', '–'));
    this.#areas = series.map(({ className }) => shape('path', `area ${className}`));
    this.#curves = series.map(({ className }) => shape('path', `curve ${className}`));
    const svg = document.createElementNS(SVG, 'svg');
    svg.setAttribute('viewBox', `0 0 ${WIDTH} ${HEIGHT}`);
    svg.setAttribute('preserveAspectRatio', 'none');
    svg.setAttribute('aria-hidden', 'true');
    svg.append(...[0, 50, 100].map(gridLine), ...this.#areas, ...this.#curves, this.#cursor);
    const plot = element('div', 'plot', svg, this.#scale);
    plot.addEventListener('pointermove', (event) => this.#hover(event, plot));
    plot.addEventListener('pointerleave', () => this.#hover(null, plot));
    const values = series.map(({ label, className }, index) =>
      element('div', '', this.#numbers[index] ?? '', element('span', className, label)));
    const axis = element('div', 'axis', element('span', '', '2 min ago'), element('span', '', 'now'));
    this.element = element('article', 'card chart', element('h3', '', title), element('div', 'values', ...values), plot, axis);
  }

  /** One value of each series. */
  add(values: readonly (number | null)[]): void {
    this.#values.forEach((line, index) => {
      line.shift();
      line.push(values[index] ?? null);
    });
    this.#draw();
  }

  #draw(): void {
    const highest = Math.max(0, ...this.#values.flat().map((value) => value ?? 0));
    const top = niceAbove(highest);
    this.#scale.textContent = this.#format(top);
    this.#values.forEach((line, index) => {
      const { curve, area } = paths(line, top);
      this.#curves[index]?.setAttribute('d', curve);
      this.#areas[index]?.setAttribute('d', area);
    });
    this.#showNumbers();
  }

  #hover(event: PointerEvent | null, plot: HTMLElement): void {
    const box = plot.getBoundingClientRect();
    this.#hovered = event === null ? null : Math.min(WIDTH, Math.max(0, Math.round(((event.clientX - box.left) / box.width) * WIDTH)));
    const x = String(this.#hovered ?? -1);
    for (const [name, value] of [['x1', x], ['x2', x], ['y1', '0'], ['y2', String(this.#hovered === null ? 0 : HEIGHT)]] as const) {
      this.#cursor.setAttribute(name, value);
    }
    this.#showNumbers();
  }

  #showNumbers(): void {
    this.#values.forEach((line, index) => {
      const value = line[this.#hovered ?? POINTS - 1] ?? null;
      const number = this.#numbers[index];
      if (number !== undefined) number.textContent = value === null ? '–' : this.#format(value);
    });
  }
}

function paths(line: readonly (number | null)[], top: number): { readonly curve: string; readonly area: string } {
  let curve = '';
  let area = '';
  let start = -1;
  for (let x = 0; x <= line.length; x += 1) {
    const value = line[x] ?? null;
    if (value === null) {
      if (start >= 0) area += `L${x - 1} ${HEIGHT}L${start} ${HEIGHT}Z`;
      start = -1;
      continue;
    }
    const y = (HEIGHT - (value / top) * HEIGHT).toFixed(2);
    // A point alone between gaps is a dash, or it would not be seen.
    curve += start < 0 ? `M${x} ${y}h0.4` : `L${x} ${y}`;
    area += start < 0 ? `M${x} ${y}` : `L${x} ${y}`;
    if (start < 0) start = x;
  }
  return { curve, area };
}

function shape<K extends 'path' | 'line'>(tag: K, className: string): SVGElementTagNameMap[K] {
  const made = document.createElementNS(SVG, tag);
  made.setAttribute('class', className);
  return made;
}

function gridLine(y: number): SVGLineElement {
  const line = shape('line', 'grid');
  for (const [name, value] of [['x1', 0], ['x2', WIDTH], ['y1', y], ['y2', y]] as const) line.setAttribute(name, String(value));
  return line;
}
