// Native tests in a kind of build (dev, asan, tsan), and the fuzz targets.
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { buildAhead, endBuildAhead } from './build-ahead.mjs';
import { inParallel, run } from './run.mjs';

const has = (program) => (process.env['PATH'] ?? '').split(':').some((folder) => existsSync(join(folder, program)));

// clang's ThreadSanitizer gives up where the kernel spreads addresses wider than it knows.
const withoutAslr = () => (has('setarch') ? ['setarch', '-R'] : []);

const kinds = {
  dev: { prefix: () => [], env: {}, tests: [] },
  asan: {
    prefix: () => [],
    env: { ASAN_OPTIONS: 'detect_leaks=1:abort_on_error=0:strict_string_checks=1', UBSAN_OPTIONS: 'print_stacktrace=1' },
    tests: [],
  },
  // Tests that fork or that take minutes under TSan carry the tag [no-tsan].
  tsan: { prefix: withoutAslr, env: { TSAN_OPTIONS: 'halt_on_error=0:exitcode=66:second_deadlock_stack=1' }, tests: ['~[no-tsan]'] },
};

// Headers that CMake looks for.
const libraries = {
  dev: ['catch2/catch.hpp'], asan: ['catch2/catch.hpp'], tsan: ['catch2/catch.hpp'], fuzz: [], bench: ['benchmark/benchmark.h'],
};

function missingTools(kind) {
  const wanted = ['cmake', 'ninja', ...(kind === 'dev' || kind === 'bench' ? [] : ['clang++'])];
  const missing = wanted.filter((program) => !has(program));
  return [...missing, ...libraries[kind].filter((header) => !existsSync(`/usr/include/${header}`))];
}

const built = new Map();

async function build(r, kind, targets = []) {
  if (!built.has(kind)) {
    await endBuildAhead();
    const result = await run(['scripts/cmake', kind, ...targets], { seconds: 1500, log: r.log, echo: r.verbose });
    if (!result.ok) {
      // Compilers print much; what failed begins with ninja's mark.
      const start = result.output.indexOf('FAILED:');
      r.fail(`build-${kind}: ${result.why}`, start >= 0 ? result.output.slice(start) : result.output);
    }
    built.set(kind, result.ok);
  }
  return built.get(kind);
}

// "All tests passed (41 assertions in 12 test cases)", or "test cases: 12 | 10 passed | 2 failed".
function catchCounts(output) {
  const all = /^All tests passed \(.* in (\d+) test cases?\)$/m.exec(output);
  if (all !== null) return { passed: Number(all[1]), failed: 0 };
  const line = /^test cases: .*$/m.exec(output)?.[0];
  if (line === undefined) return undefined;
  const count = (word) => Number(new RegExp(`(\\d+) ${word}`).exec(line)?.[1] ?? 0);
  return { passed: count('passed'), failed: count('failed') };
}

