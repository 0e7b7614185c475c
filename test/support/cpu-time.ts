/** What a server that has nothing to do uses of a CPU. */
import { readFileSync } from 'node:fs';
import { sleep } from './wait.js';

const SETTLE_MS = 500;
const LOOK_MS = 3000;
/** What a machine does besides makes a look dearer now and then; a server that does not rest makes each so. */
const LOOKS = 3;

/** CPU time of the process in milliseconds. */
function cpuMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\) /, '').split(' ');
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

/** Of three seconds: the first of some looks that is not above `enough`, else the last. */
export async function idleCpuMs(pid: number, enough: number): Promise<number> {
  for (let look = 1; ; look++) {
    await sleep(SETTLE_MS);
    const before = cpuMs(pid);
    await sleep(LOOK_MS);
    const used = cpuMs(pid) - before;
    if (used <= enough || look === LOOKS) return used;
  }
}
