/** docs/DEPLOY.md, line by line, under load. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { freePort } from '../support/free-port.js';
import { CLI } from '../support/sluice-process.js';
import { binFolder, fencedBlock, runShell } from '../support/shell.js';
import { Traffic } from '../support/traffic.js';
import { sleep, until } from '../support/wait.js';

const DOCS = join(CLI, '..', '..', 'docs');
const ROUNDS = 3;

t.setTimeout(590_000);

t.test('the lines of docs/DEPLOY.md, three times, while clients publish', { timeout: 560_000 }, async (t) => {
  const cwd = mkdtempSync(join(tmpdir(), 'sluice-deploy-'));
  const bin = binFolder(cwd);
  const [port, admin] = [await freePort(), await freePort()];
  const env = { ADMIN: `127.0.0.1:${admin}` };
  writeFileSync(join(cwd, 'sluice.json'), JSON.stringify({
    listen: `127.0.0.1:${port}`, admin: env.ADMIN, data: join(cwd, 'data'), drain: { rate: 20 },
  }));
  const pid = (): number => Number(readFileSync(join(cwd, 'sluice.pid'), 'utf8'));
  t.teardown(() => {
    process.kill(pid(), 'SIGKILL');
    rmSync(cwd, { recursive: true, force: true });
  });
  const lines = fencedBlock(readFileSync(join(DOCS, 'DEPLOY.md'), 'utf8'), 'sh');
  t.ok(lines.trim().split('\n').length <= 10, 'ten lines');
  const first = lines.slice(lines.indexOf('sluice serve'));
  t.match(await runShell(first, cwd, bin, env, 90_000), { code: 0 });
  const before = pid();
  const traffic = new Traffic({ url: () => `ws://127.0.0.1:${port}`, clients: 60, channels: 6, pauseMs: 100 });
  await traffic.start();
  for (let round = 0; round < ROUNDS; round += 1) {
    await until('everybody to be there', () => traffic.opens >= 60 * (round + 1));
    await sleep(500);
    const { code, out } = await runShell(lines, cwd, bin, env, 60_000);
    t.equal(code, 0, out);
    t.match(out, /drained: 0 of 60 connections left, 0 closed/);
  }
  t.not(pid(), before);
  await until('everybody to come back', () => traffic.resumes >= 60 * ROUNDS && traffic.acknowledged > 60 * ROUNDS);
  const acknowledged = traffic.acknowledged;
  const problems = await traffic.finish();
  t.same(problems, []);
  t.ok(acknowledged > 60 * ROUNDS, `${acknowledged} publishes`);
  t.ok(traffic.resumes >= 60 * ROUNDS, `${traffic.resumes} sessions resumed`);
});