/** `next`: the kinds that later stages of this run need. */
export async function nativeStage(r, kind, next = []) {
  const missing = missingTools(kind);
  if (missing.length > 0) return r.skip(`native tests (${kind})`, `${missing.join(', ')} not installed`);
  const ok = await build(r, kind);
  if (r.all) buildAhead(next.filter((each) => missingTools(each).length === 0));
  if (!ok) return undefined;
  const program = `build-${kind}/sluice_test`;
  if (!existsSync(program)) return r.note('there are no native tests');

  const { prefix, env, tests } = kinds[kind];
  // Catch2 reads a comma as "or" and a blank as "and".
  const spec = [...(r.filter === undefined ? [] : [/^[[~]/.test(r.filter) ? r.filter : `*${r.filter}*`]), ...tests].join(' ');
  const command = [...prefix(), program, '--durations', 'no', ...(spec === '' ? [] : [spec])];
  const result = await run(command, { seconds: 1500, log: r.log, echo: r.verbose, env });
  const counts = catchCounts(result.output);
  // A test that lacks something of the machine says so in a line of its own: "SKIPPED: name: why".
  const skipped = [...result.output.matchAll(/^SKIPPED: (.*?): (.*)$/gm)];
  for (const [, name, why] of skipped) r.skip(name, why);
  if (counts !== undefined) r.pass(Math.max(0, counts.passed - skipped.length));
  if (!result.ok) {
    const died = counts === undefined ? 'died: ' : '';
    r.fail(`native tests (${kind}): ${died}${result.why}`, result.output, Math.max(1, counts?.failed ?? 1));
  } else if (counts === undefined && !/No tests ran/.test(result.output)) {
    r.fail(`native tests (${kind}): no summary`, result.output);
  }
  if (result.leftovers) r.fail(`native tests (${kind}) left processes behind`);
  return undefined;
}

// libFuzzer writes what it finds into the first folder that it is given, so that one is temporary.
async function fuzzOne(r, target, seconds) {
  const name = basename(target);
  const scratch = mkdtempSync(join(tmpdir(), 'sluice-fuzz-'));
  mkdirSync(join(scratch, 'corpus'));
  const seeds = `native/fuzz/corpus/${name}`;
  const dictionary = `native/fuzz/${name}.dict`;
  const options = ['-timeout=10', '-rss_limit_mb=2048', `-max_total_time=${seconds}`, `-artifact_prefix=${scratch}/`];
  if (existsSync(dictionary)) options.push(`-dict=${dictionary}`);
  const command = [target, ...options, join(scratch, 'corpus'), ...(existsSync(seeds) ? [seeds] : [])];
  const result = await run(command, { seconds: seconds + 60, log: r.log, echo: r.verbose, env: kinds.asan.env });
  if (result.ok) {
    r.pass();
    rmSync(scratch, { recursive: true, force: true });
  } else {
    r.fail(`fuzz target ${name}: ${result.why}; the input is in ${scratch}`, result.output);
  }
}

export async function nativeFuzzTargets(r) {
  const missing = missingTools('fuzz');
  if (missing.length > 0) return r.skip('fuzz targets', `${missing.join(', ')} not installed`);
  if (!(await build(r, 'asan'))) return undefined;
  const folder = 'build-asan/fuzz';
  const targets = existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith('_fuzz')) : [];
  const wanted = targets.filter((name) => r.filter === undefined || name.includes(r.filter)).sort();
  if (wanted.length === 0) return r.note('there are no fuzz targets');
  await inParallel(wanted, 2, (name) => fuzzOne(r, join(folder, name), 5));
  return undefined;
}

// Each benchmark once, for as long as it takes: what counts is that none breaks. The library ends well where one gives up, and says so.
export async function microBenchmarks(r) {
  const missing = missingTools('bench');
  if (missing.length > 0) return r.skip('native micro-benchmarks', `${missing.join(', ')} not installed`);
  if (!(await build(r, 'bench', ['sluice_bench']))) return undefined;
  const program = 'build-bench/sluice_bench';
  const list = await run([program, '--benchmark_list_tests'], { seconds: 30, log: r.log });
  if (!list.ok) return r.fail(`native micro-benchmarks: ${list.why}`, list.output);
  const names = list.output.split('\n').filter((line) => /^[\w/:.]+$/.test(line));
  if (names.length === 0) return r.fail('native micro-benchmarks: there are none', list.output);
  const result = await run([program, '--benchmark_min_time=0.01'], { seconds: 300, log: r.log, echo: r.verbose });
  const rows = result.output.split('\n');
  const whole = names.filter((name) => rows.some((row) => row.startsWith(`${name} `) && !row.includes('ERROR OCCURRED')));
  r.pass(whole.length);
  const broken = names.filter((name) => !whole.includes(name));
  if (broken.length > 0 || !result.ok) {
    const why = result.ok ? '' : `: ${result.why}`;
    r.fail(`native micro-benchmarks ${broken.join(', ')}${why}`, result.output, Math.max(1, broken.length));
  }
  return undefined;
}
