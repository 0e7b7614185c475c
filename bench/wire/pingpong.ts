/** One connection that sends one message after another: our own stack on a veth, beside the kernel's on the same veth in the same run. */
import { CLIENT_CPU, SERVER_CPU } from '../lib/child.js';
import { LOAD } from '../lib/paths.js';
import { median } from '../lib/statistics.js';
import { Pair } from './pair.js';

const ARMS = [
  { name: 'Linux, epoll', stack: 'linux', device: 'net_af_packet' },
  { name: 'Sluice, af_xdp', stack: 'sluice', device: 'net_af_xdp' },
  { name: 'Sluice, af_packet', stack: 'sluice', device: 'net_af_packet' },
] as const;

export interface PingPongOptions {
  readonly rounds: number;
  readonly seconds: number;
  readonly warmupS: number;
}

interface Latency {
  readonly p50_us: number;
  readonly p99_us: number;
}

async function measure({ stack, device }: (typeof ARMS)[number], { seconds, warmupS }: PingPongOptions): Promise<Latency> {
  const pair = new Pair();
  try {
    await pair.open('veth');
    const url = await pair.serve(stack, device, SERVER_CPU);
    const times = ['--duration', String(seconds), '--warmup', String(warmupS)];
    const load = [LOAD, 'echo', '--url', url, '--connections', '1', '--depth', '1', '--size', '64', ...times];
    return (JSON.parse(await pair.run(load, CLIENT_CPU)) as { latency: Latency }).latency;
  } finally {
    await pair.close();
  }
}

/** Medians of the rounds, in which the arms take turns. */
export async function runPingPong(options: PingPongOptions): Promise<string> {
  const all = ARMS.map((arm) => ({ arm, rounds: [] as Latency[] }));
  for (let round = 0; round < options.rounds; round++) {
    for (const { arm, rounds } of all) rounds.push(await measure(arm, options));
  }
  const rows = all.map(({ arm, rounds }) => {
    const [p50, p99] = [median(rounds.map(({ p50_us: us }) => us)), median(rounds.map(({ p99_us: us }) => us))];
    return `| ${arm.name} | ${p50.toFixed(1)} | ${p99.toFixed(1)} | ${rounds.map(({ p50_us: us }) => us.toFixed(1)).join(' ')} |`;
  });
  return `| server | p50, us | p99, us | p50 of the rounds |\n|---|---|---|---|\n${rows.join('\n')}`;
}
