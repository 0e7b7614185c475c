import { statfsSync } from 'node:fs';
import { StoreError } from '../errors.js';

/** What failed while the log was written, as the error that publishers and operators see. */

/** A commit of the largest batch needs no more. */
const FULL_BYTES = 1 << 20;
const FULL_CODES: ReadonlySet<unknown> = new Set(['ENOSPC', 'EDQUOT']);

/** Codes of LMDB (lmdb.h) that no waiting mends. */
const FATAL_CODES: ReadonlySet<number> = new Set([-30797, -30796, -30794, -30793]);

export const reason = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** LMDB takes a short write for an I/O error; the file system knows better. */
function isFull(path: string): boolean {
  try {
    const { bavail, bsize } = statfsSync(path);
    return bavail * bsize < FULL_BYTES;
  } catch {
    return false;
  }
}

export function storeError(error: unknown, path: string): StoreError {
  if (error instanceof StoreError) return error;
  const code = (error as { code?: unknown }).code;
  const retryable = !(typeof code === 'number' && FATAL_CODES.has(code));
  const full = FULL_CODES.has(code) || isFull(path);
  return new StoreError(`${path} could not be written: ${full ? 'the disk is full' : reason(error)}`, retryable, { cause: error });
}
