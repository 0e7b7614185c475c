import { spawnSync } from 'node:child_process';

import t from 'tap';

import { LOAD } from '../../../build/bench/lib/paths.js';
import { paceBetween, type Look } from '../../../build/bench/lib/pace.js';
import { wireText } from '../../../build/bench/report/wire.js';
import { lateByPace } from '../../../build/bench/wire/delays.js';
import { openedAtFullPace, paceOfSeconds } from '../../../build/bench/wire/phase-pace.js';
import type { WireRun } from '../../../build/bench/wire/results.js';

/** Two looks a second, of which each second has its own. */
const looks = (...us: readonly number[]): Look[] =>
  us.flatMap((each, second) => [250, 750].map((ms) => ({ atMs: second * 1000 + ms, us: each })));

t.test('a pace is a share of the fastest that either CPU was in the whole run', async (t) => {
  const [server, client] = [looks(10, 6, 12), looks(8, 5, 5)];
  t.same(paceBetween(server, client, 0, 1000), { server: 0.5, client: 0.625 });
  t.same(paceBetween(server, client, 1000, 3000), { server: 5 / 12, client: 1 }, 'the median of a stretch');
  t.equal(paceBetween(server, client, 5000, 6000), null, 'nobody looked');
  t.equal(paceBetween([], [], 0, 1000), null);
});

t.test('openings at full pace are those of the seconds in which the server had its CPU', async (t) => {
  const progress = [0, 100, 300, 400].map((ready, second) => ({ atMs: second * 1000, ready }));
  t.same(openedAtFullPace(progress, looks(8, 5, 5.2), looks(9, 9, 9)), { seconds: 2, opened_per_second: 150 });
  t.equal(openedAtFullPace(progress, looks(8, 8, 8), looks(5, 5, 5)), null, 'there was none');
  t.equal(openedAtFullPace([], looks(5), looks(5)), null);
});

t.test('late messages are told apart by what the CPU gave in the second in which they began', async (t) => {
  const seconds = paceOfSeconds(looks(5, 8, 5.1), looks(5, 6, 6), 0, 3500);
  t.same(seconds, [{ server: 1, client: 1 }, { server: 0.63, client: 0.83 }, { server: 0.98, client: 0.83 }, null]);
  const list = [[100, 1900, 9, 40, 0], [1500, 3, 3, 5, 0], [2999.9, 3, 3, 2, 0], [3100, 3, 3, 7, 0], [9000, 3, 3, 1, 0]] as const;
  t.same(lateByPace(list, seconds), { full: { seconds: 2, messages: 42 }, less: { seconds: 1, messages: 5 } });
  t.equal(lateByPace(list, [null]), null, 'nobody looked');
});

t.test('the terminal says what the CPUs gave', async (t) => {
  const open = {
    phase: 'open', seconds: 3, ready: 400, opened_per_second: 133,
    pace: { server: 0.714, client: 0.9 }, at_full_pace: { seconds: 2, opened_per_second: 150 },
  };
  const run = { phases: [open], points: [], wire: {}, parts: {}, pauses: null, failure: null, checks: [] } as unknown as WireRun;
  const text = wireText(run);
  t.match(text, 'CPUs at 71% and 90% of their pace');
  t.match(text, '150 openings/s in the 2 s in which the server had all of its CPU');
});

t.test('sluice-load looks at its CPU, and refuses what is no time', async (t) => {
  const { stdout, status } = spawnSync(LOAD, ['pace', '0.05'], { encoding: 'utf8', timeout: 10_000 });
  t.equal(status, 0);
  const [first] = stdout.trim().split('\n');
  const event = JSON.parse(first ?? '') as { event: string; us: number };
  t.equal(event.event, 'pace');
  t.ok(event.us > 0.5 && event.us < 1e6, `${event.us}`);
  for (const wrong of ['0', '-1', 'x', '3x', '']) {
    const refused = spawnSync(LOAD, ['pace', wrong], { encoding: 'utf8', timeout: 10_000 });
    t.equal(refused.status, 2, wrong);
    t.match(refused.stderr, 'for how many seconds?');
  }
});
