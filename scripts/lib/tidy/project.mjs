// Rules on the project as a whole.
import { existsSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';

// GitHub's way to make an anchor of a heading.
const anchor = (heading) =>
  heading
    .replace(/[`*]|\[([^\]]*)\]\([^)]*\)/g, '$1')
    .trim()
    .toLowerCase()
    .replace(/[^\p{L}\p{N} _-]/gu, '')
    .replace(/ /g, '-');

const withoutCode = (text) => text.replace(/```[\s\S]*?```|`[^`\n]*`/g, (code) => code.replace(/[^\n]/g, ' '));

export function* docLinks(project) {
  for (const file of project.files.filter((path) => path.endsWith('.md'))) {
    for (const [index, line] of withoutCode(project.text(file)).split('\n').entries()) {
      for (const [, target] of line.matchAll(/\]\(([^)\s]+)\)/g)) {
        if (/^[a-z]+:/.test(target)) continue;
        const [path, fragment] = target.split('#');
        const full = path === '' ? file : normalize(join(dirname(file), path));
        if (!existsSync(full)) yield { file, line: index + 1, what: `${target} leads nowhere` };
        else if (fragment && full.endsWith('.md')) {
          const headings = project.lines(full).filter((text) => text.startsWith('#'));
          const anchors = headings.map((text) => anchor(text.replace(/^#+/, '')));
          if (!anchors.includes(fragment)) yield { file, line: index + 1, what: `${full} has no heading #${fragment}` };
        }
      }
    }
  }
}

// A reader begins at README.md and finds every page from there.
export function* docIndex(project) {
  const readme = project.text('README.md');
  for (const file of project.under('docs').filter((path) => /^docs\/[^/]+\.md$/.test(path))) {
    if (!readme.includes(`](${file})`)) yield { file, what: 'README.md does not link it: add it to the table there' };
  }
}

// A comment or a page that names a decision names one that is there.
export function* decisionNumbers(project) {
  const numbers = new Set(project.under('docs/decisions').map((path) => path.replace(/^.*\//, '').slice(0, 4)));
  const files = project.files.filter((path) => /\.(cpp|hpp|ts|mjs|md)$/.test(path));
  for (const file of files) {
    for (const [index, line] of project.lines(file).entries()) {
      for (const [, number] of line.matchAll(/\bdecisions?[/ ](\d{4})\b/gi)) {
        if (!numbers.has(number)) yield { file, line: index + 1, what: `there is no decision ${number}` };
      }
    }
  }
}

// Kept runs of benchmarks are evidence: a run that no page quotes says nothing to anybody.
export function* keptResults(project) {
  const pages = project.files.filter((path) => path.endsWith('.md')).map((path) => project.text(path));
  for (const file of project.under('bench/results')) {
    const run = file.replace(/^.*\//, '').replace(/\.\w+$/, '');
    if (!pages.some((page) => page.includes(run))) yield { file, what: 'no page quotes this run: quote it, or git rm it' };
  }
}

export function* generated(project) {
  const pattern = /(^|\/)(node_modules|build|build-[^/]+|dist|\.cache|\.tap|data)\/|\.(node|o|a|so|tsbuildinfo|log|pcap)$/;
  for (const file of project.files) {
    const source = /^(native|src|test)\/.*\/(data|build)\//.test(file);
    if (pattern.test(file) && !source) yield { file, what: 'a generated file: git rm --cached, and .gitignore' };
  }
}

export function* lockfile(project) {
  if (!existsSync('package-lock.json')) return yield { file: 'package-lock.json', what: 'is missing: npm install' };
  for (const [index, line] of project.lines('package-lock.json').entries()) {
    if (!/"resolved":\s*"https?:/.test(line)) continue;
    yield { file: 'package-lock.json', line: index + 1, what: 'names a registry: npm install with the .npmrc of the project' };
  }
  return undefined;
}

// A path of somebody's own machine works nowhere else.
export function* machinePaths(project) {
  const pattern = /(?<![\w.])\/(?:root|home\/[a-z]\w*)\//;
  for (const file of project.files.filter((path) => !/\.(png|ico|wasm|bin)$/.test(path) && path !== 'package-lock.json')) {
    if (file === 'scripts/lib/tidy/project.mjs') continue;
    for (const [index, line] of project.lines(file).entries()) {
      const found = pattern.exec(line);
      if (found !== null) yield { file, line: index + 1, what: `'${found[0]}' is a path of one machine: make it relative` };
    }
  }
}

export function* required(project) {
  const docs = ['ARCHITECTURE', 'OPERATIONS', 'PROTOCOL', 'DEVELOPING'].map((name) => `docs/${name}.md`);
  const wanted = ['README.md', 'CHANGELOG.md', 'LICENSE', ...docs];
  for (const file of wanted.filter((path) => !project.files.includes(path))) yield { file, what: 'is missing: write it' };
  if (project.files.includes('CHANGELOG.md') && !/^## \[/m.test(project.text('CHANGELOG.md'))) {
    yield { file: 'CHANGELOG.md', what: 'has no "## [version]" heading: see keepachangelog.com' };
  }
}
