// After tsc: makes an output folder equal to what its sources say.
//   node scripts/finish-ts.mjs dist                the shipped build
//   node scripts/finish-ts.mjs build-test src test  the tests' build, which mirrors the project
// Removes outputs whose source is gone (a deleted module must not go on working), copies files that tsc does not (the admin
// page, fixtures), and makes the command line executable.
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
    if (path.endsWith('.tsbuildinfo') || existsSync(inSource) || existsSync(`${stem}.ts`)) continue;
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

const [out, ...folders] = process.argv.slice(2);
if (out === 'dist') {
  removeStale(out, 'src');
  copyAssets(out, 'src');
  if (existsSync('dist/cli.js')) chmodSync('dist/cli.js', 0o755);
} else {
  for (const folder of folders) {
    removeStale(join(out, folder), folder);
    copyAssets(join(out, folder), folder);
  }
  linkProject(out, folders);
}
