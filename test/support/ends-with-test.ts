/** What a failed test leaves running is ended with it: alive, it would hold its file open until that one's time-out. */
import type { ChildProcess } from 'node:child_process';
import t from 'tap';

/** What was started before the file's first test is for all of them. */
const SHARED = -1;
/** With the number of tests of the file that had ended when it was started. */
const running = new Map<ChildProcess, number>();
let begun = false;
let ended = 0;

t.on('subtestStart', () => (begun = true));
t.on('subtestEnd', (test) => {
  for (const [child, when] of running) if (!test.passing() && when === ended) child.kill('SIGKILL');
  ended += 1;
});

export function endWithTest(child: ChildProcess): void {
  running.set(child, begun ? ended : SHARED);
  child.once('exit', () => running.delete(child));
}
