#!/usr/bin/env node
// Publisher and LMDB log together on one thread, with an engine port that does nothing: what a durable publish costs the control plane.
//   node bench/micro/publisher.mjs [--smoke] [--without log|all] [--messages N] [--batch N]
//     [--channels N] [--senders N] [--body BYTES] [--folder PATH]
// Prints messages a second, and the JavaScript thread's CPU and the process's CPU in µs a message.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { monitorEventLoopDelay } from 'node:perf_hooks';

const { values } = parseArgs({
  options: {
    smoke: { type: 'boolean', default: false },
    messages: { type: 'string', default: '1000000' },
    batch: { type: 'string', default: '500' },
    channels: { type: 'string', default: '300' },
    senders: { type: 'string', default: '1000' },
    body: { type: 'string', default: '100' },
    folder: { type: 'string', default: tmpdir() },
    // Leaves parts out, to see what they cost: 'log' appends nowhere, 'all' is the driver alone.
    without: { type: 'string', default: '' },
  },
});
const dist = new URL(process.env.SLUICE_DIST ?? '../../dist/', new URL('./', import.meta.url));
const load = (path) => import(new URL(path, dist).href);
const { LmdbMessageLog } = await load('store/log/lmdb-message-log.js');
const { HotLog } = await load('store/hot-log.js');
const { ChannelRegistry } = await load('sequence/channels.js');
const { LamportClock } = await load('sequence/lamport.js');
const { Publisher } = await load('sequence/publisher.js');
const { Snowflake } = await load('sequence/snowflake.js');

const total = values.smoke ? 5_000 : Number(values.messages);
const batch = Number(values.batch);
const bodyBytes = Number(values.body);

const CHUNK = 1 << 20;
const CHUNKS = 64;
const memory = Buffer.alloc(CHUNK * CHUNKS + 65_536);
class FakeArena {
  chunkSize = CHUNK;
  chunks = CHUNKS;
  onRecycle = null;
  #at = 0;
  claim(length) {
    if (((this.#at + length - 1) >> 20) !== this.#at >> 20 || this.#at + length > CHUNK * CHUNKS) {
      this.#at = (((this.#at >> 20) + 1) % CHUNKS) << 20;
      this.onRecycle?.(this.#at >> 20);
    }
    const at = this.#at;
    this.#at += (length + 7) & ~7;
    return at;
  }
  chunkOf(address) {
    return address >> 20;
  }
}
let fanOut = 0;
const port = { memory, cores: 1, arena: new FakeArena(), confirm() {}, publish() { fanOut++; } };
const folder = mkdtempSync(join(values.folder, 'sluice-publisher-'));
const log = new LmdbMessageLog({ folder });
const channels = new ChannelRegistry({ log, ephemeral: () => false, clocked: () => false, now: Date.now, idleMs: 60_000 });
const noLog = { findByKey: () => null, append: () => new Promise((resolve) => setImmediate(resolve)) };
let acknowledged = 0;
let commits = 0;
let commitSeconds = 0;
let failed = 0;
let wake = null;
const snowflake = new Snowflake(1, 0);
const publisher = new Publisher({
  port, channels,
  log: values.without === 'log' ? noLog : log,
  hotLog: new HotLog(port.arena, { maxAgeMs: 60_000, maxPerChannel: 4096 }),
  lamport: new LamportClock(0),
  snowflake: () => snowflake,
  now: Date.now,
  monotonic: () => performance.now(),
  maxInFlight: 20_000,
  recentKeys: 65_536,
  onResult(request, error) {
    if (error === null) acknowledged++;
    else failed++;
  },
  onCommit(count, seconds) {
    commits++;
    commitSeconds += seconds;
    wake?.();
  },
});

if (values.without === 'all') {
  publisher.publish = (request) => void (acknowledged += request.key.length > 0 ? 1 : 0);
  publisher.endTurn = () => {};
}
const open = Array.from({ length: Number(values.channels) }, (_, i) => channels.open(`room/${i}`));
const senders = Array.from({ length: Number(values.senders) }, (_, i) => `user-${i}`);
const bodyAddress = CHUNK * CHUNKS;
memory.fill('x', bodyAddress, bodyAddress + bodyBytes);
// Nanoseconds that this thread was on a CPU: unlike wall time it does not count what other processes took.
const threadNs = () => Number(readFileSync(`/proc/self/task/${process.pid}/schedstat`, 'latin1').split(' ')[0]);
const committed = () => new Promise((resolve) => (wake = resolve));
const turn = () => new Promise((resolve) => setImmediate(resolve));

let sent = 0;
let js = 0;
async function run(messages) {
  const end = sent + messages;
  while (sent < end) {
    // As the engine does: a bounded turn, then the loop's other work; no more events while too much is unconfirmed.
    if (publisher.inFlight >= batch * 2) await committed();
    else {
      const start = performance.now();
      for (let i = 0; i < batch && sent < end; i++, sent++) {
        publisher.publish({
          channel: open[(sent * 7) % open.length],
          sender: senders[sent % senders.length],
          key: `${Date.now().toString(36)}-${sent.toString(36)}`,
          clientTs: 1,
          lamport: 0,
          clock: '',
          text: true,
          bodyAddress,
          bodyLength: bodyBytes,
          bodyBytes: null,
          row: 1,
          generation: 1,
          opId: sent,
          done: null,
        });
      }
      publisher.endTurn(0, sent);
      js += performance.now() - start;
      await turn();
    }
  }
  while (acknowledged + failed < sent) await committed();
}

await run(Math.min(total, 50_000));
commits = 0;
commitSeconds = 0;
js = 0;
const before = sent;
const delay = monitorEventLoopDelay({ resolution: 1 });
delay.enable();
const cpu = process.cpuUsage();
const thread = threadNs();
const started = performance.now();
await run(total);
const seconds = (performance.now() - started) / 1000;
const used = process.cpuUsage(cpu);
const threadUsed = threadNs() - thread;
const messages = sent - before;
const report = {
  messages, failed, perSecond: Math.round(messages / seconds),
  batch: +(messages / commits).toFixed(1),
  commitMs: +((commitSeconds / commits) * 1000).toFixed(2),
  threadCpuUs: +(threadUsed / 1000 / messages).toFixed(2),
  publishWallUs: +((js * 1000) / messages).toFixed(2),
  processCpuUs: +((used.user + used.system) / messages).toFixed(2),
  userCpuUs: +(used.user / messages).toFixed(2),
  loopP99Ms: +(delay.percentile(99) / 1e6).toFixed(2), loopMaxMs: +(delay.max / 1e6).toFixed(2),
  heapMb: Math.round(process.memoryUsage().heapUsed / 1e6),
};
console.log(JSON.stringify(report));
await publisher.close();
await log.close();
rmSync(folder, { recursive: true });
if (failed > 0 || (values.without !== 'all' && fanOut !== acknowledged)) process.exitCode = 1;
