/** An engine in a process's own thread, the stores, and control planes in this process that die at a step and are followed by others. */
import type { AdminBackend } from '../../src/admin/backend.js';
import { makeConfig } from '../../src/config.js';
import { attachEngine, RegionReader, startDetachedEngine, type AttachedEngine, type DetachedEngine } from '../../src/engine/index.js';
import { Gateway } from '../../src/gateway/gateway.js';
import { MemoryLeases, workerNumber } from './memory-leases.js';
import { MemoryLog } from './memory-log.js';
import { MemorySessions } from './memory-sessions.js';
import { Life } from './mortal.js';
import { sleep } from './wait.js';

const PORT_STEPS = [
  'confirm', 'letGo', 'note', 'noteChannel', 'behind', 'mark', 'sendCopy', 'welcome', 'sendFramed', 'sendFramedCopy', 'close', 'leave',
  'release', 'admit', 'notifyWritable', 'pause', 'resume', 'subscribe', 'unsubscribe', 'publish',
];
const STORE_STEPS = ['create', 'claim', 'get', 'update', 'release', 'end', 'renew'];

/** A moment, but on machines that are slow. */
const NOTICED_MS = 60_000;

export interface WorldOptions {
  /** Of a connection, in bytes. */
  readonly sendBudget?: number;
  readonly maxMessage?: number;
  readonly arenaBytes?: number;
}

/** What survives a control plane in this test. */
export class TakeoverWorld {
  readonly name = `steps-${process.pid}-${Math.floor(Math.random() * 1e9)}`;
  readonly engine: DetachedEngine;
  readonly log = new MemoryLog();
  readonly sessions = new MemorySessions();
  readonly #options: WorldOptions;
  #gateway: Gateway | null = null;
  life = new Life(Infinity, () => undefined);
  readonly #hosts: AttachedEngine[] = [];
  readonly #leases = new MemoryLeases();

  constructor(options: WorldOptions = {}) {
    this.#options = options;
    this.engine = startDetachedEngine({
      name: this.name, connections: 64, arenaBytes: 1 << 24, protocol: 'sluice.v1', paths: ['/v1'], subprotocols: ['sluice.v1'],
      ...options,
    });
    // Channels are numbered from 1 in a real log.
    this.log.openChannel('first');
  }

  /** Of the control plane that is attached. */
  get admin(): AdminBackend {
    if (this.#gateway === null) throw new Error('nobody is attached');
    return this.#gateway.admin;
  }

  /** What the engine has counted. */
  counter(name: string): number {
    return RegionReader.attach(this.name).counter(name);
  }

  get url(): string {
    return `ws://127.0.0.1:${this.engine.listening.port}/v1`;
  }

  /** A control plane that dies at step `dieAt`; one that does not puts in order behind the takeover what a server does, if it `settles`. */
  async attach(dieAt: number, settles = dieAt === Infinity): Promise<void> {
    const host = await this.#connect();
    this.#hosts.push(host);
    const life = new Life(dieAt, () => host.port.abandon());
    this.life = life;
    const gateway = await Gateway.create({
      config: makeConfig({ node: 'n1', log: { ephemeral: ['live.*'] }, limits: { messageBytes: this.#options.maxMessage ?? 65_536 } }),
      port: life.wrap(host.port, PORT_STEPS),
      log: life.wrap(this.log, [], ['append']),
      store: life.wrap(this.sessions, [], STORE_STEPS),
      worker: workerNumber(this.#leases, `process ${this.#hosts.length}`, Date.now),
      secret: Buffer.alloc(32, 7),
      clock: { now: () => Date.now(), monotonic: () => performance.now() },
      host,
    });
    gateway.adopt(host.snapshot, host.pauseMs);
    if (!life.dead) host.start(gateway);
    this.#gateway = gateway;
    // Not a step, because it is nobody's answer.
    if (settles) void this.settle();
  }

  async settle(): Promise<void> {
    await this.#gateway?.settle();
  }

  /** The former one's end takes the engine a moment to notice. */
  async #connect(): Promise<AttachedEngine> {
    for (const deadline = Date.now() + NOTICED_MS; ; ) {
      try {
        return await attachEngine({ name: this.name, mode: 'first' });
      } catch (error) {
        if (Date.now() > deadline) throw error;
        await sleep(5);
      }
    }
  }

  /** The process of the one that died is gone, and with it its end of the socket. */
  bury(): void {
    this.#hosts.at(-1)?.stop();
  }

  /** The control plane dies now, and another one goes on. */
  async takeOver(): Promise<void> {
    this.life.end();
    this.bury();
    await this.attach(Infinity);
  }

  async end(): Promise<void> {
    for (const host of this.#hosts) {
      host.port.abandon();
      host.stop();
    }
    await this.engine.stop(0);
  }
}
