// What a failed assertion says, in a line or two: what CI shows of a run is its end, and a diagnostic block is long.
const LINE_CHARS = 600;

function where(at) {
  if (typeof at?.fileName !== 'string') return '';
  const file = at.fileName.replace(/^build-test\//, '');
  return ` (${file}:${at.lineNumber ?? '?'})`;
}

// Of a unified diff what was wanted and what came, without its heading.
function difference(diff) {
  const lines = diff.split('\n').filter((line) => /^[-+]/.test(line) && !/^(---|\+\+\+) /.test(line));
  return lines.slice(0, 6).join(' ');
}

function details(diag) {
  if (typeof diag.diff === 'string') return `: wanted -, found +: ${difference(diag.diff)}`;
  const parts = [];
  for (const key of ['found', 'wanted', 'pattern', 'code', 'expired', 'signal']) {
    if (diag[key] !== undefined && diag[key] !== null) parts.push(`${key} ${JSON.stringify(diag[key])}`);
  }
  return parts.length === 0 ? '' : `: ${parts.join(', ')}`;
}

/** @param {{name: string, diag?: object | null}} point a failed assertion of tap-parser's */
export function causeOf(point) {
  const diag = point.diag ?? {};
  const text = `${point.name}${details(diag)}${where(diag.at)}`;
  return text.length > LINE_CHARS ? `${text.slice(0, LINE_CHARS)}…` : text;
}
