import type { Generation } from './generation.js';
import type { JournalFile } from './journal-file.js';
import { generationOf, nextRecord, RECORD, recordLength } from './journal-record.js';
import { findsRecordBehind } from './journal-search.js';
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

/**
 * Whether a record of this generation stands behind one that cannot be read, the next after `commit`. A record is written only when the
 * one before it is on stable storage, so that one was acknowledged, and the file was damaged since: a crash leaves nothing behind what it
 * interrupted. It cannot be told where the last record is what was damaged.
 * `hurried`: another process wrote it until a moment ago, and clients wait: then it is not searched to its end.
 */
export function goesOnBehind(file: JournalFile, generation: Generation, commit: number, hurried: boolean): boolean {
  if (isFollowed(file, generation, commit)) return true;
  return !hurried && findsRecordBehind(file, generation.number, generation.end, commit);
}

/** The usual case, in which the record that cannot be read says truly how long it is. */
function isFollowed(file: JournalFile, generation: Generation, commit: number): boolean {
  const start = generation.end;
  const broken = headAt(file, generation, start);
  const at = start + (broken?.readUInt32LE(RECORD.LENGTH) ?? 0);
  const next = at > start && at % 8 === 0 ? headAt(file, generation, at) : null;
  if (broken === null || next === null) return false;
  if (generationOf(next) !== generation.number || next.readDoubleLE(RECORD.COMMIT) !== commit + 2) return false;
  const end = at + next.readUInt32LE(RECORD.LENGTH);
  if (end > file.size || file.read(generation.room(end), start, end) < end) return false;
  // Its checksum starts from that of the one before: as that one says, or as it was, if that is what was damaged.
  const befores = [broken.readUInt32LE(RECORD.CHECKSUM), generation.checksum(start, at)];
  return befores.some((before) => generation.checksum(at, end, before) === next.readUInt32LE(RECORD.CHECKSUM));
}

/** What stands where a record's header would; null where the file ends before that. */
function headAt(file: JournalFile, generation: Generation, at: number): Buffer | null {
  const end = at + RECORD.BYTES;
  if (end > file.size) return null;
  const bytes = generation.room(end);
  return file.read(bytes, at, end) < end ? null : bytes.subarray(at, end);
}
