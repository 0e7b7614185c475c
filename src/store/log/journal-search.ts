import { crc32 } from 'node:zlib';
import type { JournalFile } from './journal-file.js';
import { RECORD, RECORD_MAGIC } from './journal-record.js';

/** Read at once. */
const WINDOW_BYTES = 1 << 18;
/** Of what looks like a record and is none, so much is read for each byte of the file: more are no accident. */
const PATIENCE = 4;
const MAGIC = Buffer.alloc(4);
MAGIC.writeUInt32LE(RECORD_MAGIC);

interface Found {
  readonly at: number;
  readonly end: number;
  readonly commit: number;
  readonly checksum: number;
}

/**
 * Whether records of a generation stand behind a place where the one after `commit` should be. That one may be damaged anywhere, in its
 * length too, and others with it; what tells a record from bytes that look like one is a checksum that starts from the one before it.
 *
 * What clients have sent lies within a record. If a crash has torn that one, no records that somebody made up in there may count: one there
 * has to continue the torn record's own checksum, which nobody could know, and two that belong together count behind its end only.
 */
export function findsRecordBehind(file: JournalFile, generation: number, start: number, commit: number): boolean {
  const search = new Search(file, generation);
  const broken = file.bytesAt(start, start + RECORD.BYTES);
  if (broken === null) return false;
  const checksum = broken.readUInt32LE(RECORD.CHECKSUM);
  // A length that cannot be is no crash's doing.
  const end = search.recordIn(broken, start)?.end ?? start;
  for (const found of search.records(start + 8)) {
    if (found.commit === commit + 2 && search.continues(found, checksum)) return true;
    if (found.commit >= commit + 2 && found.at >= end && search.isFollowed(found)) return true;
  }
  return false;
}

class Search {
  readonly #file: JournalFile;
  readonly #generation: number;
  readonly #size: number;
  #patience: number;

  constructor(file: JournalFile, generation: number) {
    this.#file = file;
    this.#generation = generation;
    this.#size = file.size;
    this.#patience = this.#size * PATIENCE;
  }

  /** What looks like one, from `from` on. */
  *records(from: number): Generator<Found> {
    for (let window = from; window < this.#size; window += WINDOW_BYTES) {
      const bytes = this.#file.bytesAt(window, Math.min(window + WINDOW_BYTES, this.#size));
      if (bytes === null) return;
      for (let i = bytes.indexOf(MAGIC); i >= 0; i = bytes.indexOf(MAGIC, i + 1)) {
        if (i % 8 !== 0) continue;
        const isInside = i + RECORD.BYTES <= bytes.length;
        const found = isInside ? this.recordIn(bytes.subarray(i, i + RECORD.BYTES), window + i) : this.#recordAt(window + i);
        if (found !== null) yield found;
      }
    }
  }

  #recordAt(at: number): Found | null {
    const head = this.#file.bytesAt(at, at + RECORD.BYTES);
    return head === null ? null : this.recordIn(head, at);
  }

  /** What the header says, if it can be one of this generation's. */
  recordIn(head: Buffer, at: number): Found | null {
    const length = head.readUInt32LE(RECORD.LENGTH);
    if (head.readUInt32LE(0) !== RECORD_MAGIC || head.readDoubleLE(RECORD.GENERATION) !== this.#generation) return null;
    if (length < RECORD.BYTES || length % 8 !== 0 || at + length > this.#size) return null;
    return { at, end: at + length, commit: head.readDoubleLE(RECORD.COMMIT), checksum: head.readUInt32LE(RECORD.CHECKSUM) };
  }

  continues({ at, end, checksum }: Found, before: number): boolean {
    if (end - at > this.#patience) return false;
    this.#patience -= end - at;
    const bytes = this.#file.bytesAt(at + RECORD.CHECKSUM + 4, end);
    return bytes !== null && crc32(bytes, before) === checksum;
  }

  isFollowed({ end, commit, checksum }: Found): boolean {
    const next = this.#recordAt(end);
    return next !== null && next.commit === commit + 1 && this.continues(next, checksum);
  }
}
