import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import * as errors from '../../../src/errors.js';

function page(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'docs', 'ERRORS.md'))) folder = dirname(folder);
  return readFileSync(join(folder, 'docs', 'ERRORS.md'), 'utf8');
}

/** Rows of the page's tables, cell by cell. */
const rows = page()
  .split('\n')
  .filter((line) => line.startsWith('|'))
  .map((line) => line.split('|').slice(1, -1).map((cell) => cell.trim()));

t.test('every error is on the page with its remedy, and nothing else is', async (t) => {
  const errorRows = rows.filter(([code]) => code?.startsWith('`SLUICE_'));
  const listed = new Map(errorRows.map(([code, , remedy]) => [code?.replaceAll('`', ''), remedy]));
  const known = new Map<string, string>(Object.values(errors.ERROR_KINDS).map(({ code, remedy }) => [code, remedy]));
  t.same(Object.fromEntries(listed), Object.fromEntries(known));
});

t.test('every close code is on the page', async (t) => {
  const listed = rows.map(([code]) => Number(code)).filter((code) => code >= 1000);
  t.same(new Set(listed), new Set(Object.values(errors.CLOSE)));
});

t.test('every name of an err reply is on the page', async (t) => {
  const listed = rows.filter(([name]) => /^`[a-z]/.test(name ?? '')).map(([name, code]) => `${name?.replaceAll('`', '')} ${code}`);
  t.same(new Set(listed), new Set(Object.values(errors.REPLY).map(({ name, code }) => `${name} ${code}`)));
});

t.test('errors carry code, remedy, cause and their class name', async (t) => {
  const cause = new Error('why');
  const error = new errors.StoreError('the disk is full', true, { cause, remedy: 'Make room.' });
  t.match(error, { name: 'StoreError', code: 'SLUICE_STORE', retryable: true, remedy: 'Make room.', cause });
  t.ok(error instanceof errors.SluiceError);
  t.match(new errors.RateLimitedError('slow down', 20), { retryable: true, retryAfterMs: 20 });
  t.match(new errors.ConfigError('a.b', 'expected c'), { path: 'a.b', message: 'a.b: expected c', retryable: false });
});
