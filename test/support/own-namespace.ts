/**
 * Imported first, this runs the whole test file in a network namespace of its own, where it may make devices and addresses as it
 * likes and nobody else sees them; they vanish with its last process. Where that cannot be done the file runs as it is, and
 * NAMESPACE_LACKING says why.
 */
import { spawnSync } from 'node:child_process';

const INSIDE = 'SLUICE_TEST_NAMESPACE';

export const NAMESPACE_LACKING: string | null = enter();

function enter(): string | null {
  if (process.env[INSIDE] === '1') {
    spawnSync('ip', ['link', 'set', 'lo', 'up']);
    return null;
  }
  if (process.getuid?.() !== 0) return 'needs root for a network namespace';
  if (spawnSync('unshare', ['--net', 'ip', 'link']).status !== 0) return 'this machine makes no network namespaces (unshare, ip)';
  const script = process.argv[1] ?? '';
  const args = ['--net', process.execPath, ...process.execArgv, script];
  const { status } = spawnSync('unshare', args, { stdio: 'inherit', env: { ...process.env, [INSIDE]: '1' } });
  process.exit(status ?? 1);
}
