// Runs compiled tap tests (build-test/test/SUITE/**/*.test.js), each file in a process of its own: a file that crashes, hangs
// or leaves processes behind is one failure and the others never notice.
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { Parser } from 'tap-parser';
import { inParallel, run } from './run.mjs';
import { causeOf } from './tap-cause.mjs';

function testFiles(folder) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true })
    .map((name) => join(folder, String(name)))
    .filter((path) => path.endsWith('.test.js'))
    .sort();
}

// Counts subtests that hold no further subtests. Assertions beside subtests count as one test together.
function countTap(output) {
  const counts = { passed: 0, failed: 0, skipped: [], failures: [] };
  const watch = (parser, path) => {
    const children = new Set();
    const own = { passed: 0, failed: 0, skipped: 0 };
    parser.on('child', (child) => {
      children.add(child.name);
      watch(child, [...path, child.name]);
    });
    parser.on('assert', (point) => {
      const name = [...path, point.name].join(' › ');
      if (point.skip || point.todo) {
        own.skipped += 1;
        const why = [point.skip, point.todo].find((reason) => typeof reason === 'string');
        counts.skipped.push([name, why ?? 'no reason given']);
      } else if (!children.has(point.name)) {
        own[point.ok ? 'passed' : 'failed'] += 1;
        if (!point.ok) counts.failures.push([...path, causeOf(point)].join(' › '));
      }
    });
    parser.on('complete', (result) => {
      // Not ok without a failing child: a plan that was not met, a time-out.
      if (own.failed > 0 || (!result.ok && children.size === 0)) counts.failed += 1;
      else if (own.passed > 0 || (path.length > 0 && children.size === 0 && own.skipped === 0)) counts.passed += 1;
    });
  };
  const parser = new Parser();
  watch(parser, []);
  parser.end(output);
  return { ...counts, ok: parser.ok, any: parser.count > 0 };
}

// What passed is in the log; what is shown is what failed, and what was printed beside TAP.
function withoutPasses(output) {
  const passing = /^\s*(ok \d+|\d+\.\.\d+|#\s*time=|TAP version)|^\s*$/;
  return output.split('\n').filter((line) => !passing.test(line)).join('\n');
}

// A file that is run by its name may be a run of hours (its SLUICE_… variables say so): then only its own deadlines hold.
const BY_NAME_S = 6 * 3600;

// Of the file itself: subtests are indented.
const LAST_WORD = /^(1\.\.\d+|Bail out!)/m;

async function runFile(r, path, seconds) {
  const name = path.replace(/^build-test\//, '').replace(/\.js$/, '.ts');
  const env = { TAP: '1', TAP_TIMEOUT: String(seconds - 5), NODE_ENV: 'test' };
  const limit = r.filter === undefined ? seconds : BY_NAME_S;
  const command = [process.execPath, '--enable-source-maps', path];
  const result = await run(command, { seconds: limit, log: r.log, echo: r.verbose, env, lastWord: LAST_WORD });
  const counts = countTap(result.output);
  r.pass(counts.passed);
  for (const [test, why] of counts.skipped) r.skip(`${name}: ${test}`, why);
  const failed = !result.ok || !counts.ok || !counts.any;
  if (failed) {
    const why = result.why || (counts.any ? 'tests failed' : 'no test ran');
    const causes = counts.failures.slice(0, 5).map((cause) => `\n    ${cause}`);
    r.fail(`${name}: ${why}${causes.join('')}`, withoutPasses(result.output), Math.max(1, counts.failed));
  }
  if (result.leftovers) r.fail(`${name} left processes behind`);
}

export async function tapStage(r, suite, { width, seconds }) {
  const files = testFiles(join('build-test/test', suite));
  const wanted = files.filter((path) => r.filter === undefined || path.includes(r.filter));
  if (files.length === 0) return r.note(`test/${suite} holds no tests`);
  if (wanted.length === 0) return r.fail(`no file of test/${suite} has '${r.filter}' in its path`);
  await inParallel(wanted, width, (path) => runFile(r, path, seconds));
  return undefined;
}
