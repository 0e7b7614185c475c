import t from 'tap';

import { wireHtml, wireText } from '../../../build/bench/report/wire.js';
import { cpuPerDelivery } from '../../../build/bench/report/flat.js';
import { delayLines, delaysBetween, waitsOf } from '../../../build/bench/wire/delays.js';
import { memoryByOwner } from '../../../build/bench/wire/memory.js';
import { keptRuns, runToJson, type MemoryPoint, type Pauses, type WireRun } from '../../../build/bench/wire/results.js';
import { wireScenario } from '../../../build/bench/wire/scenarios.js';
import type { PhaseResult } from '../../../build/bench/wire/wiregen.js';
import { writeFileSync } from 'node:fs';

function fakeRun(connections: number, perCpuSecond: number, smoke = false): WireRun {
  const memory = (process: number): WireRun['points'][number]['memory'] => ({ process, region: 0, hugepages: 0, slab: 0 });
  return {
    format: 1, kind: 'wire', scenario: 'c10m', command: 'sluice bench c10m', date: `2026-01-02T03:04:0${Math.log10(connections)}.000Z`,
    commit: 'abc', smoke, connections, config: {}, lines: ['open', 'publish'], ok: true, failure: null, pauses: null, parts: {}, wire: {},
    machine: { cpu: 'CPU', cpus: 2, memory_gib: 24, kernel: '6', node: 'v20', congestion_control: 'cubic', load_before: 0 },
    points: [
      { after: 'start', connections: 0, memory: memory(1000) },
      { after: 'open', connections, memory: memory(1000 + connections * 350) },
    ],
    checks: [],
    phases: [
      { phase: 'open', seconds: 1, ready: connections, opened_per_second: connections },
      { phase: 'publish', seconds: 1, ready: connections, per_cpu_second: perCpuSecond },
    ],
  };
}

t.test('a report draws what does not grow with the connections, over the runs that were kept', async (t) => {
  t.equal(cpuPerDelivery(fakeRun(1000, 500_000)), 2);
  const alone = wireHtml(fakeRun(10_000, 400_000));
  t.notMatch(alone, 'With the number of connections');
  const html = wireHtml(fakeRun(1_000_000, 250_000), [fakeRun(10_000, 400_000), fakeRun(100, 100, true)]);
  t.match(html, 'With the number of connections');
  t.match(html, '2.5 µs');
  t.match(html, '4 µs');
  t.match(html, '350 B');
  t.notMatch(html, '10 ms', 'a smoke run is none to compare with');
});

t.test('runs that failed, and those of other scenarios, are not drawn', async (t) => {
  const folder = `${t.testdir({})}/`;
  writeFileSync(`${folder}a-c10m.json`, runToJson(fakeRun(1000, 1)));
  writeFileSync(`${folder}b-c10m.json`, runToJson({ ...fakeRun(2000, 1), ok: false }));
  writeFileSync(`${folder}c-compare.json`, '{}');
  t.same(keptRuns(folder, 'c10m').map(({ connections }) => connections), [1000]);
  t.same(keptRuns(`${folder}none/`, 'c10m'), []);
});

t.test('memory is split by owner', async (t) => {
  const { process: own, region, hugepages } = memoryByOwner(process.pid);
  const rss = process.memoryUsage.rss();
  t.ok(Math.abs(own + region + hugepages - rss) < rss / 2, 'about what the process has');
});

t.test('heartbeats and the drain of c10m are stretched beyond a million connections only', async (t) => {
  const numbers = { size: 64, depth: 1, rate: null, durationS: 1, warmupS: 1, holdS: 1, subscribers: null, rounds: 1 };
  t.match(wireScenario('c10m', { ...numbers, connections: 1_000_000 }), {
    config: { limits: { heartbeatMs: 25_000 }, drain: { deadlineMs: 60_000 } },
  });
  t.match(wireScenario('c10m', { ...numbers, connections: 10_000_000 }), {
    config: { limits: { heartbeatMs: 250_000 }, drain: { deadlineMs: 400_000 } },
  });
});

