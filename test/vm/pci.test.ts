/**
 * The gateway on real poll-mode drivers: a VM without KVM (vagrant/qemu) whose NICs are PCI devices, and the kernel's TCP outside of
 * it. Only with `scripts/test --vm`: the disk takes minutes to build.
 */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';

import { projectRoot } from '../support/sluice-process.js';
import { until } from '../support/wait.js';

const NICS = [
  { name: 'virtio-net on vfio-pci', device: '0000:00:10.0', driver: 'vfio-pci' },
  { name: 'e1000e on uio_pci_generic', device: '0000:00:11.0', driver: 'uio_pci_generic' },
  { name: 'vmxnet3 on vfio-pci', device: '0000:00:12.0', driver: 'vfio-pci' },
] as const;
const MESSAGES = 10_000;
/** The compiled tests stand among links to the project's files, which lead nowhere from within the VM. */
const ROOT = dirname(realpathSync(join(projectRoot(), 'binding.gyp')));
const QEMU = join(ROOT, 'vagrant', 'qemu');
const CHAT = join(dirname(fileURLToPath(import.meta.url)), 'chat-client.js');

const lacking = ['qemu-system-x86_64', 'debootstrap', 'mke2fs', 'ip'].filter((program) => !installed(program));
const skip = process.getuid?.() !== 0 ? 'needs root' : lacking.length > 0 ? `${lacking.join(', ')} not installed` : false;

function installed(program: string): boolean {
  return ['/usr/sbin', '/sbin', ...(process.env['PATH'] ?? '').split(':')].some((folder) => existsSync(join(folder, program)));
}

/** A network namespace with a TAP device for each NIC: 10.9.N.1/24, the NIC's own address being 10.9.N.2. */
class Namespace {
  readonly name = `sluice-vm-${process.pid}`;
  readonly taps = NICS.map((_, index) => `tap${index}`);

  constructor() {
    ip('netns', 'add', this.name);
    for (const [index, tap] of this.taps.entries()) {
      ip('-n', this.name, 'tuntap', 'add', tap, 'mode', 'tap');
      ip('-n', this.name, 'address', 'add', `10.9.${index + 1}.1/24`, 'dev', tap);
      ip('-n', this.name, 'link', 'set', tap, 'up');
    }
  }

  spawn(program: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): ChildProcess {
    const all = { ...process.env, ...env };
    return spawn('ip', ['netns', 'exec', this.name, program, ...args], { env: all, stdio: ['ignore', 'pipe', 'pipe'] });
  }

  remove(): void {
    ip('netns', 'delete', this.name);
  }
}

function ip(...args: string[]): void {
  execFileSync('ip', args, { stdio: 'pipe' });
}

async function finished(child: ChildProcess): Promise<{ code: number | null; out: string; err: string }> {
  let out = '';
  let err = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => (out += text));
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (err += text));
  return new Promise((resolve) => child.once('close', (code) => resolve({ code, out, err })));
}

t.test('vagrant validates the Vagrantfile', { skip: installed('vagrant') ? false : 'vagrant not installed' }, async (t) => {
  const home = mkdtempSync(join(tmpdir(), 'sluice-vagrant-'));
  t.teardown(() => rmSync(home, { recursive: true, force: true }));
  // Without a provider's plugin only what is Vagrant's own can be looked at.
  const plugin = existsSync('/usr/share/rubygems-integration/all/specifications') &&
    execFileSync('vagrant', ['plugin', 'list'], { encoding: 'utf8' }).includes('vagrant-libvirt');
  const out = execFileSync('vagrant', ['validate', ...(plugin ? [] : ['--ignore-provider'])], {
    cwd: join(ROOT, 'vagrant'), encoding: 'utf8', env: { ...process.env, VAGRANT_DOTFILE_PATH: home },
  });
  t.match(out, /validated successfully/);
});

t.test('clients outside the VM chat through each NIC', { skip, timeout: 2_700_000 }, async (t) => {
  execFileSync(QEMU, ['build'], { stdio: ['ignore', 'inherit', 'inherit'] });
  const control = mkdtempSync(join(tmpdir(), 'sluice-vm-'));
  const namespace = new Namespace();
  writeFileSync(join(control, 'nics'), NICS.map(({ device, driver }, index) => `${device} ${driver} 10.9.${index + 1}.2/24\n`).join(''));
  writeFileSync(join(control, 'sluice.json'), JSON.stringify({ limits: { publishRate: 0 } }));
  const env = { SLUICE_VM_CONTROL: control, SLUICE_VM_SECONDS: '2600' };
  const vm = namespace.spawn(QEMU, ['run', join(ROOT, 'vagrant', 'guest', 'serve'), ...namespace.taps], env);
  const ended = finished(vm);
  let running = true;
  void ended.then(() => (running = false));
  t.teardown(async () => {
    for (const index of NICS.keys()) writeFileSync(join(control, `done-${index}`), '');
    vm.kill('SIGTERM');
    await ended;
    namespace.remove();
    rmSync(control, { recursive: true, force: true });
  });

  for (const [index, { name }] of NICS.entries()) {
    const served = (): boolean => existsSync(join(control, `ready-${index}`)) || existsSync(join(control, `ended-${index}`));
    await until(`the gateway on ${name}`, () => served() || !running, 600_000, 100);
    const file = join(control, `serve-${index}.log`);
    const log = (): string => (existsSync(file) ? readFileSync(file, 'utf8') : '');
    if (!existsSync(join(control, `ready-${index}`))) throw new Error(`${name}: no gateway: ${log()}${running ? '' : (await ended).err}`);
    const chat = await finished(namespace.spawn(process.execPath, [CHAT, `ws://10.9.${index + 1}.2:9000/v1`, '4', String(MESSAGES)]));
    t.equal(chat.code, 0, `${name}: the chat ends well`, { stderr: chat.err, gateway: log() });
    const result = JSON.parse(chat.out || '{}') as { received?: number[]; distinct?: number; highest?: number; sameOrder?: boolean };
    t.same(result.received, Array<number>(4).fill(MESSAGES), `${name}: every client got every message, once`);
    t.equal(result.distinct, MESSAGES, `${name}: none came twice under another number`);
    t.equal(result.highest, MESSAGES, `${name}: the sequence is dense`);
    t.ok(result.sameOrder, `${name}: all in the same order`);
    writeFileSync(join(control, `done-${index}`), '');
  }
  const { code, out, err } = await ended;
  t.equal(code, 0, 'the VM ends well', { out, err });
});
