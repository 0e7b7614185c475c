/** File systems of a chosen size, or read-only, in memory: what root may write to like anybody else. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** `options`: of tmpfs, "size=6m". */
export function mountDisk(path: string, options: string): void {
  execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', path], { stdio: 'pipe' });
}

export function unmountDisk(path: string): void {
  execFileSync('umount', ['-l', path]);
}

/** Why there can be none here; false where there can. Root of a container may lack the right. */
export function diskMissing(): string | false {
  if (process.getuid?.() !== 0) return 'needs root to mount a tmpfs';
  const path = mkdtempSync(join(tmpdir(), 'sluice-mount-'));
  try {
    mountDisk(path, 'size=64k');
    unmountDisk(path);
    return false;
  } catch {
    return 'a tmpfs cannot be mounted here';
  } finally {
    rmdirSync(path);
  }
}
