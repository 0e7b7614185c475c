// The stages of scripts/test, in order. Each reports what it ran to `r` (see test.mjs).
import { existsSync, readdirSync } from 'node:fs';
import { microBenchmarks, nativeFuzzTargets, nativeStage } from './native-stages.mjs';
import { run } from './run.mjs';
import { tapStage } from './tap-stage.mjs';

// A command that counts as one test.
async function step(r, what, command, seconds, env) {
  const result = await run(command, { seconds, log: r.log, echo: r.verbose, env });
  if (result.ok) r.pass();
  else r.fail(`${what} (${command.join(' ')}): ${result.why}`, result.output);
  return result.ok;
}

async function tidy(r) {
  const paths = r.filter === undefined ? [] : [r.filter];
  const result = await run(['scripts/tidy', ...paths], { seconds: 300, log: r.log, echo: r.verbose });
  const counts = /^tidy: (\d+) rules hold, (\d+) broken$/m.exec(result.output);
  if (counts === null) return r.fail(`tidy: ${result.why || 'no summary'}`, result.output);
  r.pass(Number(counts[1]));
  if (Number(counts[2]) > 0) r.fail('tidy', result.output, Number(counts[2]));
}

async function build(r) {
  await step(r, 'addon', ['npm', 'run', '-s', 'build:native'], 900);
  // tsc writes its output in spite of type errors: these fail the build but do not hide what the tests say.
  await step(r, 'TypeScript', ['npm', 'run', '-s', 'build:ts'], 300);
  // Before the tests: those of the benchmarks import what was built.
  if (existsSync('bench/tsconfig.json')) await step(r, 'benchmarks', ['npm', 'run', '-s', 'build:bench'], 300);
  await step(r, 'tests', ['npm', 'run', '-s', 'build:test'], 300);
  await step(r, 'src/engine/layout.ts is what the native side says', ['npm', 'run', '-s', 'layout:check'], 60);
  await step(r, 'docs/CONFIGURATION.md is what the options say', ['npm', 'run', '-s', 'docs:config:check'], 60);
}

async function fuzzStage(r) {
  await nativeFuzzTargets(r);
  const folder = 'build-test/test/fuzz';
  const targets = existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith('_fuzz.js')) : [];
  for (const name of targets.filter((each) => r.filter === undefined || each.includes(r.filter))) {
    await step(r, `fuzz target ${name}`, [process.execPath, '--enable-source-maps', `${folder}/${name}`, '5'], 60);
  }
}

function lackingBuild() {
  const missing = ['build/Release/sluice.node', 'dist/cli.js'].find((file) => !existsSync(file));
  return missing === undefined ? undefined : `there is no ${missing}`;
}

async function bench(r) {
  if (r.filter === undefined || 'native micro-benchmarks'.includes(r.filter)) await microBenchmarks(r);
  if (r.filter === undefined) await benchScenarios(r);
}

async function benchScenarios(r) {
  await step(r, 'bench compare', ['node', 'dist/cli.js', 'bench', 'compare', '--smoke'], 600);
  await benchStep(r, 'bench publish-redis', ['publish-redis', '--smoke', '--rounds', '1', '--arms', 'sluice-epoll'], 300);
  // The second is everything that ten million would do, with the same checks; SLUICE_C10M=50000 is what CI plays.
  const connections = process.env['SLUICE_C10M'];
  const size = connections === undefined ? [] : ['--connections', connections, '--duration', '10', '--hold', '5'];
  await benchStep(r, 'bench echo on a wire', ['echo', '--driver', 'dpdk', '--smoke'], 300);
  await benchStep(r, 'bench c10m', ['c10m', '--smoke', ...size], 600);
  const micro = existsSync('bench/micro') ? readdirSync('bench/micro').filter((name) => name.endsWith('.mjs')) : [];
  for (const name of micro) await step(r, name, ['node', `bench/micro/${name}`, '--smoke'], 300);
}

// What the machine lacks, the harness says in a line "SKIPPED: what: why".
async function benchStep(r, what, args, seconds) {
  const result = await run(['node', 'dist/cli.js', 'bench', ...args], { seconds, log: r.log, echo: r.verbose });
  const skipped = /^SKIPPED: .*?: (.*)$/m.exec(result.output);
  if (!result.ok) r.fail(`${what}: ${result.why}`, result.output);
  else if (skipped !== null) r.skip(what, skipped[1]);
  else r.pass();
}

export const stages = {
  tidy: { title: 'style, include direction, dead files, links', run: tidy },
  build: { title: 'addon and TypeScript', run: build },
  // The sanitizers' builds are made meanwhile, until their own stages.
  native: { title: 'native tests', run: (r) => nativeStage(r, 'dev', ['asan', 'tsan']) },
  unit: { title: 'unit tests', needs: ['build'], run: (r) => tapStage(r, 'unit', { width: 2, seconds: 300 }) },
  e2e: {
    title: 'end-to-end tests',
    needs: ['build'],
    lacking: lackingBuild,
    run: (r) => tapStage(r, 'e2e', { width: 1, seconds: 600 }),
  },
  browser: {
    title: 'browser tests',
    needs: ['build'],
    lacking: lackingBuild,
    run: (r) => tapStage(r, 'browser', { width: 1, seconds: 600 }),
  },
  asan: { title: 'native tests under AddressSanitizer and UndefinedBehaviorSanitizer', run: (r) => nativeStage(r, 'asan', ['tsan']) },
  tsan: { title: 'native tests under ThreadSanitizer', run: (r) => nativeStage(r, 'tsan') },
  fuzz: { title: 'fuzz targets, some seconds each', needs: ['build'], run: fuzzStage },
  vm: {
    title: 'poll-mode drivers in a VM of our own',
    onRequest: true,
    needs: ['build'],
    lacking: lackingBuild,
    run: (r) => tapStage(r, 'vm', { width: 1, seconds: 3000 }),
  },
  bench: { title: 'benchmarks in smoke mode', needs: ['build'], lacking: lackingBuild, run: bench },
};
