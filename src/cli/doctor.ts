import { readFileSync, statfsSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';
import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';

import { loadNative } from '../engine/index.js';
import { parseFlags } from './args.js';
import { dpdkFindings } from './doctor-dpdk.js';

type State = 'good' | 'note' | 'bad';

export interface Finding {
  readonly state: State;
  readonly what: string;
  /** What to type, null when there is nothing to mend. */
  readonly mend: string | null;
}

const MARKS: Readonly<Record<State, string>> = { good: 'ok  ', note: 'note', bad: 'BAD ' };

/** `sluice doctor`: exit status 1 when something keeps the gateway from running. */
export async function doctor(argv: readonly string[]): Promise<number> {
  if (parseFlags('doctor', {}, argv) === null) return 0;
  const findings = [node(), addon(), uring(), files(), sharedMemory(), machine(), dpdkFindings()].flat();
  for (const { state, what, mend } of findings) {
    process.stdout.write(`${MARKS[state]}  ${what}\n${mend === null ? '' : `      ${mend}\n`}`);
  }
  return findings.some(({ state }) => state === 'bad') ? 1 : 0;
}

function node(): Finding {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const good = major > 20 || (major === 20 && minor >= 18);
  return { state: good ? 'good' : 'bad', what: `Node.js ${process.versions.node}`, mend: good ? null : 'Install Node.js 20.18 or later.' };
}

function addon(): Finding {
  try {
    loadNative();
    return { state: 'good', what: 'native addon loads', mend: null };
  } catch (error) {
    return { state: 'bad', what: `native addon: ${error instanceof Error ? error.message : String(error)}`, mend: buildCommand() };
  }
}

/** As it works from where this was asked, which for a package among others' modules is another folder. */
function buildCommand(): string {
  const folder = relative(process.cwd(), fileURLToPath(new URL('../..', import.meta.url)));
  return `npm ${folder === '' ? '' : `--prefix ${folder} `}run build:native`;
}

function uring(): Finding[] {
  let probe;
  try {
    probe = loadNative().probe().uring;
  } catch {
    return [];
  }
  if (probe.usable) {
    const has = Object.entries(probe).filter(([, value]) => value === true).map(([name]) => name).filter((name) => name !== 'usable');
    return [{ state: 'good', what: `io_uring works (${has.join(', ')})`, mend: null }];
  }
  return [{
    state: 'note',
    what: `io_uring is not usable: ${probe.reason}; epoll serves instead`,
    mend: null,
  }];
}

function files(): Finding {
  const limits = readText('/proc/self/limits') ?? '';
  const soft = Number(/Max open files\s+(\d+)/.exec(limits)?.[1] ?? 0);
  const good = soft >= 20_000;
  return {
    state: good ? 'good' : 'note',
    what: `${soft} open files a process: at most about ${Math.max(0, soft - 100)} connections on kernel sockets`,
    mend: good ? null : 'ulimit -n 1048576, or LimitNOFILE=1048576 in the service unit.',
  };
}

function sharedMemory(): Finding {
  try {
    const { bavail, bsize } = statfsSync('/dev/shm');
    const mib = Math.floor((bavail * bsize) / 2 ** 20);
    const good = mib >= 512;
    return {
      state: good ? 'good' : 'bad',
      what: `/dev/shm has ${mib} MiB free for the shared region`,
      mend: good ? null : 'mount -o remount,size=1G /dev/shm (containers: --shm-size=1g).',
    };
  } catch {
    return { state: 'bad', what: '/dev/shm is missing', mend: 'mount -t tmpfs -o size=1G tmpfs /dev/shm' };
  }
}

function machine(): Finding {
  return { state: 'good', what: `Linux ${release()}, ${cpus().length} CPUs, ${Math.round(totalmem() / 2 ** 30)} GiB`, mend: null };
}

function readText(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null;
  }
}
