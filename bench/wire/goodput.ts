/** Goodput through a bad path: our own stack with Linux as its peer, beside Linux with itself on the same path in the same run. */
import { fileURLToPath } from 'node:url';

import { median, pairedRatios } from '../lib/statistics.js';
import { Pair, realtimeAllowed, STACKS, type Stack } from './pair.js';

/**
 * What befalls the data of one direction, or of both. RTT 2 ms unless it says more. A path of 50 ms takes seconds until neither side's
 * slow start is seen any more: what the server has received by then and not yet sent back would be counted as goodput of the time
 * afterwards. Where such a path loses, the window that slow start ended with is seen for longer still, and one loss in a second decides
 * what the next seconds bring: `times` as long.
 */
const PATHS = [
  { name: 'no loss', faults: '' },
  { name: '0.1% loss', faults: 'loss=0.1%' },
  { name: '1% loss', faults: 'loss=1%' },
  { name: '3% loss', faults: 'loss=3%' },
  { name: '3% reordered by 2 ms', faults: 'reorder=3%,reorder_by=2ms' },
  { name: 'RTT 50 ms', faults: '', delay: '25ms', settleS: 3 },
  { name: 'RTT 50 ms, 0.1% loss', faults: 'loss=0.1%', delay: '25ms', settleS: 15, times: 4 },
] as const;

/** Of the server's data, then of the client's, which is Linux always: the stack under test as the sender, and as the receiver. */
const DIRECTIONS = [{ name: 'sends', prefix: 'tx.' }, { name: 'receives', prefix: 'rx.' }] as const;

const CLIENT = fileURLToPath(new URL('./goodput-client.js', import.meta.url));
const DELAY = '1ms';
const RATE = '200M';
const QUEUE_BYTES = 512_000;
/** IP bytes. Frames without data suffer nothing, or how many acknowledgements a stack sends would decide which of its data do. */
const SPARE_BELOW = 400;

export interface GoodputOptions {
  readonly rounds: number;
  readonly seconds: number;
  readonly warmupS: number;
  readonly quiet: boolean;
}

interface Row {
  readonly path: string;
  readonly direction: string;
  readonly bits: Readonly<Record<Stack, readonly number[]>>;
}

type Path = (typeof PATHS)[number];
type Direction = (typeof DIRECTIONS)[number];

function faultsOf(path: Path, { prefix }: Direction, seed: number): string {
  const one = path.faults === '' ? [] : [...path.faults.split(','), `spare_below=${SPARE_BELOW}`].map((fault) => prefix + fault);
  const delay = 'delay' in path ? path.delay : DELAY;
  return [...one, `delay=${delay}`, `seed=${seed}`].join(',');
}

/** `path` says how long; a run that only shows that it works (less than a second) is as short as it was asked for. */
function timesOf(path: Path, { seconds, warmupS }: GoodputOptions): readonly string[] {
  const full = seconds >= 1;
  const settle = full && 'settleS' in path ? Math.max(path.settleS, warmupS) : warmupS;
  const times = full && 'times' in path ? path.times : 1;
  return [String(settle), String(seconds * times)];
}

async function measure(stack: Stack, faults: string, times: readonly string[]): Promise<number> {
  const pair = new Pair();
  try {
    await pair.open({ faults, rate: RATE, queueBytes: QUEUE_BYTES });
    const url = await pair.serve(stack);
    return (JSON.parse(await pair.run([process.execPath, CLIENT, url, ...times])) as { bits: number }).bits;
  } finally {
    await pair.close();
  }
}

/** The rounds of the two stacks take turns, each pair with the same seed. Only paths and directions whose name begins with `filter`. */
export async function runGoodput(options: GoodputOptions, filter: string): Promise<string> {
  const rows: Row[] = [];
  for (const path of PATHS) {
    for (const direction of DIRECTIONS) {
      if (path.faults === '' && direction.name === 'receives') continue;
      if (!`${path.name} ${direction.name}`.startsWith(filter)) continue;
      const bits = { linux: [] as number[], sluice: [] as number[] };
      for (let round = 1; round <= options.rounds; round++) {
        for (const stack of round % 2 === 1 ? STACKS : [...STACKS].reverse()) {
          bits[stack].push(await measure(stack, faultsOf(path, direction, round), timesOf(path, options)));
        }
      }
      const row = { path: path.name, direction: path.faults === '' ? 'both' : direction.name, bits };
      if (!options.quiet) process.stderr.write(`${line(row)}\n`);
      rows.push(row);
    }
  }
  return table(rows);
}

function line({ path, direction, bits }: Row): string {
  // Seeds and the machine's pace differ by more than stacks do: only what ran next to each other, with one seed, is compared.
  const ratios = pairedRatios(new Map(bits.sluice.entries()), new Map(bits.linux.entries()));
  const [linux, sluice] = [median(bits.linux), median(bits.sluice)];
  const spread = [...ratios].sort((a, b) => a - b).map((ratio) => ratio.toFixed(2));
  const cells = [(linux / 1e6).toFixed(1), (sluice / 1e6).toFixed(1), median(ratios).toFixed(2), spread.join(' ')];
  return `| ${path} | ${direction} | ${cells.join(' | ')} |`;
}

function table(rows: readonly Row[]): string {
  const head = '| path | the stack | Linux, Mbit/s | Sluice, Mbit/s | ratio | of each pair |\n|---|---|---|---|---|---|';
  const refused = realtimeAllowed() ? '' : '\n\nReal-time priority was refused: link, servers and client waited for each other.';
  return `${head}\n${rows.map(line).join('\n')}${refused}`;
}
