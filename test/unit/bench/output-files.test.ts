import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import t from 'tap';

import { checkFiles, saveFiles } from '../../../build/bench/lib/output-files.js';

const folder = mkdtempSync(join(tmpdir(), 'sluice-bench-'));
t.teardown(() => rmSync(folder, { recursive: true, force: true }));
const former = join(folder, 'former.json');
writeFileSync(former, 'of a former run');

t.test('where a result cannot go is known before the run', async (t) => {
  for (const path of [join(former, 'run.json'), folder, '']) {
    t.throws(() => checkFiles({ json: path }), { message: /^--json: '.*' cannot be written \([A-Z]+\); name another file$/ }, path);
  }
  t.throws(() => checkFiles({ html: folder }), { message: /^--html: / });
  const file = join(folder, 'new', 'run.html');
  checkFiles({ json: former, html: file });
  t.equal(readFileSync(former, 'utf8'), 'of a former run');
  t.notOk(existsSync(file), 'nothing is left of the look');
});

t.test('what can be written is, beside what cannot', async (t) => {
  const run = { date: '2026-01-02T03:04:05Z', scenario: 'echo' };
  const html = join(folder, 'run.html');
  const message = `the result above could not be saved: ${folder} (EISDIR)`;
  t.throws(() => saveFiles(run, '{}', '<p>', { json: folder, html }), { message });
  t.equal(readFileSync(html, 'utf8'), '<p>');
});
