// Every native header compiles alone. The first include of a source file is proved by the build, which sees nothing before it;
// the other headers are compiled here, and again only when they, or a project header that they reach, changed.
import { execFile, execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { inParallel } from '../run.mjs';

const cacheFile = '.cache/tidy-headers.json';
const flags = ['-std=c++20', '-fsyntax-only', '-Wall', '-Wextra', '-Inative', '-x', 'c++', '-include'];
const addonDefines = ['-DNAPI_VERSION=8', '-DNODE_ADDON_API_DISABLE_CPP_EXCEPTIONS', '-fno-exceptions'];

function contentHash(project, header) {
  const hash = createHash('sha256');
  const seen = new Set();
  const add = (path) => {
    if (seen.has(path) || !project.files.includes(path)) return;
    seen.add(path);
    hash.update(path).update(project.text(path));
    for (const [, included] of project.text(path).matchAll(/^\s*#\s*include\s+"([^"]+)"/gm)) add(`native/${included}`);
  };
  add(header);
  return hash.update([...flags, ...addonDefines].join(' ')).digest('hex');
}

function nodeIncludes() {
  const prefix = process.env['npm_config_nodedir'] ?? dirname(dirname(process.execPath));
  return ['node_modules/node-addon-api', join(prefix, 'include/node')].filter((path) => existsSync(path)).map((path) => `-isystem${path}`);
}

// Null where DPDK is not installed: the build leaves its part out, too.
function dpdkIncludes() {
  try {
    const flags = execFileSync(process.execPath, ['scripts/sources.mjs', '--dpdk-cflags'], { encoding: 'utf8' });
    return flags.split('\n').filter((flag) => flag !== '');
  } catch {
    return [];
  }
}

const includesDpdk = (text) => /^\s*#\s*include\s+<rte_/m.test(text);

function compile(header, text) {
  // libuv's and Node's headers are needed by addon/ only; the others do not see them, so that they cannot come to need them.
  const extra = /^native\/(addon|test)\//.test(header) ? [...addonDefines, ...nodeIncludes()] : [];
  if (includesDpdk(text) || /^native\/nic\/dpdk_/.test(header)) extra.push(...dpdkIncludes());
  if (/^native\/test\//.test(header)) extra.splice(extra.indexOf('-fno-exceptions'), 1);
  return new Promise((resolve) => {
    execFile('g++', [...extra, ...flags, header, '/dev/null'], { timeout: 60_000, maxBuffer: 1 << 24 }, (error, _out, errors) => {
      resolve(error === null ? undefined : (/^.*(?:error|warning): .*$/m.exec(errors)?.[0] ?? errors.split('\n')[0]));
    });
  });
}

export async function* headersAlone(project) {
  let cache = {};
  try {
    cache = JSON.parse(readFileSync(cacheFile, 'utf8'));
  } catch {
    // The first run.
  }
  const next = {};
  const findings = [];
  const built = new Set(Object.entries(JSON.parse(readFileSync('native/sources.json', 'utf8'))).flatMap(([, files]) => files));
  const proved = new Set();
  for (const file of built) {
    const text = project.files.includes(`native/${file}`) ? project.text(`native/${file}`) : '';
    // Only where it is the very first: a system header before it would help it.
    const first = /^\s*#\s*include\s+(.*)$/m.exec(text)?.[1];
    if (first?.startsWith('"')) proved.add(`native/${first.slice(1, first.lastIndexOf('"'))}`);
  }
  const dpdk = dpdkIncludes().length > 0;
  const compiles = (path) => dpdk || !/^native\/nic\/dpdk_/.test(path);
  const headers = project.under('native').filter((path) => path.endsWith('.hpp') && !proved.has(path) && compiles(path));
  await inParallel(headers, 2, async (header) => {
    const hash = contentHash(project, header);
    const problem = cache[header] === hash ? undefined : await compile(header, project.text(header));
    if (problem === undefined) next[header] = hash;
    else findings.push({ file: header, what: `does not compile alone: ${problem}` });
  });
  mkdirSync('.cache', { recursive: true });
  writeFileSync(cacheFile, JSON.stringify(next));
  yield* findings.sort((a, b) => (a.file < b.file ? -1 : 1));
}
