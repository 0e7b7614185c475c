// Files that nothing uses.
import { readFileSync } from 'node:fs';
import { importsOf } from './imports.mjs';

// Programs of their own, found by their names (cmake/*.cmake globs the same).
const nativeRoots = [/^native\/test\/.*\.cpp$/, /^native\/fuzz\/.*_fuzz\.cpp$/, /^native\/bench\/.*_bench\.cpp$/];

export function* deadNative(project) {
  const lists = JSON.parse(readFileSync('native/sources.json', 'utf8'));
  const used = new Set(Object.values(lists).flatMap((files) => files.map((file) => `native/${file}`)));
  const native = project.under('native');
  const includesOf = (path) => [...project.text(path).matchAll(/^\s*#\s*include\s+"([^"]+)"/gm)].map((match) => `native/${match[1]}`);
  const included = new Set(native.flatMap(includesOf));
  for (const file of native) {
    if (file.endsWith('.cpp') && !used.has(file) && !included.has(file) && !nativeRoots.some((root) => root.test(file))) {
      yield { file, what: 'no program is built from it: add it to native/sources.json or remove it' };
    }
    if (file.endsWith('.hpp') && !included.has(file)) yield { file, what: 'nothing includes it: remove it' };
  }
  for (const file of used) {
    if (!project.files.includes(file)) yield { file: 'native/sources.json', what: `names ${file}, which is not there` };
  }
}

// What is run or imported from outside: the command lines, the public entry points, tests, and the admin page's scripts.
const scriptRoots = [
  /^src\/(cli|index)\.ts$/, /^src\/client\/index\.ts$/, /^src\/admin\/page\/main\.ts$/,
  /^test\/.*(\.test|_fuzz)\.ts$/, /^bench\/cli\.ts$/, /^bench\/micro\//, /^scripts\/[^/]+\.mjs$/, /^scripts\/lib\/(test|tidy)\.mjs$/,
];

export function* deadScript(project) {
  const scripts = project.under('src', 'test', 'bench', 'scripts').filter((path) => /\.(ts|mjs)$/.test(path));
  const reached = new Set();
  const visit = (path) => {
    if (reached.has(path) || !project.files.includes(path)) return;
    reached.add(path);
    for (const { target } of importsOf(project, path)) visit(target);
  };
  for (const path of scripts.filter((path) => scriptRoots.some((root) => root.test(path)))) visit(path);
  for (const file of scripts) {
    // Programs that a test, a benchmark or a shell script starts are named in a string, not imported
    // (the servers of bench/ by their stem: an arm is called as its program is).
    const [stem, ending] = file.replace(/^.*\//, '').replace(/\.ts$/, '.js').split('.');
    const named = new RegExp(`['"\`/}]${stem}${file.startsWith('bench/servers/') ? '' : `\\.${ending}`}\\b`);
    const callers = [...reached, ...project.under('scripts').filter((path) => /\.sh$|\/[^.]+$/.test(path))];
    if (reached.has(file) || callers.some((path) => named.test(project.text(path)))) continue;
    yield { file, what: 'nothing reaches it from a command line, a public entry point, a test or a benchmark: remove it' };
  }
}

// Functions, classes and values that only their own file uses need no `export`; what only tests use belongs to test/support. (Types are
// left out: the type of a parameter is exported with its function.)
export function* deadExports(project) {
  const scripts = project.under('src', 'test', 'bench', 'scripts').filter((path) => /\.(ts|mjs)$/.test(path));
  const words = new Map(scripts.map((path) => [path, new Set(project.text(path).match(/[\w$]+/g))]));
  for (const file of scripts) {
    for (const [index, line] of project.lines(file).entries()) {
      const name = /^export (?:async |abstract )*(?:const|let|function\*?|class) ([\w$]+)/.exec(line)?.[1];
      if (name === undefined) continue;
      const users = scripts.filter((path) => path !== file && words.get(path).has(name));
      if (users.length === 0) yield { file, line: index + 1, what: `nothing else uses ${name}: no export, or remove it` };
      else if (!file.startsWith('test/') && users.every((path) => path.startsWith('test/'))) {
        const own = project.text(file).match(new RegExp(`(?<![\\w$])${name.replace('$', '\\$')}(?![\\w$])`, 'g')).length;
        if (own === 1) yield { file, line: index + 1, what: `only tests use ${name}: move it to test/support, or remove it` };
      }
    }
  }
}
