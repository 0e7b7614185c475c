// The one reader of native/sources.json for binding.gyp and CMake, so that both build the same files.
//   node scripts/sources.mjs base ws …   the files of these keys, a line each, relative to the project
//   node scripts/sources.mjs --dpdk      1 where DPDK can be compiled against (pkg-config libdpdk), else 0
//   node scripts/sources.mjs --dpdk-cflags|--dpdk-libs   for the compiler and the linker
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const sources = JSON.parse(readFileSync(`${root}native/sources.json`, 'utf8'));

// Null where pkg-config does not find DPDK, or only a release that is too old.
function dpdk(what) {
  try {
    const found = execFileSync('pkg-config', [what, 'libdpdk >= 22.11'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
    return found.trim().split(/\s+/).filter((word) => word !== '');
  } catch {
    return null;
  }
}

// DPDK's headers have warnings of their own under C++20: they are a system's, not ours.
function dpdkFlags() {
  return (dpdk('--cflags') ?? []).flatMap((word) => (word.startsWith('-I') ? ['-isystem', word.slice(2)] : [word]));
}

function filesOf(keys) {
  const unknown = keys.filter((key) => !(key in sources));
  if (unknown.length > 0) {
    console.error(`native/sources.json has no key ${unknown.join(', ')}`);
    process.exit(1);
  }
  const files = keys.flatMap((key) => sources[key].map((file) => `native/${file}`));
  const missing = files.filter((file) => !existsSync(root + file));
  if (missing.length > 0) {
    console.error(`native/sources.json names files that are not there: ${missing.join(', ')}`);
    process.exit(1);
  }
  return files;
}

const [first, ...others] = process.argv.slice(2);
let lines;
if (first === '--dpdk') lines = [dpdk('--cflags') === null ? '0' : '1'];
else if (first === '--dpdk-cflags') lines = dpdkFlags();
else if (first === '--dpdk-libs') lines = dpdk('--libs') ?? [];
else lines = filesOf(first === undefined ? [] : [first, ...others]);
if (lines.length > 0) console.log(lines.join('\n'));
