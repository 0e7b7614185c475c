/**
 * The data plane alone over virtio-user, an echo in C++ in the control plane's place (build-bench/sluice-native-echo), and in the same
 * run what DPDK's testpmd sends there and back on the same link: the share of the device's rate that TCP and WebSocket leave.
 */
import { existsSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { CLIENT_CPU, SERVER_CPU, startPinned, stopChild } from '../lib/child.js';
import { ROOT } from '../lib/paths.js';
import { Server } from '../lib/server.js';
import { NETWORK, ROUTER, SERVER, echoDevice, linkLacking } from './link.js';
import { Wiregen } from './wiregen.js';

const PROGRAM = `${ROOT}build-bench/sluice-native-echo`;
const COMMON = '--no-pci --in-memory --single-file-segments --log-level=lib.vhost:error -m 256';
const PACKETS = 32_768;
/** Of the bar: messages of 64 B at 1,000 connections in a second of a core that works. */
const BAR = 2_500_000;

export interface NativeEchoOptions {
  readonly connections: number;
  readonly depth: number;
  readonly size: number;
  readonly seconds: number;
  readonly warmupS: number;
}

/** Null, or what is missing. */
export function nativeEchoLacking(): string | null {
  const lacking = linkLacking(0);
  if (lacking !== null) return lacking;
  return existsSync(PROGRAM) ? null : `there is no ${PROGRAM}: run scripts/cmake bench`;
}

async function onLink<T>(work: (socket: string) => Promise<T>): Promise<T> {
  const socket = join(tmpdir(), `sluice-native-${process.pid}.sock`);
  try {
    return await work(socket);
  } finally {
    rmSync(socket, { force: true });
  }
}

interface Rates {
  /** In a second of turns that had something to do; how many in a turn; and in a second of the clock, which the client's CPU bounds. */
  readonly worked: number;
  readonly aTurn: number;
  readonly clock: number;
}

async function echo(options: NativeEchoOptions): Promise<Rates> {
  return onLink(async (socket) => {
    const eal = `${COMMON} --file-prefix ne${process.pid} --vdev=${echoDevice(socket, options.connections)}`;
    const { pid, ready } = Server.launch([PROGRAM, eal, `${SERVER}/24`, '9000', ROUTER]);
    const { connections, depth, size, seconds, warmupS } = options;
    const wiregen = new Wiregen({
      scenario: [
        `server address=${SERVER}:9000`, `clients count=${connections} network=${NETWORK} local=${ROUTER}`,
        'open inflight=256', `echo size=${size} depth=${depth} for=${seconds}s warmup=${warmupS}s`, 'close',
      ],
      eal: `${COMMON} --file-prefix wg${process.pid} --vdev=net_vhost0,iface=${socket},queues=1,client=1`,
      packets: PACKETS, serverPid: pid, timeoutS: seconds + warmupS + 60, quiet: true,
    });
    try {
      const server = await ready;
      const result = await wiregen.end();
      await server.stop();
      const clock = result.phases.find(({ phase }) => phase === 'echo')?.per_second;
      const [, messages, busyS, turns] = /^(\d+) messages in ([\d.]+) s of work in (\d+) turns$/m.exec(server.output) ?? [];
      if (!result.ok || clock === undefined) throw new Error(`sluice-wiregen: ${result.failure ?? JSON.stringify(result)}`);
      if (messages === undefined) throw new Error(`sluice-native-echo did not say how long it worked: ${server.output.slice(-2000)}`);
      return { worked: Number(messages) / Number(busyS), aTurn: Number(messages) / Number(turns), clock };
    } finally {
      await wiregen.stop();
    }
  });
}

/** Packets a second that come back to a testpmd which sends to another that turns them round. */
async function packetRate({ seconds, connections }: NativeEchoOptions): Promise<number> {
  return onLink(async (socket) => {
    const testpmd = (cpu: number, prefix: string, vdev: string, mode: string): ReturnType<typeof startPinned> => {
      const eal = [`--lcores=0@${cpu},1@${cpu}`, ...COMMON.split(' '), `--file-prefix=${prefix}${process.pid}`, '--no-telemetry', vdev];
      return startPinned(['dpdk-testpmd', ...eal, '--', `--forward-mode=${mode}`, '--stats-period=1', '--total-num-mbufs=16384'], cpu);
    };
    const mirror = testpmd(SERVER_CPU, 'ta', `--vdev=${echoDevice(socket, connections)}`, 'macswap');
    const sender = testpmd(CLIENT_CPU, 'tb', `--vdev=net_vhost0,iface=${socket},queues=1,client=1`, 'flowgen');
    let out = '';
    sender.stdout?.on('data', (data: Buffer) => (out += String(data)));
    await new Promise((resolve) => setTimeout(resolve, (seconds + 4) * 1000));
    for (const child of [sender, mirror]) await stopChild(child);
    return Math.max(0, ...[...out.matchAll(/Rx-pps:\s+(\d+)/g)].map(([, rate]) => Number(rate)));
  });
}

export async function runNativeEcho(options: NativeEchoOptions): Promise<string> {
  const packets = await packetRate(options);
  const { worked, aTurn, clock } = await echo(options);
  const millions = (rate: number): string => `${(rate / 1e6).toFixed(2)} M`;
  const share = packets > 0 ? `, ${((100 * worked) / packets).toFixed(0)}% of testpmd's ${millions(packets)} packets there and back` : '';
  const what = `${options.connections} connections, ${options.depth} in flight, ${options.size} B`;
  const work = `${millions(worked)} messages in a second of work (bar ${millions(BAR)})${share}`;
  return `${what}: ${work}; ${aTurn.toFixed(0)} a turn, ${millions(clock)}/s offered by the client`;
}
