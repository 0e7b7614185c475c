import type { Generation } from './generation.js';
import type { JournalFile } from './journal-file.js';
import { generationOf, nextRecord, RECORD, recordLength } from './journal-record.js';
import { DataFolderError } from '../../errors.js';

export const HOLE = { remedy: 'Restore the data folder from a copy; what this file held is lost.' };

/** Read at once; a longer record is read in one piece. */
const WINDOW_BYTES = 1 << 18;

/** Generation and commit that the file begins with; null for none. */
export function beginningOf(file: JournalFile): { readonly generation: number; readonly commit: number } | null {
  const head = Buffer.alloc(RECORD.BYTES);
  const generation = generationOf(head.subarray(0, file.read(head, 0, head.length)));
  return generation === null ? null : { generation, commit: head.readDoubleLE(RECORD.COMMIT) };
}

/**
 * Adds whole records of the file to its generation, those of some hundred kilobytes; false when there is none behind the last.
 * `commit`: of the record before. Throws DataFolderError.
 */
export function readRecords(file: JournalFile, generation: Generation, commit: number): boolean {
  const from = generation.end;
  let window = WINDOW_BYTES;
  let end = file.read(generation.room(from + window), from, from + window);
  const length = recordLength(generation, end);
  if (length > window) {
    window = Math.min(length, file.size - from);
    end = file.read(generation.room(from + window), from, from + window);
  }
  let last = commit;
  for (let record = nextRecord(generation, end); record !== null; record = nextRecord(generation, end)) {
    if (record.commit !== last + 1) {
      throw new DataFolderError(file.path, `has commit ${record.commit} where ${last + 1} should follow`, HOLE);
    }
    last = record.commit;
    generation.rememberRead(record.end);
  }
  return generation.end > from;
}
