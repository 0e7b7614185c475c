// The test runner behind scripts/test: runs the stages, shows what failed, sums up.
import { appendFileSync, mkdirSync, rmSync } from 'node:fs';
import { stages } from './stages.mjs';

const verbose = process.argv.includes('-v');
const withVm = process.argv.includes('--vm');
const [only, filter] = process.argv.slice(2).filter((word) => word !== '-v' && word !== '--vm');
const names = Object.keys(stages);
if (only !== undefined && !names.includes(only)) {
  console.error(`test: there is no stage '${only}'; the stages are ${names.join(', ')}`);
  process.exit(2);
}

const logs = '.cache/test-logs';
mkdirSync(logs, { recursive: true });

// Said again at the end: the end is what is kept of a long run.
const failures = [];

// What a stage reports to: counts, and the reasons that are printed.
function report(name) {
  const log = `${logs}/${name}.log`;
  rmSync(log, { force: true });
  const totals = { passed: 0, failed: 0, skipped: 0 };
  return {
    ...totals,
    log,
    verbose,
    filter,
    all: only === undefined,
    pass(count = 1) {
      this.passed += count;
    },
    // `details` is the output that shows what failed; the end of it is what matters when it is long.
    fail(what, details = '', count = 1) {
      this.failed += count;
      failures.push(`${name}: ${what}`);
      console.log(`  FAILED ${what}`);
      const lines = details.trimEnd().split('\n');
      const shown = lines.slice(-200);
      if (details !== '' && !verbose) {
        if (shown.length < lines.length) console.log(`    … ${lines.length - shown.length} lines before these are in ${log}`);
        console.log(shown.map((line) => `    ${line}`).join('\n'));
      }
      appendFileSync(log, `FAILED ${what}\n`);
    },
    skip(what, why, count = 1) {
      this.skipped += count;
      console.log(`  skipped ${what}: ${why}`);
    },
    note(text) {
      console.log(`  ${text}`);
    },
  };
}

const rows = [];
async function runStage(name) {
  console.log(`== ${name}: ${stages[name].title}`);
  const started = Date.now();
  const result = report(name);
  try {
    await stages[name].run(result);
  } catch (error) {
    result.fail(`${name}: the stage itself`, String(error instanceof Error ? error.stack : error));
  }
  const seconds = (Date.now() - started) / 1000;
  console.log(`   ${name}: ${result.passed} ok, ${result.failed} failed, ${result.skipped} skipped in ${seconds.toFixed(1)} s`);
  rows.push({ name, seconds, passed: result.passed, failed: result.failed, skipped: result.skipped });
}

const usual = names.filter((name) => stages[name].onRequest !== true || withVm);
const wanted = only === undefined ? usual : [...(stages[only].needs ?? []), only];
for (const name of wanted) {
  const lacking = stages[name].lacking?.();
  if (lacking === undefined) {
    await runStage(name);
  } else {
    // Failed, not skipped: a build that fails must not look like a machine that lacks something.
    console.log(`== ${name}: FAILED, not run: ${lacking}`);
    failures.push(`${name}: ${lacking}`);
    rows.push({ name, seconds: 0, passed: 0, failed: 1, skipped: 0 });
  }
}

const sum = (key) => rows.reduce((total, row) => total + row[key], 0);
console.log('\nstage      passed  failed  skipped  seconds');
for (const row of rows) {
  const counts = [row.passed, row.failed, row.skipped, row.seconds.toFixed(1)];
  const cells = counts.map((cell, index) => String(cell).padStart([6, 7, 8, 8][index]));
  console.log(`${row.name.padEnd(10)} ${cells.join(' ')}`);
}
console.log(`all stages ${''.padStart(23)} ${sum('seconds').toFixed(1).padStart(8)}\n`);
for (const failure of failures) console.log(`FAILED ${failure}`);
console.log(`${sum('passed')} passed, ${sum('failed')} failed, ${sum('skipped')} skipped`);
process.exitCode = sum('failed') === 0 && sum('passed') > 0 ? 0 : 1;
