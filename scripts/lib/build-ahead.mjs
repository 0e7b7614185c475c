// Builds what later stages need while tests run that mostly wait. Only to have it done: whether a build is whole, the stage that
// needs it finds out with a build of its own.
import { run } from './run.mjs';

// One compiler, at the lowest priority: what is tested meanwhile has a CPU of its own and the first word on both. `run` starts a
// session of its own, whose weight is the autogroup's where the kernel has these, and nice's elsewhere.
const lowest = ['sh', '-c', '{ echo 19 >/proc/self/autogroup; } 2>/dev/null; exec nice -n 19 "$@"', 'sh'];
const SECONDS = 1800;

let stop = new AbortController();
let running = Promise.resolve();

async function buildAll(kinds, { signal }) {
  for (const kind of kinds) {
    if (signal.aborted) return;
    await run([...lowest, 'scripts/cmake', kind, '-j', '1'], { seconds: SECONDS, log: '.cache/test-logs/build-ahead.log', signal });
  }
}

/** @param {string[]} kinds in the order in which they are needed */
export function buildAhead(kinds) {
  stop = new AbortController();
  running = buildAll(kinds, stop);
}

export async function endBuildAhead() {
  stop.abort();
  await running;
}
