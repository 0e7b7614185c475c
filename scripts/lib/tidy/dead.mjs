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

// What is run or imported from outside: the command line, the public entry points, tests, and the admin page's scripts.
const scriptRoots = [/^src\/(cli|index)\.ts$/, /^src\/client\/index\.ts$/, /^src\/admin\/page\/main\.ts$/, /^test\/.*(\.test|_fuzz)\.ts$/];

export function* deadScript(project) {
  const scripts = project.under('src', 'test').filter((path) => path.endsWith('.ts'));
  const reached = new Set();
  const visit = (path) => {
    if (reached.has(path) || !project.files.includes(path)) return;
    reached.add(path);
    for (const { target } of importsOf(project, path)) visit(target);
  };
  for (const path of scripts.filter((path) => scriptRoots.some((root) => root.test(path)))) visit(path);
  for (const file of scripts) {
    // Programs that a test starts are named in a string, not imported.
    const name = file.replace(/^.*\//, '').replace(/\.ts$/, '');
    const started = () => [...reached].some((path) => new RegExp(`['"\`/]${name}\\.js\\b`).test(project.text(path)));
    if (reached.has(file) || started()) continue;
    yield { file, what: 'nothing reaches it from src/index.ts, src/cli.ts, src/client/index.ts or a test: remove it' };
  }
}
