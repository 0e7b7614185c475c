import t from 'tap';

import { CLIENT_BOUND, CONTENDED, flagsOf } from '../../../build/bench/lib/flags.js';
import { runToJson, type Run } from '../../../build/bench/lib/results.js';
import { judge, missedBars, tabulate } from '../../../build/bench/lib/verdict.js';
import { htmlReport } from '../../../build/bench/report/html.js';
import { textReport } from '../../../build/bench/report/table.js';

function fakeRun(values: Record<string, number[]>): Run {
  const arms = Object.keys(values);
  return {
    format: 1,
    scenario: 'compare',
    command: 'sluice bench compare',
    date: '2026-01-02T03:04:05.000Z',
    commit: 'abc',
    smoke: false,
    machine: { cpu: 'CPU', cpus: 2, memory_gib: 24, kernel: '6', node: 'v20', congestion_control: 'cubic', load_before: 0 },
    notes: ['<b>note</b>'],
    base: 'uws',
    aa: { first: 'sluice-epoll', second: 'sluice-epoll-again' },
    arms: arms.map((name) => ({ name, label: name, sluice: name.startsWith('sluice'), about: name })),
    cases: [{ id: 'echo', title: 'echo', unit: 'messages per server CPU-second', bar: { bar: 1.2, goal: 1.5, of: 'ratio' } }],
    rounds: arms.flatMap((arm) => (values[arm] ?? []).map((value, round) => ({ case: 'echo', arm, round, value, flags: [] }))),
  };
}

t.test('bars: ratio, at least, at most', async (t) => {
  const ratio = { bar: 1.2, goal: 1.5, of: 'ratio' } as const;
  t.equal(judge(ratio, 0, 1.6), 'goal');
  t.equal(judge(ratio, 0, 1.3), 'met');
  t.equal(judge(ratio, 0, 1.1), 'missed');
  t.equal(judge(ratio, 0, null), 'not judged');
  t.equal(judge({ bar: 512, goal: null, of: 'at-most' }, 400, null), 'met');
  t.equal(judge({ bar: 512, goal: null, of: 'at-most' }, 600, null), 'missed');
  t.equal(judge({ bar: 100, goal: null, of: 'at-least' }, 100, null), 'met');
  t.equal(judge(null, 1, 1), 'not judged');
});

t.test('a table has ratios to the base and the distance of the A/A arms', async (t) => {
  const run = fakeRun({ uws: [100, 50, 100], 'sluice-epoll': [130, 65, 130], 'sluice-epoll-again': [117, 65, 117] });
  const [table] = tabulate(run);
  t.equal(table?.rows[1]?.ratio?.median, 1.3);
  t.equal(table?.rows[1]?.verdict, 'met');
  t.equal(table?.rows[0]?.ratio, null);
  t.ok(Math.abs((table?.noise ?? 0) - 0.1) < 1e-9);
  t.same(missedBars(tabulate(run)), []);
  t.same(missedBars(tabulate(fakeRun({ uws: [100], 'sluice-epoll': [110] }))), ['echo']);
});

t.test('a row says when its CPU was not given as the base\'s was', async (t) => {
  const paces: Record<string, number> = { uws: 0.98, 'sluice-epoll': 0.62, 'sluice-uring': 0.93 };
  const run = fakeRun({ uws: [100, 100], 'sluice-epoll': [130, 130], 'sluice-uring': [130, 130] });
  const rounds = run.rounds.map((round) => ({ ...round, pace: { server: paces[round.arm] ?? Number.NaN, client: 1 } }));
  const [table] = tabulate({ ...run, rounds });
  t.same(table?.rows.map(({ flags }) => flags), [[], ["CPU at 62% of its pace, the base's at 98%"], []]);
  t.same(tabulate(run)[0]?.rows[1]?.flags, [], 'runs that were kept before did not look');
});

t.test('flags say when a figure is not the server\'s', async (t) => {
  t.same(flagsOf({ client_s: 1, client_busy: 0.99, server_busy: 0.6 }, true), [CLIENT_BOUND]);
  t.same(flagsOf({ client_s: 1, client_busy: 0.5, server_busy: 0.5 }, true), [CONTENDED]);
  t.same(flagsOf({ client_s: 1, client_busy: 0.5, server_busy: 0.5 }, false), [], 'an open loop is allowed to be idle');
  t.same(flagsOf({ client_s: 1, client_busy: 0.99, server_busy: 0.99 }, true), []);
});

t.test('reports: text, JSON and a page that needs nothing else', async (t) => {
  const run = fakeRun({ uws: [100, 101], 'sluice-epoll': [160, 150] });
  t.match(textReport(run, tabulate(run)), /sluice-epoll +155.* goal/);
  t.same(JSON.parse(runToJson(run)), run);
  const page = htmlReport(run);
  t.match(page, /<svg /);
  t.notMatch(page, /<script|https?:\/\//, 'no script and no link');
  t.match(page, '&lt;b&gt;note', 'text is escaped');
});
