/**
 * The other side of a virtio-user port: DPDK's testpmd holds a vhost-user device, and passes its frames to a TAP device of this
 * namespace and back, so that the kernel's TCP is at the other end. It polls: a CPU is its own while it runs.
 */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';

const READY_MS = 30_000;
/** No bridge outlives its test by much, however that ends. */
const LIFETIME_SECONDS = 600;
/** TCP checksums and frames of several pieces: what the port at the other end leaves to this one (RTE_ETH_TX_OFFLOAD_*). */
const TX_OFFLOADS = '0x8008';

export interface VhostBridge {
  /** Of the vhost-user device. */
  readonly socket: string;
  stop(): void;
}

/** False, or why this machine has no bridge. */
export function bridgeLacking(): string | false {
  if (spawnSync('dpdk-testpmd', ['--version']).error !== undefined) return 'dpdk-testpmd is not installed';
  return !existsSync('/dev/net/tun') && 'there is no /dev/net/tun';
}

/** `device`: the TAP device that it makes. */
export async function startVhostBridge(device: string): Promise<VhostBridge> {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-vhost-'));
  const socket = join(folder, 'socket');
  const cpus = `0-${availableParallelism() - 1}`;
  const eal = [
    `--lcores=0@(${cpus}),1@(${cpus})`, '--no-pci', '--no-huge', '-m', '128', '--no-shconf', '--single-file-segments', '--no-telemetry',
    // Without segmentation: a TAP device would be given segments as large as memory.
    `--vdev=net_vhost0,iface=${socket},queues=1,tso=0`, `--vdev=net_tap1,iface=${device}`,
  ];
  const forward = ['--forward-mode=io', '--total-num-mbufs=8192', `--tx-offloads=${TX_OFFLOADS}`, '--stats-period=3600'];
  // Its main thread waits for a key; the end of the input would be one.
  const stdio = ['pipe', 'pipe', 'pipe'] as const;
  const child = spawn('timeout', [String(LIFETIME_SECONDS), 'dpdk-testpmd', ...eal, '--', ...forward], { stdio: [...stdio] });
  let out = '';
  const keep = (text: string): void => void (out = (out + text).slice(-8192));
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', keep);
  let ended = false;
  child.once('exit', () => (ended = true));
  const kill = (): void => void child.kill('SIGTERM');
  process.once('exit', kill);
  const stop = (): void => {
    process.removeListener('exit', kill);
    kill();
    rmSync(folder, { recursive: true, force: true });
  };
  const made = (): boolean => existsSync(socket) && spawnSync('ip', ['link', 'show', device]).status === 0;
  for (const deadline = Date.now() + READY_MS; !made(); ) {
    if (ended || Date.now() > deadline) {
      stop();
      throw new Error(`dpdk-testpmd is not ready:\n${out}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return { socket, stop };
}
