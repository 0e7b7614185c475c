/** The secret that signs resume tokens: 32 random bytes in the data folder, readable by the service user only. */

import { randomBytes } from 'node:crypto';
import { closeSync, fsyncSync, linkSync, openSync, readFileSync, rmSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { makeFolder } from '../config/folder.js';
import { DataFolderError } from '../errors.js';

const SECRET_BYTES = 32;
const FILE = 'session.secret';
const REMEDY = 'Delete the file; sessions begin anew.';

/** Reads the folder's secret and makes it, and the folder, where there is none. Throws DataFolderError with the path. */
export function loadSessionSecret(folder: string): Buffer {
  const path = join(folder, FILE);
  try {
    makeFolder(folder);
    return readSecret(path) ?? makeSecret(folder, path);
  } catch (cause) {
    if (cause instanceof DataFolderError) throw cause;
    throw new DataFolderError(path, `the session secret cannot be kept there (${(cause as Error).message})`, { cause });
  }
}

function readSecret(path: string): Buffer | null {
  let secret: Buffer;
  try {
    secret = readFileSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
  if ((statSync(path).mode & 0o077) !== 0) {
    const remedy = `Type \`chmod 600 ${path}\`, or delete it to end all sessions.`;
    throw new DataFolderError(path, 'others may read the session secret', { remedy });
  }
  if (secret.length !== SECRET_BYTES) {
    throw new DataFolderError(path, `holds ${secret.length} bytes, not ${SECRET_BYTES}`, { remedy: REMEDY });
  }
  // What a file system leaves of a file that was being written when it stopped; anybody could sign with it.
  if (secret.every((byte) => byte === 0)) throw new DataFolderError(path, 'holds zeros only', { remedy: REMEDY });
  return secret;
}

/** Written beside and linked into place, so that a crash leaves no half a secret and of two starters one wins. */
function makeSecret(folder: string, path: string): Buffer {
  const temporary = join(folder, `.${FILE}.${process.pid}`);
  const file = openSync(temporary, 'w', 0o600);
  try {
    writeSync(file, randomBytes(SECRET_BYTES));
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  try {
    linkSync(temporary, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    rmSync(temporary, { force: true });
  }
  return readFileSync(path);
}
