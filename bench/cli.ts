import { parseArgs } from 'node:util';

import { ArgumentError, OPTIONS } from './lib/options.js';
import { play } from './play.js';

const USAGE = `usage: sluice bench SCENARIO [options]

  echo        --connections 64 --depth 1 --size 64 [--rate R]
  fanout      --connections 5000 --batch 1 --size 64 [--rate R]
  idle        --from 2000 --connections 12000
  connect     --connections 64
  churn       --connections 1000     so many stay open, beside them 64 at a time open and close
  publish     --connections 64 --depth 64 --channels 16 --subscribers 16 [--rate R]
  publish-redis   the same options; over a Redis that is started for it, with both ways to sync, and what it is asked a publish
  resume      --messages 1000000     a client that lacks so many of a channel; what the others notice
  drain       --connections 500      a gateway is drained and started anew under clients that publish; every message is looked at
  c10m        --connections 1000000 [--hold S] [--rate DELIVERIES] [--duration S] [--subscribers N]
              all of it on one virtio-user link
  flood       --connections 1000 [--rate SYNS] [--rounds N]     SYNs from random addresses beside clients that echo, on such a link,
              in turns with the same clients alone
  takeover    --connections 200000 [--duration S] [--rate PUBLISHES]   on such a link, all publishing and subscribing, while control
              planes are killed one behind the other and standbys take over
  echo, fanout, idle, connect, churn, drain with --driver dpdk are played on such a link by sluice-wiregen
  goodput     --rounds 10 --duration 2 [--path "1% loss"]   our TCP and Linux's with Linux, over a path that loses and delays
  pingpong    --rounds 3 --duration 2      one connection and one message: our own stack and the kernel's on the same veth
  native-echo --connections 1000 --depth 1 --size 64   the data plane alone on virtio-user, and testpmd's packet rate there
  compare     the cases above that have a bar, against uWebSockets.js, ws and Socket.IO

  --rounds N     measurements of each server, 5 by default
  --duration S   measured part of each, 3 by default
  --warmup S     before it, 1.5 by default; publish 6: V8 compiles that path for seconds
  --arms A,B     only these of uws, ws, socket-io, sluice-epoll, sluice-uring, sluice-dpdk
  --json FILE    all rounds, raw; not of goodput, pingpong, native-echo and takeover, which only print
  --html FILE    a page with charts; likewise
  --save         JSON and HTML into bench/results/, named by date
  --smoke        tiny sizes, seconds in all; nothing is judged
  --strict       exit status 1 where a bar is missed
  --quiet        no progress
`;

async function run(argv: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({ args: [...argv], options: OPTIONS, allowPositionals: true });
  const scenario = positionals[0];
  if (values.help === true || scenario === undefined) {
    (values.help === true ? process.stdout : process.stderr).write(USAGE);
    return values.help === true ? 0 : 2;
  }
  if (positionals.length > 1) throw new ArgumentError(`one scenario at a time: what is '${positionals[1]}'?`);
  return play(scenario, argv, values);
}

/** `sluice bench …`. Resolves with the exit status: 2 for bad arguments, 1 where a measurement failed its checks. */
export async function runBench(argv: readonly string[]): Promise<number> {
  // The servers and the load generator are sessions of their own and would outlive an interrupted harness; so would they if a second
  // signal, which timeout(1) sends, ended it while it ends them.
  const stop = (): never => process.exit(130);
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  try {
    return await run(argv);
  } catch (error) {
    const usage = error instanceof ArgumentError || (error instanceof TypeError && 'code' in error);
    const why = error instanceof Error ? error.message : String(error);
    process.stderr.write(`sluice bench: ${why}${usage ? ' (sluice bench --help)' : ''}\n`);
    return usage ? 2 : 1;
  } finally {
    process.off('SIGINT', stop);
    process.off('SIGTERM', stop);
  }
}
