import { closeSync, constants, fsyncSync, openSync } from 'node:fs';

/** A new file's name is on stable storage only when its folder is. */
export function syncFolder(folder: string): void {
  const fd = openSync(folder, constants.O_RDONLY);
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
