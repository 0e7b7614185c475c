import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { ROOT, SLUICE_CLI } from '../lib/paths.js';
import { scratchFolder } from '../lib/scratch.js';
import { Server } from '../lib/server.js';
import { Wiregen } from './wiregen.js';

/** The server's address on the link, and the generator's, behind which the clients' network lies. */
export const SERVER = '10.9.0.1';
export const ROUTER = '10.9.0.2';
export const NETWORK = '10.128.0.0/9';
const PORT = 9000;

export interface LinkOptions {
  /** `engine` with `name` has no control plane of its own. */
  readonly role: 'echo' | 'serve' | 'engine';
  readonly name?: string;
  readonly clients: number;
  /** Lines of the scenario behind its settings. */
  readonly phases: readonly string[];
  /** More settings: channels. */
  readonly settings?: readonly string[];
  /** Options of the gateway that are not its defaults. */
  readonly config?: object;
  readonly timeoutS: number;
  readonly quiet: boolean;
}

interface Sizes {
  readonly packets: number;
  readonly megabytes: number;
}

function sizes(packets: number): Sizes {
  return { packets, megabytes: Math.ceil((packets * 2560) / 2 ** 20 / 64) * 64 + 64 };
}

/** Packet buffers of the server: what is on its way at a time, however many are connected. */
function sizesOfServer(clients: number): Sizes {
  return sizes(clients > 20_000 ? 65_536 : 32_768);
}

/** Of the clients, who answer all at once. */
function sizesOfClients(clients: number): Sizes {
  return sizes(clients > 20_000 ? 131_072 : 32_768);
}

/** Why no virtio-user link can be had here; null where it can. */
export function linkLacking(clients: number): string | null {
  if (process.getuid?.() !== 0) return 'DPDK takes root';
  if (!existsSync(`${ROOT}build/Release/sluice_dpdk.so`)) return 'the dpdk driver was not built: install libdpdk-dev and build again';
  const info = readFileSync('/proc/meminfo', 'utf8');
  const free = Number(/^HugePages_Free:\s+(\d+)/m.exec(info)?.[1] ?? 0);
  const kilobytes = Number(/^Hugepagesize:\s+(\d+)/m.exec(info)?.[1] ?? 2048);
  const needed = Math.ceil(((sizesOfServer(clients).megabytes + sizesOfClients(clients).megabytes) * 1024) / kilobytes);
  if (free >= needed) return null;
  return `${needed} free huge pages of ${kilobytes / 1024} MiB are needed and there are ${free}: sysctl -w vm.nr_hugepages=${needed}`;
}

const RING_MOST = 1024;
/** The least that most virtio devices have. */
const RING_LEAST = 256;

/** The server's end of a link, which makes the socket and waits for the other: its process is known when the clients' begins. */
function serverDevice(socket: string, ring = RING_MOST): string {
  return `net_virtio_user0,path=${socket},queues=1,queue_size=${ring},server=1`;
}

/**
 * The same for short messages: frames are one buffer each and are given back in the order in which they came, which lets the driver take
 * shorter ways (docs/decisions/0200); whether the peer can is agreed on when the two meet. The ring has room for twice as many frames as
 * there are clients: all of its buffers are gone through before one comes again, and more would leave the cache meanwhile (0291).
 */
export function echoDevice(socket: string, clients: number): string {
  const ring = Math.min(RING_MOST, Math.max(RING_LEAST, 2 ** Math.ceil(Math.log2(2 * clients))));
  return `${serverDevice(socket, ring)},in_order=1,mrg_rxbuf=0`;
}

/** A server on our own stack and the clients, joined by virtio-user: shared memory, no NIC, no kernel. */
export class Link {
  readonly server: Server;
  readonly wiregen: Wiregen;

  readonly #socket: string;

  private constructor(server: Server, wiregen: Wiregen, socket: string) {
    this.#socket = socket;
    this.server = server;
    this.wiregen = wiregen;
  }

  static async open(options: LinkOptions): Promise<Link> {
    const lacking = linkLacking(options.clients);
    if (lacking !== null) throw new Error(lacking);
    // A socket's path has 107 characters at most.
    const socket = join(tmpdir(), `sluice-link-${process.pid}.sock`);
    const server = sizesOfServer(options.clients);
    const clients = sizesOfClients(options.clients);
    const common = '--no-pci --in-memory --single-file-segments --log-level=lib.vhost:error';
    const device = options.role === 'echo' ? echoDevice(socket, options.clients) : serverDevice(socket);
    const eal = `${common} -m ${server.megabytes} --file-prefix sl${process.pid} --vdev=${device}`;
    const { pid, ready } = Server.launch(serverCommand(options, eal, server.packets - 1024));
    const wiregen = new Wiregen({
      scenario: [...settingsOf(options), ...options.phases],
      eal: `${common} -m ${clients.megabytes} --file-prefix wg${process.pid} --vdev=net_vhost0,iface=${socket},queues=1,client=1`,
      packets: clients.packets - 1024,
      serverPid: pid,
      timeoutS: options.timeoutS,
      quiet: options.quiet,
    });
    try {
      return new Link(await ready, wiregen, socket);
    } catch (error) {
      await wiregen.stop();
      throw error;
    }
  }

  async close(): Promise<void> {
    await this.wiregen.stop();
    await this.server.stop();
    rmSync(this.#socket, { force: true });
  }
}

function settingsOf({ role, clients, settings = [] }: LinkOptions): string[] {
  const gateway = role !== 'echo' ? ' path=/v1 protocol=sluice.v1' : '';
  return [`server address=${SERVER}:${PORT}${gateway}`, `clients count=${clients} network=${NETWORK} local=${ROUTER}`, ...settings];
}

function serverCommand({ role, name = '', clients, config = {} }: LinkOptions, eal: string, packets: number): string[] {
  const device = ['--driver', 'dpdk', '--eal', eal, '--ip', `${SERVER}/24`, '--gateway', ROUTER, '--packets', String(packets)];
  // It has one CPU: more threads of V8 would only keep its event loop from it (docs/decisions/0220), and so does its one helper while it
  // marks. A smaller young generation leaves less of what is dropped soon to full collections (0260). An idle node's memory would be tidied
  // up in one long pause (0357), and a heap that will be large collected each time that it has grown by a share (0379). In huge pages what
  // is looked up at random misses the TLB less often (0377).
  const node = [process.execPath, '--max-old-space-size=8192', '--v8-pool-size=1'];
  if (role === 'serve') {
    node.unshift('env', 'GLIBC_TUNABLES=glibc.malloc.hugetlb=1');
    node.push('--no-concurrent-marking', '--no-memory-reducer', '--max-semi-space-size=8', '--initial-old-space-size=192');
  }
  const command = [...node, SLUICE_CLI, role, ...device, '--listen', `${SERVER}:${PORT}`];
  if (role === 'echo') return command;
  // Rows for those that come back before their former connection is forgotten.
  const rows = ['--connections', String(Math.ceil(clients * 1.1) + 1000)];
  const data = scratchFolder();
  writeFileSync(join(data, 'bench.json'), JSON.stringify(config));
  if (role === 'engine') return [...command, ...rows, '--name', name, '--config', join(data, 'bench.json'), '--allow-anonymous'];
  const log = ['--config', join(data, 'bench.json'), '--data', data];
  return [...command, ...rows, ...log, '--admin', '127.0.0.1:0', '--allow-anonymous', '--publish-rate', '0'];
}
