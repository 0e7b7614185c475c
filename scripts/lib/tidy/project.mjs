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
