import { StoreError } from '../../errors.js';
import type { Generation } from './generation.js';

/**
 * A commit in the journal: a record header, an entry for each message in the order in which they came, then their frames.
 * Little-endian, everything on 8-byte borders. A checksum starts from the one before, so that neither what an earlier life of
 * the file has left nor what a client sends can be taken for a record.
 */

export const RECORD_MAGIC = 0x314a4c53; // "SLJ1"

/** Offsets in a record's header; what follows CHECKSUM is covered by it. */
export const RECORD = {
  LENGTH: 4,
  GENERATION: 8,
  COMMIT: 16,
  CHECKSUM: 24,
  COUNT: 28,
  MAX_LAMPORT: 32,
  MAX_TIMESTAMP: 40,
  WRITTEN: 48,
  BYTES: 56,
} as const;

/** Offsets in a message's entry, which begins with its length; sender and key follow. FRAME_AT is the frame's place in the file. */
export const ENTRY = {
  CHANNEL: 4,
  SEQ: 8,
  ID_HIGH: 16,
  SERVER_TS: 24,
  LAMPORT: 32,
  ID_LOW: 40,
  SENDER_BYTES: 44,
  KEY_BYTES: 48,
  FRAME_BYTES: 52,
  FRAME_AT: 56,
  BYTES: 64,
} as const;

export interface RecordHeader {
  readonly end: number;
  readonly generation: number;
  readonly commit: number;
  readonly maxLamport: number;
  readonly maxTimestamp: number;
}

/** Number of the life that the file's first record belongs to; null when there is none. */
export function generationOf(file: Buffer): number | null {
  if (file.length < RECORD.BYTES || file.readUInt32LE(0) !== RECORD_MAGIC) return null;
  const number = file.readDoubleLE(RECORD.GENERATION);
  return Number.isSafeInteger(number) && number > 0 ? number : null;
}

/** What the record behind the generation's last one says of its length; 0 where the file, of which `fileBytes` are there, has none. */
export function recordLength({ end: start, u32 }: Generation, fileBytes: number): number {
  return start + RECORD.BYTES > fileBytes || u32[start >> 2] !== RECORD_MAGIC ? 0 : u32[(start + RECORD.LENGTH) >> 2]!;
}

/** The record behind the generation's last one, or null when none was finished there. */
export function nextRecord(generation: Generation, fileBytes: number): RecordHeader | null {
  const { end: start, u32, f64 } = generation;
  const length = recordLength(generation, fileBytes);
  const end = start + length;
  if (length < RECORD.BYTES || length % 8 !== 0 || end > fileBytes) return null;
  if (f64[(start + RECORD.GENERATION) >> 3] !== generation.number) return null;
  if (generation.checksum(start, end) !== u32[(start + RECORD.CHECKSUM) >> 2]) return null;
  checkEntries(generation, start, end);
  return {
    end,
    generation: generation.number,
    commit: f64[(start + RECORD.COMMIT) >> 3]!,
    maxLamport: f64[(start + RECORD.MAX_LAMPORT) >> 3]!,
    maxTimestamp: f64[(start + RECORD.MAX_TIMESTAMP) >> 3]!,
  };
}

/** The checksum was right, so this holds unless another release wrote it. */
function checkEntries({ u32 }: Generation, start: number, end: number): void {
  let at = start + RECORD.BYTES;
  for (let left = u32[(start + RECORD.COUNT) >> 2]!; left > 0; left--) {
    const length = at + ENTRY.BYTES <= end ? u32[at >> 2]! : 0;
    const strings = u32[(at + ENTRY.SENDER_BYTES) >> 2]! + u32[(at + ENTRY.KEY_BYTES) >> 2]!;
    if (length % 8 !== 0 || length < ENTRY.BYTES + strings || at + length > end) break;
    const frame = u32[(at + ENTRY.FRAME_AT) >> 2]!;
    if (frame < start || frame + u32[(at + ENTRY.FRAME_BYTES) >> 2]! > end) break;
    at += length;
    if (left === 1) return;
  }
  throw new StoreError('a record of the journal has lengths that do not fit', false);
}
