// The runner behind scripts/tidy. A rule is a function that is handed the project's files and yields findings.
import { execFileSync } from 'node:child_process';
import { lstatSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { deadExports, deadNative, deadScript } from './tidy/dead.mjs';
import { functionLength } from './tidy/functions.mjs';
import { headersAlone } from './tidy/headers.mjs';
import { architecture, atomics, nativeIncludes, scriptImports } from './tidy/imports.mjs';
import { decisionNumbers, docIndex, docLinks, keptResults, namedPaths, required } from './tidy/documents.mjs';
import { generated, lockfile, machinePaths } from './tidy/project.mjs';
import { executable, fileSize, lineLength, pragmaOnce, words } from './tidy/text.mjs';

process.chdir(fileURLToPath(new URL('../..', import.meta.url)));

const rules = {
  'native-includes': nativeIncludes,
  atomics,
  'script-imports': scriptImports,
  architecture,
  'file-size': fileSize,
  'function-length': functionLength,
  'line-length': lineLength,
  words,
  'pragma-once': pragmaOnce,
  'headers-alone': headersAlone,
  'dead-native': deadNative,
  'dead-script': deadScript,
  'dead-exports': deadExports,
  'doc-links': docLinks,
  'named-paths': namedPaths,
  'doc-index': docIndex,
  'decision-numbers': decisionNumbers,
  'kept-results': keptResults,
  executable,
  generated,
  lockfile,
  'machine-paths': machinePaths,
  required,
};

// What git knows or would know: new files count from their first save.
const listed = execFileSync('git', ['ls-files', '-z', '-co', '--exclude-standard'], { encoding: 'utf8', maxBuffer: 1 << 26 });
const files = listed.split('\0').filter((path) => path !== '' && lstatSync(path, { throwIfNoEntry: false })?.isFile()).sort();
const texts = new Map();
const project = {
  files,
  text(path) {
    if (!texts.has(path)) texts.set(path, readFileSync(path, 'utf8'));
    return texts.get(path);
  },
  lines(path) {
    return this.text(path).split('\n');
  },
  under(...folders) {
    return files.filter((path) => folders.some((folder) => path.startsWith(`${folder}/`)));
  },
};

const only = process.argv.slice(2).map((path) => path.replace(/^\.\//, ''));
const started = Date.now();
const broken = new Set();
let findings = 0;
for (const [name, rule] of Object.entries(rules)) {
  for await (const { file, line, what } of rule(project)) {
    if (only.length > 0 && !only.some((path) => file.startsWith(path))) continue;
    console.log(`${file}:${line ?? 1}: ${name}: ${what}`);
    broken.add(name);
    findings += 1;
  }
}
console.log(`tidy: ${findings} findings in ${files.length} files, ${((Date.now() - started) / 1000).toFixed(1)} s`);
console.log(`tidy: ${Object.keys(rules).length - broken.size} rules hold, ${broken.size} broken`);
process.exitCode = broken.size === 0 ? 0 : 1;
