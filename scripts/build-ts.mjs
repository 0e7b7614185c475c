// Compiles the TypeScript side.
//   node scripts/build-ts.mjs dist         what is shipped
//   node scripts/build-ts.mjs build-test   the tests and the code under test; the folder mirrors the project
//   node scripts/build-ts.mjs build/bench  the benchmarks
// Then makes the output equal to what the sources say: removes files whose source is gone (a deleted module must not go on
// working), copies what tsc does not (the admin page, fixtures), and makes the command line executable. All of it also after
// type errors, which are this program's exit status.
import { spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, existsSync, lstatSync, mkdirSync, readdirSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
process.chdir(root);

function* walk(folder) {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* walk(path);
    else if (entry.isFile()) yield path;
  }
}

function removeStale(out, source) {
  if (!existsSync(out)) return;
  for (const path of walk(out)) {
    const inSource = join(source, relative(out, path));
    const stem = inSource.replace(/\.(d\.ts|js|js\.map|d\.ts\.map)$/, '');
    if (path === join(out, '.lock') || path.endsWith('.tsbuildinfo') || existsSync(inSource) || existsSync(`${stem}.ts`)) continue;
    rmSync(path);
  }
}

function copyAssets(out, source) {
  if (!existsSync(source)) return;
  for (const path of walk(source)) {
    if (path.endsWith('.ts')) continue;
    const target = join(out, relative(source, path));
    if (existsSync(target) && statSync(target).mtimeMs >= statSync(path).mtimeMs) continue;
    mkdirSync(dirname(target), { recursive: true });
    copyFileSync(path, target);
  }
}

// Compiled tests stand one folder deeper than their sources. Links to the project's other entries let paths that are
// relative to a test (../../dist/cli.js) mean the same thing there.
function linkProject(out, mirrored) {
  const left = new Set([...mirrored, out, '.git', '.cache', '.tap', 'node_modules', 'data']);
  for (const name of readdirSync(root)) {
    const link = join(out, name);
    if (left.has(name) || name.startsWith('build-') || lstatSync(link, { throwIfNoEntry: false }) !== undefined) continue;
    symlinkSync(join('..', name), link);
  }
}

const out = process.argv[2];
const configs = { dist: 'tsconfig.json', 'build-test': 'tsconfig.test.json', 'build/bench': 'bench/tsconfig.json' };
const config = configs[out];
if (config === undefined) {
  console.error(`usage: node scripts/build-ts.mjs ${Object.keys(configs).join('|')}`);
  process.exit(2);
}
// The published package brings no benchmarks.
if (!existsSync(config)) process.exit(0);
mkdirSync(out, { recursive: true });
// Two builds at once would write the same files. tsc has no lock of its own.
const tsc = ['-w', '300', `${out}/.lock`, process.execPath, 'node_modules/typescript/bin/tsc', '-p', config];
const { status } = spawnSync('flock', tsc, { stdio: 'inherit' });
if (out === 'dist') {
  removeStale(out, 'src');
  copyAssets(out, 'src');
  if (existsSync('dist/cli.js')) chmodSync('dist/cli.js', 0o755);
} else if (out === 'build/bench') {
  removeStale(out, 'bench');
} else {
  for (const folder of ['src', 'test']) {
    removeStale(join(out, folder), folder);
    copyAssets(join(out, folder), folder);
  }
  linkProject(out, ['src', 'test']);
}
process.exitCode = status ?? 1;
