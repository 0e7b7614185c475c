import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { DataFolderError } from '../errors.js';

const FILE_NAME = 'admin-token';
const TOKEN_BYTES = 32;
const MIN_LENGTH = 16;
const SAYABLE = /^[\x21-\x7e]+$/;

/** The token kept in the data folder, made on first use with mode 0600. Throws DataFolderError with the path. */
export function storedToken(folder: string): string {
  const path = tokenPath(folder);
  const token = randomBytes(TOKEN_BYTES).toString('base64url');
  try {
    // Not recursive: below /proc that never returns (Node 20). The parent is the operator's to make.
    if (!existsSync(folder)) mkdirSync(folder, { mode: 0o700 });
    // wx: of two processes that start at once, one makes the file and the other reads it.
    writeFileSync(path, `${token}\n`, { mode: 0o600, flag: 'wx' });
    return token;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') {
      throw new DataFolderError(path, `the admin token cannot be stored (${reasonOf(cause)})`, { cause });
    }
  }
  return readToken(path);
}

export function tokenPath(folder: string): string {
  return resolve(folder, FILE_NAME);
}

function readToken(path: string): string {
  let token: string;
  try {
    token = readFileSync(path, 'utf8').trim();
    // A copied data folder may have lost the mode.
    chmodSync(path, 0o600);
  } catch (cause) {
    throw new DataFolderError(path, `the admin token cannot be read (${reasonOf(cause)})`, { cause });
  }
  const remedy = `Delete ${path}; the next start makes a new token.`;
  if (token.length < MIN_LENGTH) throw new DataFolderError(path, `holds fewer than ${MIN_LENGTH} characters`, { remedy });
  // Nobody could present it.
  if (!SAYABLE.test(token)) throw new DataFolderError(path, 'holds what cannot stand in a header', { remedy });
  return token;
}

/** A check of Authorization headers against one token, in a time that does not depend on the header. */
export function bearerCheck(token: string): (authorization: string | undefined) => boolean {
  const expected = digest(token);
  return (authorization) => {
    const match = /^Bearer ([^\s]+)$/i.exec(authorization ?? '');
    return timingSafeEqual(digest(match?.[1] ?? ''), expected) && match !== null;
  };
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

function reasonOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? String(error);
}
