import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { LmdbMessageLog } from '../../../src/store/log/lmdb-message-log.js';
import { entry } from './entries.js';
import { readAll } from './message-log-suite.js';

const ROUNDS = 8;
const writer = fileURLToPath(new URL(import.meta.url.endsWith('.ts') ? './crash-writer.ts' : './crash-writer.js', import.meta.url));

/** Runs the writer for a while and kills it; returns what it said was acknowledged. */
async function writeAndKill(folder: string, milliseconds: number): Promise<Map<string, number>> {
  const child = spawn(process.execPath, [...process.execArgv, writer, folder], { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  let timer: NodeJS.Timeout | undefined;
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
    timer ??= setTimeout(() => child.kill('SIGKILL'), milliseconds);
  });
  const deadline = setTimeout(() => child.kill('SIGKILL'), 90_000);
  await new Promise((resolve) => child.on('close', resolve));
  clearTimeout(deadline);
  const acknowledged = new Map<string, number>();
  for (const line of output.split('\n').slice(0, -1)) {
    const [name, seq] = line.split(' ');
    acknowledged.set(name!, Number(seq));
  }
  return acknowledged;
}

t.test('killed at random moments: dense sequences, everything acknowledged there once', async (t) => {
  const folder = t.testdir();
  for (let round = 0; round < ROUNDS; round++) {
    const acknowledged = await writeAndKill(folder, 20 + Math.random() * 200);
    t.equal(acknowledged.size, 3, 'the writer ran');
    const log = new LmdbMessageLog({ folder, tailMessages: 200 });
    for (const [name, seq] of acknowledged) {
      const head = log.findChannel(name)!;
      t.ok(head.headSeq >= seq, `${name}: ${seq} was acknowledged, the head is ${head.headSeq}`);
      const { seqs, frames } = readAll(log, head.id, 1, 1000, 1_000_000);
      t.equal(seqs.length, head.headSeq);
      t.notOk(seqs.some((value, i) => value !== i + 1), 'dense');
      t.notOk(
        frames.some((text, i) => !text.startsWith(`<${head.id}:${i + 1}.`) && text !== `<${head.id}:${i + 1}>`),
        'each its own frame',
      );
      const lost = seqs.filter((value) => log.findByKey(head.id, 'ann', entry(head.id, value).key)?.seq !== value);
      t.strictSame(lost, [], 'no duplicate key is forgotten');
    }
    await log.close();
  }
});
