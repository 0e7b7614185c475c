import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';

import t from 'tap';

import { LOAD } from '../../../build/bench/lib/paths.js';
import { wireText } from '../../../build/bench/report/wire.js';
import { dueMib, MemoryReserve } from '../../../build/bench/wire/reserve.js';
import type { WireRun } from '../../../build/bench/wire/results.js';

function residentMib(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024;
}

t.test('what is taken of free memory is made up for, and no more', async (t) => {
  t.equal(dueMib(8000, 8000), 64, 'some is there before it is needed');
  t.equal(dueMib(8000, 8064), 0);
  t.equal(dueMib(8000, 7900.5), 163);
  t.equal(dueMib(8000, 9000), 0, 'others gave something back');
});

t.test('sluice-load takes memory and gives back what it is told to', async (t) => {
  const child = spawn(LOAD, ['reserve', '400'], { stdio: ['pipe', 'pipe', 'inherit'] });
  t.teardown(() => child.kill('SIGKILL'));
  const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
  const event = JSON.parse(line) as Record<string, number | string>;
  t.equal(event['event'], 'reserved');
  t.ok(Number(event['first_mib_per_s']) > 1 && Number(event['again_mib_per_s']) > 1, line);
  const { pid = 0 } = child;
  const held = residentMib(pid);
  // 256 of them went for the second figure.
  t.ok(held > 140 && held < 200, `${held}`);
  child.stdin.write('100\n');
  for (let i = 0; i < 100 && residentMib(pid) > held - 90; i += 1) await new Promise((resolve) => setTimeout(resolve, 50));
  t.ok(residentMib(pid) < held - 90, `${residentMib(pid)}`);
  child.stdin.end('1000\n');
  const [status] = (await once(child, 'exit')) as [number];
  t.equal(status, 0, 'the end of its input ends it');
});

t.test('sluice-load refuses what is no amount of memory', async (t) => {
  for (const wrong of ['0', '-1', 'x', '3x', '', '99999999999999999999']) {
    const refused = spawnSync(LOAD, ['reserve', wrong], { encoding: 'utf8', timeout: 10_000 });
    t.equal(refused.status, 2, wrong);
    t.match(refused.stderr, 'how many MiB?');
  }
});

t.test('a machine without so much memory is measured as it is', async (t) => {
  t.equal(await MemoryReserve.take(1500, 2000), null);
  t.equal(await MemoryReserve.take(0), null, 'and so is a run that needs none');
});

t.test('the terminal says how fast the machine finds memory', async (t) => {
  const reserved = { mib: 7000, first_mib_per_s: 351, again_mib_per_s: 7716 };
  const run = { phases: [], points: [], wire: {}, parts: {}, pauses: null, failure: null, checks: [], reserved } as unknown as WireRun;
  t.match(wireText(run), /351 MiB\/s when it is touched first, 7\.7\dk when it just was; 7k MiB were asked for before the run/);
  t.notMatch(wireText({ ...run, reserved: null }), 'MiB/s');
});
