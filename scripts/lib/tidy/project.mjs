// Rules on the project as a whole.
import { existsSync } from 'node:fs';

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
