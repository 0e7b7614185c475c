/**
 * The session log's files, little-endian. A segment begins with a header; then come batches, each what one write made durable: a header
 * and records. A record is a session as a whole (session-codec.ts), or how long the leases of a process were prolonged for.
 */

import { crc32 } from 'node:zlib';

const SEGMENT_MAGIC = 0x31535353; // "SSS1"
const BATCH_MAGIC = 0x31425353; // "SSB1"

/** Offsets. FIRST_BATCH: number of the first batch in this segment. START: of the process that wrote it. */
export const SEGMENT = { CHECKSUM: 4, START: 8, FIRST_BATCH: 16, BYTES: 24 } as const;
/** What follows CHECKSUM is covered by it. */
export const BATCH = { LENGTH: 4, CHECKSUM: 8, COUNT: 12, NUMBER: 16, BYTES: 24 } as const;
/** LENGTH includes this head. CREATED counts the sessions that were ever begun. */
export const RECORD = { LENGTH: 0, KIND: 4, ID: 8, CREATED: 24, BODY: 32 } as const;
export const KIND = { session: 1, alive: 2 } as const;
/** Of a record of kind `alive`: three doubles behind START, which is the double at CREATED. */
export const ALIVE = { UNTIL: RECORD.BODY, EXPIRES: RECORD.BODY + 8, FORGET: RECORD.BODY + 16, BYTES: RECORD.BODY + 24 } as const;

/** Leases that a process prolonged: until when (seconds), and how much longer than that sessions can be resumed and are kept (ms). */
export interface Alive {
  readonly until: number;
  readonly expires: number;
  readonly forget: number;
}

export interface SegmentHead {
  readonly start: number;
  readonly firstBatch: number;
}

export function encodeSegmentHead({ start, firstBatch }: SegmentHead): Buffer {
  const bytes = Buffer.alloc(SEGMENT.BYTES);
  bytes.writeUInt32LE(SEGMENT_MAGIC, 0);
  bytes.writeDoubleLE(start, SEGMENT.START);
  bytes.writeDoubleLE(firstBatch, SEGMENT.FIRST_BATCH);
  bytes.writeUInt32LE(crc32(bytes.subarray(SEGMENT.START)), SEGMENT.CHECKSUM);
  return bytes;
}

/** Null where no whole header is there. */
export function readSegmentHead(bytes: Buffer): SegmentHead | null {
  if (bytes.length < SEGMENT.BYTES || bytes.readUInt32LE(0) !== SEGMENT_MAGIC) return null;
  if (crc32(bytes.subarray(SEGMENT.START, SEGMENT.BYTES)) !== bytes.readUInt32LE(SEGMENT.CHECKSUM)) return null;
  return { start: bytes.readDoubleLE(SEGMENT.START), firstBatch: bytes.readDoubleLE(SEGMENT.FIRST_BATCH) };
}

/** Fills in the head of the batch at the beginning of `bytes`, whose records are there. */
export function sealBatch(bytes: Buffer, end: number, number: number, count: number): void {
  bytes.writeUInt32LE(BATCH_MAGIC, 0);
  bytes.writeUInt32LE(end, BATCH.LENGTH);
  bytes.writeUInt32LE(count, BATCH.COUNT);
  bytes.writeDoubleLE(number, BATCH.NUMBER);
  bytes.writeUInt32LE(crc32(bytes.subarray(BATCH.COUNT, end)), BATCH.CHECKSUM);
}

/** Where the batch at `at` ends; -1 where there is no whole one with this number. */
export function batchEnd(bytes: Buffer, at: number, number: number): number {
  if (at + BATCH.BYTES > bytes.length || bytes.readUInt32LE(at) !== BATCH_MAGIC) return -1;
  const end = at + bytes.readUInt32LE(at + BATCH.LENGTH);
  if (end < at + BATCH.BYTES || end > bytes.length || bytes.readDoubleLE(at + BATCH.NUMBER) !== number) return -1;
  return crc32(bytes.subarray(at + BATCH.COUNT, end)) === bytes.readUInt32LE(at + BATCH.CHECKSUM) ? end : -1;
}

/** Calls `visit` with the place of each record of the batch at `at`. */
export function recordsOf(bytes: Buffer, at: number, visit: (record: number) => void): void {
  const count = bytes.readUInt32LE(at + BATCH.COUNT);
  let record = at + BATCH.BYTES;
  for (let i = 0; i < count; i += 1) {
    visit(record);
    record += bytes.readUInt32LE(record + RECORD.LENGTH);
  }
}

export function readAlive(bytes: Buffer, record: number): Alive {
  return {
    until: bytes.readDoubleLE(record + ALIVE.UNTIL),
    expires: bytes.readDoubleLE(record + ALIVE.EXPIRES),
    forget: bytes.readDoubleLE(record + ALIVE.FORGET),
  };
}
