import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';

import { ROOT } from './paths.js';

const folders = new Set<string>();
process.on('exit', () => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

/** A folder on the project's own disk (a log in a memory file system would be durable for nothing), gone when this process ends. */
export function scratchFolder(): string {
  // Not below build/bench: a build removes there what has no source.
  const parent = `${ROOT}build/bench-data`;
  mkdirSync(parent, { recursive: true });
  const folder = mkdtempSync(`${parent}/run-`);
  folders.add(folder);
  return folder;
}

export function dropScratch(folder: string): void {
  rmSync(folder, { recursive: true, force: true });
  folders.delete(folder);
}
