/** What the doctor says about a machine that is made of files. */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import t from 'tap';

import { dpdkFindings } from '../../../src/cli/doctor-dpdk.js';

function machine(t: { teardown(handler: () => void): unknown }, files: Readonly<Record<string, string>>): string {
  const root = mkdtempSync(join(tmpdir(), 'sluice-doctor-'));
  t.teardown(() => rmSync(root, { recursive: true, force: true }));
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    if (content.startsWith('-> ')) symlinkSync(content.slice(3), join(root, path));
    else writeFileSync(join(root, path), content);
  }
  return root;
}

function nic(address: string, driver: string): Record<string, string> {
  const folder = `sys/bus/pci/devices/${address}`;
  return {
    [`${folder}/class`]: '0x020000\n', [`${folder}/vendor`]: '0x1af4\n', [`${folder}/device`]: '0x1000\n',
    [`${folder}/driver`]: `-> ../../../bus/pci/drivers/${driver}`,
  };
}

t.test('an empty machine is told what to reserve and to bind', async (t) => {
  const found = dpdkFindings(machine(t, { 'sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages': '0\n' }));
  t.ok(found.every(({ state }) => state !== 'bad'), 'kernel sockets need none of it');
  const said = (what: RegExp) => found.find((finding) => what.test(finding.what));
  t.match(said(/no hugepages/)?.mend, /vm\.nr_hugepages=512/);
  t.match(said(/no IOMMU/)?.mend, /intel_iommu=on/);
  t.match(said(/no PCI network device/)?.mend, null);
  t.match(said(/no CPU is isolated/)?.mend, /isolcpus/);
});

t.test('the NIC over which one is logged in is left alone, and advice fits the CPUs', async (t) => {
  const [uplink, spare] = ['0000:00:03.0', '0000:00:04.0'];
  const route = (name: string, destination: string, mask: string): string => `${name}\t${destination}\t0100000A\t0003\t0\t0\t0\t${mask}\n`;
  const found = dpdkFindings(machine(t, {
    ...nic(uplink, 'virtio-pci'),
    ...nic(spare, 'e1000e'),
    [`sys/bus/pci/devices/${uplink}/virtio0/net/eth0/mtu`]: '1500\n',
    [`sys/bus/pci/devices/${spare}/net/eth1/mtu`]: '1500\n',
    'proc/net/route': `Iface\tDestination\n${route('eth1', '0000000A', '00FFFFFF')}${route('eth0', '00000000', '00000000')}`,
    'sys/devices/system/cpu/online': '0-1\n',
  }));
  const all = found.map(({ what, mend }) => `${what}: ${mend ?? ''}`).join('\n');
  t.match(all, /0000:00:03\.0 \(1af4:1000, eth0\) is held by virtio-pci and carries the default route: Leave it to the kernel/);
  t.notMatch(all, /devbind\.py -b vfio-pci 0000:00:03\.0/);
  t.match(all, /0000:00:04\.0 \(1af4:1000, eth1\) .*devbind\.py -b vfio-pci 0000:00:04\.0/);
  t.match(all, /2 CPUs are too few .*--spin-us 0/);
  t.notMatch(all, /isolcpus/);
});

t.test('a machine that is ready is told how to name its devices', async (t) => {
  const found = dpdkFindings(machine(t, {
    'sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages': '512\n',
    'sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages': '400\n',
    'sys/kernel/iommu_groups/0/type': 'DMA\n',
    'dev/vfio/vfio': '',
    'dev/net/tun': '',
    'sys/devices/system/cpu/isolated': '2-3\n',
    ...nic('0000:00:03.0', 'vfio-pci'),
    ...nic('0000:00:04.0', 'mlx5_core'),
    ...nic('0000:00:05.0', 'virtio-pci'),
    'sys/bus/pci/devices/0000:00:06.0/class': '0x010000\n',
  }));
  const all = found.map(({ state, what, mend }) => `${state} ${what} ${mend ?? ''}`).join('\n');
  t.match(all, /good hugepages: 512 of 2 MiB \(400 free\)/);
  t.match(all, /good IOMMU is on \(1 groups\), VFIO is there/);
  t.match(all, /good NIC 0000:00:03\.0 \(1af4:1000\) is held by vfio-pci: --eal "-a 0000:00:03\.0"/);
  t.match(all, /good NIC 0000:00:04\.0 .* beside which DPDK works/);
  t.match(all, /note NIC 0000:00:05\.0 .* dpdk-devbind\.py -b vfio-pci 0000:00:05\.0/);
  t.notMatch(all, /00:06\.0/);
  t.match(all, /TAP \(net_tap\)/);
  t.match(all, /isolated CPUs: 2-3/);
});
