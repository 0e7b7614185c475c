/**
 * A coverage-guided fuzzer for code in TypeScript: inputs that reach blocks which no other reached are kept and changed further.
 * Runs as a program: `node build-test/test/fuzz/NAME_fuzz.js SECONDS [SEED]`, or with a file's name to run one input again.
 */

import { mkdirSync, readFileSync, readdirSync, writeFileSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { Coverage } from './coverage.js';
import { mutate } from './mutate.js';
import { seeded } from './random.js';

export interface FuzzTarget {
  readonly name: string;
  /** Strings that the code under test looks for. */
  readonly words: readonly string[];
  readonly longest: number;
  /** Throws where the input broke something. */
  run(input: Buffer): Promise<void>;
}

/** Inputs between two looks at the coverage: a look costs some milliseconds. */
const BATCH = 64;

export async function fuzz(target: FuzzTarget, argv: readonly string[]): Promise<void> {
  const [what = '5', seed = String(Date.now() % 2 ** 31)] = argv;
  if (existsSync(what)) return target.run(readFileSync(what));
  const seconds = Number(what);
  if (!(seconds > 0)) throw new Error('usage: SECONDS [SEED], or a file that holds an input');
  const folder = join('.cache', 'fuzz', target.name);
  mkdirSync(folder, { recursive: true });
  const pool = [join('test', 'fuzz', 'corpus', target.name), folder].flatMap(inputsIn);
  const coverage = new Coverage((url) => url.includes('/src/'));
  await coverage.start();
  const random = seeded(Number(seed));
  const end = Date.now() + seconds * 1000;
  let ran = 0;
  for (const input of pool) await attempt(target, input, folder);
  await coverage.fresh();
  while (Date.now() < end) {
    const batch = Array.from({ length: BATCH }, () => mutate(random, random.pick(pool), pool, target.words, target.longest));
    for (const input of batch) await attempt(target, input, folder);
    ran += BATCH;
    if (await coverage.fresh() > 0) keep(pool, batch, folder, ran);
  }
  coverage.stop();
  console.log(`${target.name}: ${ran} inputs, ${coverage.blocks} blocks, seed ${seed}, no finding`);
}

/** A batch that reached something new is kept whole: which of its inputs it was shows in their descendants. */
function keep(pool: Buffer[], batch: readonly Buffer[], folder: string, ran: number): void {
  if (pool.length > 20_000) return;
  pool.push(...batch);
  writeFileSync(join(folder, `batch-${Date.now()}-${ran}.json`), JSON.stringify(batch.map((input) => input.toString('base64'))));
}

async function attempt(target: FuzzTarget, input: Buffer, folder: string): Promise<void> {
  try {
    await target.run(input);
  } catch (error) {
    const path = join(folder, `finding-${Date.now()}`);
    writeFileSync(path, input);
    throw new Error(`${target.name}: ${String(error)}; the input is in ${path}`, { cause: error });
  }
}

function inputsIn(folder: string): Buffer[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder).filter((name) => !name.startsWith('finding-')).flatMap((name) => {
    const bytes = readFileSync(join(folder, name));
    return name.endsWith('.json') ? (JSON.parse(bytes.toString()) as string[]).map((text) => Buffer.from(text, 'base64')) : [bytes];
  });
}
