// Which folder may include which. docs/ARCHITECTURE.md shows the same tables, and the rule `architecture` keeps them the same.
import { dirname, normalize } from 'node:path';

// Direct edges; what a folder may include is everything that these lead to.
const native = {
  base: [],
  queue: ['base'],
  nic: ['base'],
  wire: ['base'],
  net: ['nic', 'wire'],
  tcp: ['net'],
  kernel: ['base'],
  ws: ['base'],
  hub: ['ws', 'queue'],
  session: ['base'],
  core: ['hub', 'kernel', 'tcp'],
  addon: ['core', 'session'],
  bench: ['core'],
  wiregen: ['nic', 'wire', 'ws', 'bench'],
  sim: ['core'],
  test: ['addon', 'sim', 'bench', 'wiregen'],
  fuzz: ['test'],
};

// 'top' is what lies in src/ itself, by name.
const script = {
  errors: [],
  config: ['errors'],
  engine: ['config'],
  store: ['engine'],
  session: ['store'],
  sequence: ['store'],
  sync: ['sequence'],
  cluster: ['sync'],
  drain: [],
  // The admin side sees the gateway only through the interface that it declares itself (backend.ts); the composition root
  // implements it.
  admin: ['config'],
  gateway: ['session', 'cluster', 'drain', 'admin'],
  client: [],
  // What the browser loads: the page's own scripts.
  page: ['client', 'admin'],
  index: ['gateway'],
  cli: ['gateway'],
};

function reachable(table, from, seen = new Set([from])) {
  for (const next of table[from] ?? []) {
    if (seen.has(next)) continue;
    seen.add(next);
    reachable(table, next, seen);
  }
  return seen;
}

const unknown = (folder) => `${folder} is not in the table of scripts/lib/tidy/imports.mjs: add it there and to docs/ARCHITECTURE.md`;
const misplaced = (from, to) => `${from} may not use ${to}: move what both need below them, or hand it in`;

function blankComments(text) {
  return text.replace(/\/\*[\s\S]*?\*\/|\/\/[^\n]*/g, (comment) => comment.replace(/[^\n]/g, ' '));
}

const page = 'docs/ARCHITECTURE.md';

// Rows of the page's tables: folder, line, the last cell. A row may stand for several folders with the same edges.
function* tableRows(project) {
  for (const [index, line] of project.lines(page).entries()) {
    const [, first, ...cells] = line.split('|').map((cell) => cell.trim());
    for (const [, folder] of (first ?? '').matchAll(/`([\w/.]+)`/g)) yield { folder, line: index + 1, allowed: cells.at(-2) };
  }
}

export function* architecture(project) {
  const tables = [
    { table: native, heading: '| native/', name: (folder) => folder.replace(/\/$/, '') },
    { table: script, heading: '| src/', name: (path) => path.replace(/\/$|\.ts$/, '').replace('admin/page', 'page') },
  ];
  const headings = tables.map(({ heading }) => project.lines(page).findIndex((line) => line.startsWith(heading)) + 1);
  for (const [index, { table, heading, name }] of tables.entries()) {
    const [from, to] = [headings[index], headings[index + 1] ?? Infinity];
    if (from === 0) yield { file: page, what: `has no table that begins with "${heading}"` };
    const rows = [...tableRows(project)].filter(({ line }) => line > from && line < to);
    for (const folder of Object.keys(table)) {
      const row = rows.find((one) => name(one.folder) === folder);
      const edges = table[folder].length === 0 ? 'nothing' : table[folder].join(', ');
      if (row === undefined) yield { file: page, line: from, what: `has no row for ${folder}` };
      else if (row.allowed !== 'all' && row.allowed !== edges) {
        yield { file: page, line: row.line, what: `${folder}: the page says "${row.allowed}", scripts/lib/tidy/imports.mjs "${edges}"` };
      }
    }
  }
}

export function* nativeIncludes(project) {
  for (const file of project.under('native').filter((path) => /\.(cpp|hpp)$/.test(path))) {
    // Micro-benchmarks are programs on top of what they measure, as tests are.
    const folder = file.endsWith('_bench.cpp') ? 'test' : file.split('/')[1];
    const allowed = reachable(native, folder);
    if (!(folder in native)) yield { file, what: unknown(`native/${folder}`) };
    for (const [index, text] of project.lines(file).entries()) {
      const included = /^\s*#\s*include\s+"([^"]+)"/.exec(text)?.[1];
      if (included === undefined) continue;
      const target = included.split('/')[0];
      const line = index + 1;
      if (!project.files.includes(`native/${included}`)) {
        yield { file, line, what: `"${included}" is not a file below native/: name it from there` };
      } else if (!allowed.has(target)) yield { file, line, what: misplaced(`${folder}/`, `${target}/`) };
    }
  }
}

// All atomics of the project live in queue/, where TSan looks at them and each memory order is argued.
export function* atomics(project) {
  for (const file of project.under('native').filter((path) => /\.(cpp|hpp)$/.test(path))) {
    if (['queue', 'test', 'sim', 'fuzz', 'bench', 'wiregen'].includes(file.split('/')[1])) continue;
    // The indices of an io_uring are shared with the kernel, not between threads of ours.
    if (file.startsWith('native/kernel/uring_')) continue;
    for (const [index, line] of blankComments(project.text(file)).split('\n').entries()) {
      if (!/\bstd::atomic|<atomic>|\b__atomic_|\b__sync_/.test(line)) continue;
      yield { file, line: index + 1, what: 'use what queue/ offers: atomics stay in native/queue' };
    }
  }
}

// The folder of src/ that a file belongs to, or its own name where it lies in src/ itself.
function part(path) {
  if (path.startsWith('src/admin/page/')) return 'page';
  const [, first, second] = path.split('/');
  return second === undefined ? first.replace(/\.ts$/, '') : first;
}

export function* importsOf(project, file) {
  const text = blankComments(project.text(file));
  const pattern = /(?:\bfrom\s*|\bimport\s*\(?\s*|new URL\(\s*)(['"])(\.{1,2}\/[^'"]+)\1/g;
  for (const match of text.matchAll(pattern)) {
    const line = text.slice(0, match.index).split('\n').length;
    const target = normalize(`${dirname(file)}/${match[2]}`);
    yield { line, target: target.replace(/\.js$/, '.ts'), name: match[2] };
  }
}

export function* scriptImports(project) {
  for (const file of project.under('src').filter((path) => path.endsWith('.ts'))) {
    const from = part(file);
    if (!(from in script)) yield { file, what: unknown(`src/${from}`) };
    const allowed = reachable(script, from);
    for (const { line, target, name } of importsOf(project, file)) {
      if (!target.startsWith('src/') || !target.endsWith('.ts')) continue;
      if (!project.files.includes(target)) yield { file, line, what: `'${name}' leads to ${target}, which is not there` };
      else if (!allowed.has(part(target))) yield { file, line, what: misplaced(from, part(target)) };
    }
    if (file !== 'src/engine/native.ts' && /\bfrom\s*['"]bindings['"]|\.node['"]/.test(project.text(file))) {
      yield { file, what: 'only src/engine/native.ts loads the addon' };
    }
  }
}
