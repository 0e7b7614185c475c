import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import type { Arm } from '../lib/arms.js';
import { merge, quantile, type LatencyData } from '../lib/histogram.js';
import { runLoad } from '../lib/load.js';
import { SLUICE_CLI } from '../lib/paths.js';
import { Readers, readingRate, type CaughtUp } from '../lib/readers.js';
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
/** Catch-ups one after another whose rate is measured. */
const CATCH_UPS = 4;
/**
 * Pairs of windows, with readers and without. A p99 rests on all samples of a kind: one write of the disk that takes 30 ms, or the log
 * that moves what it gathered to its tables every 20,000 messages, is in one of two windows by chance.
 */
const PAIRS = 4;
/** Publishes a second of the others: an easy rate, at which each window has what the log does every 20,000 messages. */
const OTHERS_RATE = 4000;
const DRIVERS = ['sluice-epoll', 'sluice-uring'];

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

/** Others, in channels of their own. */
async function bystanders(filled: Filled, settings: Settings): Promise<LatencyData> {
  const args = ['pub', '--url', filled.url, '--subprotocol', 'sluice.v1', '--connections', '4', '--depth', '16', '--channels', '2'];
  const rate = ['--subscribers', '4', '--size', '64', '--channel', 'others', '--rate', String(settings.smoke ? 100 : OTHERS_RATE)];
  const window = ['--duration', String(settings.durationS), '--warmup', '0.2'];
  const { latency } = await runLoad([...args, ...rate, ...window], settings.durationS + 60);
  if (latency === undefined) throw new Error('the others had no answers');
  return latency;
}

function pooled(windows: readonly LatencyData[], wanted: number): number {
  return quantile(merge(windows), windows[0]?.mantissa_bits ?? 0, wanted);
}

interface Beside {
  /** Others' p99 beside readers, times theirs alone. */
  readonly p99: number;
  /** Messages a second of a reader beside the others. */
  readonly rate: number;
}

/** How many times their usual p99 the others wait while clients catch up one after another, and how fast those are. */
async function measureBeside(filled: Filled, messages: number, settings: Settings): Promise<Beside> {
  const alone: LatencyData[] = [];
  const beside: LatencyData[] = [];
  const caughtUp: CaughtUp[] = [];
  const window = async (withReaders: boolean): Promise<void> => {
    if (!withReaders) {
      alone.push(await bystanders(filled, settings));
      return;
    }
    const readers = await Readers.start(filled.url, FILLED, messages);
    beside.push(await bystanders(filled, settings));
    // A slow one is measured to its end.
    while (readers.caughtUp.length === 0) await new Promise((resolve) => setTimeout(resolve, 20));
    await readers.stop();
    caughtUp.push(...readers.caughtUp);
  };
  for (let pair = 0; pair < (settings.smoke ? 1 : PAIRS); pair += 1) {
    // What drifts, drifts against both in turn.
    for (const withReaders of pair % 2 === 0 ? [false, true] : [true, false]) await window(withReaders);
  }
  const ms = (windows: readonly LatencyData[]): string => {
    const each = windows.map(({ p99_us }) => (p99_us / 1000).toFixed(1)).join(' ');
    return `p50 ${(pooled(windows, 0.5) / 1000).toFixed(2)} p99 ${(pooled(windows, 0.99) / 1000).toFixed(2)} ms (${each})`;
  };
  const rate = readingRate(caughtUp);
  say(settings, `others: ${ms(alone)} alone, ${ms(beside)} beside ${caughtUp.length} readers at ${Math.round(rate)}/s`);
  return { p99: pooled(beside, 0.99) / pooled(alone, 0.99), rate };
}

/** The gateways of a run, filled once each; they are started anew before what is read from LMDB. */
class Gateways {
  readonly #messages: number;
  readonly #settings: Settings;
  readonly #filled = new Map<string, Filled>();
  readonly #restarted = new Set<string>();

  constructor(messages: number, settings: Settings) {
    this.#messages = messages;
    this.#settings = settings;
  }

  async hot(arm: Arm): Promise<Filled> {
    const known = this.#filled.get(arm.name);
    if (known !== undefined) return known;
    if (!DRIVERS.includes(arm.name)) throw new Error(`resume is played by ${DRIVERS.join(' and ')}, not by ${arm.name}`);
    const filled = new Filled(arm, this.#messages);
    this.#filled.set(arm.name, filled);
    await filled.start();
    await filled.fill(this.#settings);
    return filled;
  }

  async log(arm: Arm): Promise<Filled> {
    const filled = await this.hot(arm);
    if (!this.#restarted.has(arm.name)) await filled.restart();
    this.#restarted.add(arm.name);
    return filled;
  }

  async stop(): Promise<void> {
    for (const filled of this.#filled.values()) await filled.stop();
  }
}

interface Tier {
  readonly id: string;
  readonly from: string;
  readonly bar: number;
  filled(arm: Arm): Promise<Filled>;
}

function casesOf({ id, from, bar, filled }: Tier, messages: number, settings: Settings): BenchCase[] {
  type Value = (arm: Arm, round: number) => Promise<number>;
  const resumeCase = (name: string, title: string, unit: Unit, expected: Bar, value: Value): BenchCase => ({
    id: name, title, unit, bar: expected, role: 'serve',
    measure: async (arm, round): Promise<Round> => ({ case: name, arm: arm.name, round, value: await value(arm, round), flags: [] }),
  });
  const atLeast: Bar = { bar, goal: null, of: 'at-least' };
  const atMost: Bar = { bar: 2, goal: 1.5, of: 'at-most' };
  const rate: Unit = 'messages per second';
  /** Measured with the others' p99, told in a table of its own. */
  const rates = new Map<string, number>();
  const alone = async (arm: Arm): Promise<number> =>
    readingRate(await Readers.read((await filled(arm)).url, FILLED, messages, settings.smoke ? 1 : CATCH_UPS));
  const others = async (arm: Arm, round: number): Promise<number> => {
    const beside = await measureBeside(await filled(arm), messages, settings);
    rates.set(`${arm.name} ${round}`, beside.rate);
    return beside.p99;
  };
  const besideRate = async (arm: Arm, round: number): Promise<number> => rates.get(`${arm.name} ${round}`) ?? 0;
  return [
    resumeCase(`resume-${id}`, `catch-up from ${from}`, rate, atLeast, alone),
    resumeCase(`resume-${id}-others`, 'others meanwhile', 'times, p99', atMost, others),
    resumeCase(`resume-${id}-beside`, 'catch-up beside the others', rate, atLeast, besideRate),
  ];
}

/**
 * A client that lacks a whole channel: from memory, then from LMDB (the gateway is started anew), and what its neighbours notice of it.
 * Every delivery's number is looked at.
 */
export async function runResume(messages: number, settings: Settings): Promise<{ cases: BenchCase[]; outcome: Outcome }> {
  const gateways = new Gateways(messages, settings);
  const cases = [
    ...casesOf({ id: 'hot', from: 'memory', bar: 500_000, filled: (arm) => gateways.hot(arm) }, messages, settings),
    ...casesOf({ id: 'log', from: 'LMDB', bar: 200_000, filled: (arm) => gateways.log(arm) }, messages, settings),
  ];
  try {
    return { cases, outcome: await runCases(cases, { ...settings, arms: settings.arms ?? DRIVERS, twin: false }) };
  } finally {
    await gateways.stop();
  }
}
