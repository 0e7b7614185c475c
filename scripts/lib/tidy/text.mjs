// Rules on lines and files as text.
import { statSync } from 'node:fs';

const codeFile = /\.(cpp|hpp|ts|mjs)$/;
const textFile = /\.(cpp|hpp|ts|mjs|md|json|cmake|gyp|sh|html|css|yml|yaml)$|^scripts\/[^.]+$|CMakeLists\.txt$/;
const isGenerated = (path) => path === 'src/engine/layout.ts';
const isCode = (path) => codeFile.test(path) && !isGenerated(path);
const code = (project) => project.under('native', 'src', 'test', 'bench', 'scripts').filter(isCode);

// Scripts of the shell have no ending.
const shell = (project) => [...project.under('scripts', 'vagrant', '.ci')].filter((path) => /\.sh$|\/[^.]+$/.test(path));

const longestLine = 140;
export function* lineLength(project) {
  for (const file of [...code(project), ...shell(project), ...project.files.filter((path) => /\.(cmake|gyp|css|html)$/.test(path))]) {
    if (file.startsWith('bench/results/')) continue;
    for (const [index, line] of project.lines(file).entries()) {
      const columns = [...line].length;
      if (columns > longestLine) yield { file, line: index + 1, what: `${columns} columns: break the line at ${longestLine}` };
    }
  }
}

const longestFile = 600;
const longestMedian = 250;
export function* fileSize(project) {
  for (const side of ['native', 'src', 'test', 'bench', 'scripts']) {
    const sizes = [];
    for (const file of code(project).filter((path) => path.startsWith(`${side}/`))) {
      const size = project.lines(file).length - 1;
      sizes.push(size);
      if (size > longestFile) yield { file, line: longestFile, what: `${size} lines: split it by role (at most ${longestFile})` };
    }
    const median = sizes.sort((a, b) => a - b)[Math.floor(sizes.length / 2)] ?? 0;
    if (median <= longestMedian) continue;
    yield { file: `${side}/`, what: `a median of ${median} lines a file: split files until it is ${longestMedian}` };
  }
}

// Spelled so that this file does not break its own rule.
const marks = new RegExp(`\\b(${['TO' + 'DO', 'FIX' + 'ME', 'XX' + 'X', 'HA' + 'CK'].join('|')})\\b`);
export function* words(project) {
  for (const file of project.files.filter((path) => textFile.test(path) && path !== 'package-lock.json')) {
    for (const [index, line] of project.lines(file).entries()) {
      const mark = marks.exec(line);
      if (mark !== null) yield { file, line: index + 1, what: `'${mark[1]}': do it now, or say as a fact what is missing` };
    }
  }
}

export function* pragmaOnce(project) {
  for (const file of project.under('native').filter((path) => path.endsWith('.hpp'))) {
    if (!/^#pragma once$/m.test(project.text(file))) yield { file, what: 'begin the header with #pragma once' };
  }
}

export function* executable(project) {
  for (const file of [...project.under('scripts'), '.ci/run'].filter((path) => project.files.includes(path))) {
    if (!project.text(file).startsWith('#!')) continue;
    if ((statSync(file).mode & 0o111) === 0) yield { file, what: 'it has a #! line: chmod +x' };
  }
}
