/** Small helpers for charts as inline SVG; no library, so that the page is one file that opens anywhere. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"]/g, (c) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[c] ?? c);
}

export function text(x: number, y: number, content: string, attributes = ''): string {
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" ${attributes}>${escapeHtml(content)}</text>`;
}

export function line(x1: number, y1: number, x2: number, y2: number, attributes = ''): string {
  return `<line x1="${x1.toFixed(1)}" y1="${y1.toFixed(1)}" x2="${x2.toFixed(1)}" y2="${y2.toFixed(1)}" ${attributes}/>`;
}

export function svg(width: number, height: number, label: string, body: readonly string[]): string {
  return `<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${escapeHtml(label)}">${body.join('')}</svg>`;
}

/** 1,234 → 1.2k, 2,470,000 → 2.47M. */
export function short(value: number): string {
  const abs = Math.abs(value);
  if (abs >= 1e9) return `${trim(value / 1e9)}G`;
  if (abs >= 1e6) return `${trim(value / 1e6)}M`;
  if (abs >= 1e3) return `${trim(value / 1e3)}k`;
  return trim(value);
}

function trim(value: number): string {
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return value.toFixed(digits).replace(/\.?0+$/, (tail) => (digits === 0 ? tail : ''));
}

export function bytes(value: number): string {
  if (value >= 2 ** 20) return `${trim(value / 2 ** 20)} MiB`;
  if (value >= 2 ** 10) return `${trim(value / 2 ** 10)} KiB`;
  return `${trim(value)} B`;
}

export function micros(value: number): string {
  return value >= 1e6 ? `${trim(value / 1e6)} s` : value >= 1e3 ? `${trim(value / 1e3)} ms` : `${trim(value)} µs`;
}

/** Round values for an axis that begins at zero, about five of them. */
export function ticks(max: number): number[] {
  if (!(max > 0)) return [0];
  const rough = max / 5;
  const unit = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * unit).find((size) => size >= rough) ?? unit * 10;
  const values: number[] = [];
  for (let value = 0; value <= max * 1.0001; value += step) values.push(value);
  return values;
}
