import { closeSync, existsSync, openSync, readFileSync, statSync } from 'node:fs';
import { reason } from './store-failure.js';
import { DataFolderError } from '../errors.js';

const ROOM_REMEDY =
  'Raise the limit (ulimit -v unlimited, LimitAS=infinity in the service unit), or lower mapBytes of the log or the history.';

/**
 * What LMDB would refuse, which ends the process: lmdb-js 3.5 gives an environment back twice that did not open. Throws DataFolderError.
 */
export function checkMayOpen(path: string, mapBytes: number): void {
  checkLockFile(`${path}-lock`);
  const room = addressSpaceLeft();
  if (mapBytes <= room) return;
  const gib = (bytes: number): string => `${(bytes / 2 ** 30).toFixed(1)} GiB`;
  const message = `cannot be mapped: that takes ${gib(mapBytes)} of address space, and the limit of this process leaves ${gib(room)}`;
  throw new DataFolderError(path, message, { remedy: ROOM_REMEDY });
}

function checkLockFile(path: string): void {
  if (!existsSync(path)) return;
  if (!statSync(path).isFile()) throw new DataFolderError(path, 'is not a file');
  try {
    closeSync(openSync(path, 'r+'));
  } catch (error) {
    throw new DataFolderError(path, `cannot be written (${reason(error)})`, { cause: error });
  }
}

/** Infinity where there is no limit, or no telling. */
function addressSpaceLeft(): number {
  try {
    const limit = /^Max address space +([0-9]+)/m.exec(readFileSync('/proc/self/limits', 'latin1'))?.[1];
    const usedKib = /^VmSize:\s+([0-9]+) kB/m.exec(readFileSync('/proc/self/status', 'latin1'))?.[1];
    return limit === undefined || usedKib === undefined ? Infinity : Math.max(0, Number(limit) - Number(usedKib) * 1024);
  } catch {
    return Infinity;
  }
}
