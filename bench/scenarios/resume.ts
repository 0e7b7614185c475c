import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import type { Arm } from '../lib/arms.js';
import { CLIENT_CPU } from '../lib/child.js';
import { runLoad, type LoadResult } from '../lib/load.js';
import { SERVERS, SLUICE_CLI } from '../lib/paths.js';
import type { Bar, Round, Unit } from '../lib/results.js';
import { runCases, say, type BenchCase, type Outcome } from '../lib/runner.js';
import { dropScratch, scratchFolder } from '../lib/scratch.js';
import { Server } from '../lib/server.js';
import type { Settings } from '../lib/settings.js';

const CHANNEL = 'behind';
/** What sluice-load calls the only channel of `--channel behind`. */
const FILLED = `${CHANNEL}-0`;
/** What a delivery of 64 B takes in memory. */
const FRAME_BYTES = 300;

/** A gateway with a channel full of messages, in memory too as long as it is not started anew. */
class Filled {
  readonly #arm: Arm;
  readonly #messages: number;
  readonly #data = scratchFolder();
  #server: Server | null = null;

  constructor(arm: Arm, messages: number) {
    this.#arm = arm;
    this.#messages = messages;
  }

  get url(): string {
    return `${this.#server?.url ?? ''}/v1`;
  }

  get pid(): number {
    return this.#server?.pid ?? 0;
  }

  async start(): Promise<void> {
    const hotMessages = 2 ** Math.ceil(Math.log2(this.#messages * 2));
    const hotBytes = Math.max(2 ** 26, this.#messages * 2 * FRAME_BYTES);
    const config = join(this.#data, 'sluice.json');
    writeFileSync(config, JSON.stringify({ log: { hotBytes, hotMessages, hotAgeMs: '1h' }, limits: { publishRate: 0 } }));
    const addresses = ['--listen', '127.0.0.1:0', '--admin', '127.0.0.1:0'];
    const driver = this.#arm.name.includes('uring') ? 'uring' : 'epoll';
    const data = join(this.#data, 'data');
    this.#server = await Server.start([
      process.execPath, SLUICE_CLI, 'serve', '--driver', driver, '--config', config, '--data', data, '--allow-anonymous', ...addresses,
    ]);
  }

  async fill(settings: Settings): Promise<void> {
    for (let published = 0; published < this.#messages;) {
      say(settings, `${this.#arm.name}: filling, ${published} of ${this.#messages}`);
      const args = ['pub', '--url', this.url, '--subprotocol', 'sluice.v1', '--connections', '32', '--depth', '64', '--channels', '1'];
      const seconds = settings.smoke ? '0.3' : '3';
      const more = ['--subscribers', '0', '--size', '64', '--channel', CHANNEL, '--duration', seconds, '--warmup', '0'];
      published += (await runLoad([...args, ...more], 90)).count ?? 0;
    }
  }

  /** Memory forgets what the log has. */
  async restart(): Promise<void> {
    await this.#server?.stop();
    await this.start();
  }

  async stop(): Promise<void> {
    await this.#server?.stop();
    dropScratch(this.#data);
  }
}

/** Messages a second from the request to the last one, by a client that was never there. */
async function catchUp(url: string, messages: number): Promise<number> {
  const program = ['-c', String(CLIENT_CPU), process.execPath, `${SERVERS}catch-up.mjs`, url, FILLED, String(messages)];
  const child = spawn('taskset', program, { stdio: ['ignore', 'pipe', 'pipe'] });
  let out = '';
  let errors = '';
  child.stdout.on('data', (data: Buffer) => (out += data.toString()));
  child.stderr.on('data', (data: Buffer) => (errors += data.toString()));
  const code = await new Promise((resolve) => child.once('close', resolve));
  if (code !== 0) throw new Error(errors.trim() || `the reader ended with ${String(code)}`);
  const { seconds } = JSON.parse(out) as { seconds: number };
  return messages / seconds;
}

/** Others, at an easy rate in a channel of their own. */
async function bystanders(filled: Filled, settings: Settings): Promise<LoadResult> {
  const args = ['pub', '--url', filled.url, '--subprotocol', 'sluice.v1', '--connections', '4', '--depth', '16', '--channels', '2'];
  const rate = ['--subscribers', '4', '--size', '64', '--channel', 'others', '--rate', settings.smoke ? '100' : '1000'];
  return runLoad([...args, ...rate, '--duration', String(settings.durationS), '--warmup', '0.2'], settings.durationS + 60);
}

/** How many times their usual p99 the others wait while clients catch up one after another. */
async function othersRatio(filled: Filled, messages: number, settings: Settings): Promise<number> {
  const alone = await bystanders(filled, settings);
  let over = false;
  let readings = 0;
  const readers = (async () => {
    for (; !over; readings += 1) await catchUp(filled.url, messages);
  })();
  const beside = await bystanders(filled, settings);
  over = true;
  await readers;
  const [besideUs, aloneUs] = [beside, alone].map((result) => result.latency?.p99_us ?? Number.NaN) as [number, number];
  say(settings, `others: p99 ${aloneUs} us alone, ${besideUs} us beside readers, who read ${readings} times`);
  return besideUs / aloneUs;
}

/**
 * A client that lacks a whole channel: from memory, then from LMDB (the gateway is started anew), and what its neighbours notice of it.
 * Every delivery's number is looked at.
 */
export async function runResume(messages: number, settings: Settings): Promise<{ cases: BenchCase[]; outcome: Outcome }> {
  const gateways = new Map<string, Filled>();
  const filledFor = async (arm: Arm): Promise<Filled> => {
    const known = gateways.get(arm.name);
    if (known !== undefined) return known;
    const filled = new Filled(arm, messages);
    gateways.set(arm.name, filled);
    await filled.start();
    await filled.fill(settings);
    return filled;
  };
  const restarted = new Set<string>();
  const fromLog = async (arm: Arm): Promise<Filled> => {
    const filled = await filledFor(arm);
    if (!restarted.has(arm.name)) await filled.restart();
    restarted.add(arm.name);
    return filled;
  };
  type Value = (arm: Arm) => Promise<number>;
  const resumeCase = (id: string, title: string, unit: Unit, bar: Bar, value: Value): BenchCase => ({
    id, title, unit, bar, role: 'serve',
    measure: async (arm, round): Promise<Round> => ({ case: id, arm: arm.name, round, value: await value(arm), flags: [] }),
  });
  const atLeast = (bar: number): Bar => ({ bar, goal: null, of: 'at-least' });
  const atMost: Bar = { bar: 2, goal: null, of: 'at-most' };
  const rate: Unit = 'messages per second';
  const others: Unit = 'times, p99';
  const besides = async (filled: Promise<Filled>): Promise<number> => othersRatio(await filled, messages, settings);
  const cases = [
    resumeCase('resume-hot', 'catch-up from memory', rate, atLeast(500_000), async (arm) => catchUp((await filledFor(arm)).url, messages)),
    resumeCase('resume-hot-others', 'others meanwhile', others, atMost, (arm) => besides(filledFor(arm))),
    resumeCase('resume-log', 'catch-up from LMDB', rate, atLeast(200_000), async (arm) => catchUp((await fromLog(arm)).url, messages)),
    resumeCase('resume-log-others', 'others meanwhile', others, atMost, (arm) => besides(fromLog(arm))),
  ];
  try {
    return { cases, outcome: await runCases(cases, { ...settings, twin: false }) };
  } finally {
    for (const filled of gateways.values()) await filled.stop();
  }
}
