/** What `sluice doctor` says about kernel bypass: DPDK, hugepages, IOMMU, network devices and the drivers that hold them, CPUs. */
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { basename, join } from 'node:path';

import { loadNative } from '../engine/index.js';
import type { Finding } from './doctor.js';

/** Class of PCI network controllers, Ethernet. */
const ETHERNET = '0x0200';
/** Drivers that give a device to a process. */
const BYPASS = new Set(['vfio-pci', 'uio_pci_generic', 'igb_uio']);
/** Drivers that DPDK works beside: the device stays where it is. */
const SHARED = new Set(['mlx5_core', 'mlx4_core', 'mana']);

export function dpdkFindings(root = '/'): Finding[] {
  const at = (path: string): string => join(root, path);
  return [library(), hugepages(at), iommu(at), ...devices(at), virtualDevices(at), isolation(at)];
}

function library(): Finding {
  try {
    const { usable, reason, version } = loadNative().probe().dpdk;
    if (usable) return { state: 'good', what: `the dpdk driver loads (${version})`, mend: null };
    const mend = 'apt-get install libdpdk-dev dpdk && npm run build:native';
    return { state: 'note', what: `the dpdk driver is not usable: ${reason}`, mend };
  } catch {
    return { state: 'note', what: 'the dpdk driver cannot be looked for without the addon', mend: null };
  }
}

type At = (path: string) => string;

function hugepages(at: At): Finding {
  const sizes = list(at('sys/kernel/mm/hugepages')).map((name) => {
    const folder = at(`sys/kernel/mm/hugepages/${name}`);
    const kib = Number(/hugepages-(\d+)kB/.exec(name)?.[1] ?? 0);
    return { mib: kib / 1024, total: number(join(folder, 'nr_hugepages')), free: number(join(folder, 'free_hugepages')) };
  });
  const reserved = sizes.filter(({ total }) => total > 0);
  if (reserved.length === 0) {
    return {
      state: 'note',
      what: 'no hugepages are reserved: the dpdk driver needs them for NICs and virtio-user (kernel sockets do not)',
      mend: 'sysctl -w vm.nr_hugepages=512 (1 GiB; in /etc/sysctl.d to keep it). For TAP, AF_PACKET and AF_XDP: --eal "--no-huge -m 256 …"',
    };
  }
  const shown = reserved.map(({ mib, total, free }) => `${total} of ${mib} MiB (${free} free)`).join(', ');
  const freeMib = reserved.reduce((sum, { mib, free }) => sum + mib * free, 0);
  const enough = freeMib >= 256;
  return { state: enough ? 'good' : 'note', what: `hugepages: ${shown}`, mend: enough ? null : 'sysctl -w vm.nr_hugepages=512' };
}

function iommu(at: At): Finding {
  const groups = list(at('sys/kernel/iommu_groups')).length;
  if (groups > 0) {
    const vfio = existsSync(at('dev/vfio/vfio'));
    const what = `IOMMU is on (${groups} groups)${vfio ? ', VFIO is there' : ''}`;
    return { state: vfio ? 'good' : 'note', what, mend: vfio ? null : 'modprobe vfio-pci' };
  }
  return {
    state: 'note',
    what: 'no IOMMU is active: vfio-pci then needs its mode without one, in which a device can write to all memory',
    mend: 'Boot with intel_iommu=on iommu=pt (AMD: iommu=pt). In a VM: echo 1 > /sys/module/vfio/parameters/enable_unsafe_noiommu_mode',
  };
}

function devices(at: At): Finding[] {
  const found = list(at('sys/bus/pci/devices')).filter((address) => text(at(`sys/bus/pci/devices/${address}/class`)).startsWith(ETHERNET));
  if (found.length === 0) return [{ state: 'note', what: 'no PCI network device is here', mend: null }];
  const uplink = defaultInterface(at);
  return found.map((address) => device(at, address, uplink));
}

/** What the default route leads over; '' where there is none. */
function defaultInterface(at: At): string {
  const routes = text(at('proc/net/route')).split('\n').slice(1).map((line) => line.split(/\s+/));
  return routes.find((fields) => fields[1] === '00000000' && fields[7] === '00000000')?.[0] ?? '';
}

/** The kernel's names of a device; a virtio device is one level further down. */
function interfaces(folder: string): readonly string[] {
  const below = list(folder).filter((entry) => entry.startsWith('virtio'));
  return [folder, ...below.map((entry) => join(folder, entry))].flatMap((place) => list(join(place, 'net')));
}

function device(at: At, address: string, uplink: string): Finding {
  const folder = at(`sys/bus/pci/devices/${address}`);
  const driver = link(join(folder, 'driver'));
  const names = interfaces(folder);
  const name = names[0] ?? '';
  const id = `${text(join(folder, 'vendor')).slice(2)}:${text(join(folder, 'device')).slice(2)}`;
  const what = `NIC ${address} (${id}${name === '' ? '' : `, ${name}`}) is held by ${driver === '' ? 'no driver' : driver}`;
  if (BYPASS.has(driver)) return { state: 'good', what: `${what}: --eal "-a ${address}"`, mend: null };
  if (SHARED.has(driver)) return { state: 'good', what: `${what}, beside which DPDK works: --eal "-a ${address}"`, mend: null };
  if (uplink !== '' && names.includes(uplink)) {
    const mend = 'Leave it to the kernel unless you have a console: who binds it to another driver and is logged in over it is cut off';
    return { state: 'note', what: `${what} and carries the default route`, mend };
  }
  return { state: 'note', what, mend: `To give it to the dpdk driver (the kernel loses it): dpdk-devbind.py -b vfio-pci ${address}` };
}

function virtualDevices(at: At): Finding {
  const has = [
    existsSync(at('dev/net/tun')) ? 'TAP (net_tap)' : '',
    existsSync(at('dev/vhost-net')) ? 'virtio-user to the kernel (vhost-net)' : '',
  ].filter((name) => name !== '');
  const what = has.length === 0 ? 'no TAP device and no vhost-net can be made here' : `can be made here: ${has.join(', ')}`;
  return { state: 'note', what, mend: has.length === 0 ? 'modprobe tun vhost_net' : null };
}

function isolation(at: At): Finding {
  const isolated = text(at('sys/devices/system/cpu/isolated'));
  if (isolated !== '') return { state: 'good', what: `isolated CPUs: ${isolated}`, mend: null };
  const last = Number(/(\d+)$/.exec(text(at('sys/devices/system/cpu/online')))?.[1] ?? 7);
  if (last < 3) {
    const what = `${last + 1} CPUs are too few to keep one for a core that polls`;
    return { state: 'note', what, mend: 'Give the dpdk driver --spin-us 0: a core then sleeps as soon as nothing comes' };
  }
  const what = 'no CPU is isolated: others may run where a core polls';
  const cpus = `2-${last}`;
  return { state: 'note', what, mend: `Boot with isolcpus=${cpus} nohz_full=${cpus} rcu_nocbs=${cpus}` };
}

function text(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return '';
  }
}

function number(path: string): number {
  return Number(text(path)) || 0;
}

function list(path: string): string[] {
  try {
    return readdirSync(path).sort();
  } catch {
    return [];
  }
}

/** Name of what a link leads to; '' where there is none. */
function link(path: string): string {
  try {
    return basename(readlinkSync(path));
  } catch {
    return '';
  }
}
