import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { FileWorkerLeases } from '../../../src/store/file-worker-leases.js';
import { workerLeasesSuite } from './worker-leases-suite.js';

const NOW = 1_800_000_000_000;

t.test('as every store of worker numbers', async (t) => {
  const folder = t.testdir();
  let folders = 0;
  await workerLeasesSuite(t, () => new FileWorkerLeases(join(folder, String((folders += 1)))));
});

t.test('what is held, and what was given up, outlives the process', async (t) => {
  const folder = t.testdir();
  const first = new FileWorkerLeases(folder);
  t.equal(await first.take('a', NOW, NOW + 1000), 0);
  t.equal(await first.take('b', NOW, NOW + 1000), 1);
  await first.release(1, 'b', NOW + 300);
  t.same(readdirSync(folder), ['workers.json'], 'nothing is left lying beside it');
  const second = new FileWorkerLeases(folder);
  t.equal(await second.take('c', NOW + 200, NOW + 2000), 2);
  t.equal(await second.take('d', NOW + 400, NOW + 2000), 1);
  t.equal(await second.renew(0, 'a', NOW + 5000), true);
});

t.test('a file that cannot be understood is not written over', async (t) => {
  for (const text of ['', '{"0":', '[]x', '{"0":{"owner":1,"until":2}}', '{"x":{"owner":"a","until":2}}']) {
    const folder = t.testdir({ 'workers.json': text });
    t.throws(() => new FileWorkerLeases(folder), { code: 'SLUICE_DATA_FOLDER', remedy: /Remove it/ }, JSON.stringify(text));
  }
});

t.test('where it cannot be written the error says so, and the next write succeeds', async (t) => {
  const folder = t.testdir();
  const leases = new FileWorkerLeases(folder);
  mkdirSync(join(folder, 'workers.json'));
  writeFileSync(join(folder, 'workers.json', 'in-the-way'), '');
  await t.rejects(leases.take('a', NOW, NOW + 1000), { code: 'SLUICE_STORE', retryable: true, message: /workers\.json/ });
  t.throws(() => new FileWorkerLeases(folder), { code: 'SLUICE_DATA_FOLDER' });
});