t.test('a flood is judged by what it does to the p99 of the same clients, to memory, to newcomers', async (t) => {
  const numbers = { connections: 1000, size: 64, depth: 1, rate: null, durationS: 4, warmupS: 1, holdS: 1, subscribers: null, rounds: 3 };
  const flood = wireScenario('flood', numbers);
  t.equal(flood?.connections, 1200, 'there is room for those that open beside it');
  t.equal(flood?.phases.filter((line) => line.startsWith('echo')).length, 7);
  const echo = (p99: number, syns = 0): PhaseResult =>
    ({ phase: 'echo', seconds: 5, ready: 1000, flood_syn: syns, latency: { p99_us: p99 } }) as unknown as PhaseResult;
  const point = (after: string, own: number): MemoryPoint =>
    ({ after, connections: 1000, memory: { process: own, region: 0, hugepages: 0, slab: 0 } });
  const played = (p99: number, syns: number, opened: number): PhaseResult[] => [
    echo(9000, 5e6), echo(100), echo(p99, syns), echo(50), echo(9000, syns), echo(400), echo(40, syns),
    { phase: 'churn', seconds: 5, ready: 1000, per_second: opened },
  ];
  const judge = (p99: number, syns: number, grown: number, opened: number): boolean[] => {
    const points = [point('open', 9e7), point('echo', 1e8), point('echo', 2e8), point('churn', 1e8 + grown)];
    return flood?.checks(played(p99, syns, opened), points).map(({ met }) => met) ?? [];
  };
  t.same(judge(200, 5e6, 1 << 20, 500), [true, true, true, true]);
  t.same(judge(201, 4.9e6, 1 << 24, 10), [false, false, false, false]);
  const pairs = flood?.pairs?.(played(200, 5e6, 500)) ?? [];
  const figures = pairs.map(({ without_us: without, beside_us: beside, ratio }) => [without, beside, ratio]);
  t.same(figures, [[100, 200, 2], [50, 9000, 180], [400, 40, 0.1]]);
  t.equal(pairs[0]?.per_second, 1e6);
  const kept = JSON.parse(runToJson({ ...fakeRun(1000, 1), pairs })) as WireRun;
  t.same(kept.pairs, pairs, 'all pairs are kept');
  t.match(wireText(kept), 'pair: p99 100 µs, beside 1M/s 200 µs: 2.00 times');
});

t.test('a report says whose delay late messages were', async (t) => {
  const late = {
    stalls: 3, messages: 600, absences: 2, absent_ms: 9, longest_absence_ms: 5,
    list: [[1000, 6, 5, 300, 4], [2000, 12, 9, 200, 0], [3000, 7, 6.5, 100, 5]],
  };
  const phase = { phase: 'publish', seconds: 1, ready: 10, latency: { count: 60_000 }, late } as unknown as PhaseResult;
  const [first] = delayLines(phase);
  t.match(first, '600 messages (1.00% of all) in 3 stalls; the generator was away 2 times, 9 ms in all, 5 ms at most');
  t.match(first, 'would alone explain 2 stalls with 400 messages');
  const pauses = (count: number, seconds: number, within: number): Pauses => ({ buckets: [[0.02, within], [0.5, count]], count, seconds });
  const before = { waits: { loop_ms: 10, threads_ms: 20 }, pauses: pauses(100, 1, 99), commits: { count: 50, late: 5 } };
  const after = { waits: { loop_ms: 12, threads_ms: 120 }, pauses: pauses(110, 1.5, 107), commits: { count: 1050, late: 45 } };
  const delays = delaysBetween(before, after);
  t.same(delays, { loop_ms: 2, threads_ms: 100, pauses: { count: 10, ms: 500, over_20ms: 2 }, commits: { count: 1000, late: 40 } });
  const [, second] = delayLines({ ...phase, delays });
  t.match(second, 'the loop waited 2 ms for its CPU, its other threads 100 ms; 10 collections, 500 ms in all, 2 over 20 ms');
  t.match(second, '40 of 1k commits took more than 2 ms');
  t.equal(delaysBetween({ ...before, waits: null }, after), null);
  t.same(delayLines({ phase: 'hold', seconds: 1, ready: 1 }), []);
  t.match(waitsOf(process.pid), { loop_ms: Number, threads_ms: Number });
  t.equal(waitsOf(0x7fffffff), null);
});

t.test('the channel of broadcasts is a tenth of all, or what is asked for as long as others are left', async (t) => {
  const numbers = { size: 64, depth: 1, rate: null, durationS: 1, warmupS: 1, holdS: 1, rounds: 1 };
  const settings = (connections: number, subscribers: number | null): readonly string[] | undefined =>
    wireScenario('c10m', { ...numbers, connections, subscribers })?.settings;
  t.same(settings(1_000_000, null), ['channels count=9001 crowd=100000 early=yes']);
  t.same(settings(20_000_000, null), ['channels count=190001 crowd=1000000 early=yes']);
  t.same(settings(1_100_000, 1_000_000), ['channels count=1001 crowd=1000000 early=yes']);
  t.same(settings(1_000_000, 1_000_000), ['channels count=2 crowd=999900 early=yes']);
  t.same(settings(50, 50), ['channels count=2 crowd=5 early=yes']);
});
