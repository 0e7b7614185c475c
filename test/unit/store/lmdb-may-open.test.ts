import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { LmdbMessageLog } from '../../../src/store/log/lmdb-message-log.js';

// Each of these ended the process by SIGSEGV.

t.test('a lock file that LMDB cannot use is refused by name', async (t) => {
  const folder = t.testdir();
  const path = join(folder, 'log.mdb-lock');
  mkdirSync(path);
  t.throws(() => new LmdbMessageLog({ folder }), { name: 'DataFolderError', path, message: /is not a file/ });
});

t.test('a map that does not fit into the limit on address space is refused, a smaller one is made', async (t) => {
  const module = new URL('../../../src/store/log/lmdb-message-log.js', import.meta.url).href;
  const script = `
    const { LmdbMessageLog } = await import(${JSON.stringify(module)});
    const open = (folder, mapBytes) => new LmdbMessageLog({ folder, mapBytes });
    try { open(process.argv[1], 2 ** 36); } catch (error) { console.log(error.message, error.remedy); }
    await open(process.argv[2], 2 ** 26).close();
    console.log('opened');`;
  const command = [process.execPath, '--input-type=module', '-e', script, join(t.testdir(), 'large'), join(t.testdir(), 'small')];
  const { stdout, stderr, signal } = spawnSync('sh', ['-c', 'ulimit -v 20000000; exec "$@"', 'sh', ...command], { encoding: 'utf8' });
  t.equal(signal, null, stderr);
  t.match(stdout, /large\/log\.mdb: cannot be mapped: that takes 64\.0 GiB of address space, .* Raise the limit.*\nopened\n$/);
});
