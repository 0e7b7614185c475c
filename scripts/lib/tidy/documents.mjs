// Rules on documents: links, paths and numbers that lead somewhere, nothing that nobody finds.
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

// A file or folder that a page or a comment names by its whole path is there; NAME and * stand for several.
export function* namedPaths(project) {
  const pattern = /(?<![\w./-])((?:native|src|test|bench|scripts|docs|vagrant|cmake)\/[\w./-]*\w)(?![\w*<$…-]|\/[A-Z*])/g;
  for (const file of project.files.filter((path) => /\.(md|cpp|hpp)$/.test(path))) {
    for (const [index, line] of project.lines(file).entries()) {
      const text = file.endsWith('.md') ? line : (/\/\/(.*)$/.exec(line)?.[1] ?? '');
      for (const [, path] of text.matchAll(pattern)) {
        if (/^docs\/decisions\/\d{4}$|[A-Z]{3}|\.(so|node|js)$/.test(path.replace(/[A-Z-]+\.md$/, '')) || existsSync(path)) continue;
        yield { file, line: index + 1, what: `${path} is not there` };
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

export function* required(project) {
  const docs = ['ARCHITECTURE', 'OPERATIONS', 'PROTOCOL', 'DEVELOPING'].map((name) => `docs/${name}.md`);
  const wanted = ['README.md', 'CHANGELOG.md', 'LICENSE', ...docs];
  for (const file of wanted.filter((path) => !project.files.includes(path))) yield { file, what: 'is missing: write it' };
  if (project.files.includes('CHANGELOG.md') && !/^## \[/m.test(project.text('CHANGELOG.md'))) {
    yield { file: 'CHANGELOG.md', what: 'has no "## [version]" heading: see keepachangelog.com' };
  }
}
