import { StoreError } from '../../errors.js';
import { BATCH, batchEnd, recordsOf, SEGMENT } from './format.js';
import type { SegmentFile } from './segment-file.js';

/** What is read at a time; a batch that is longer is read as a whole. */
const WINDOW_BYTES = 1 << 18;
const NONE = Buffer.alloc(0);

/**
 * Reads a segment batch by batch through one piece of memory: a segment as a whole is what makes V8 look for garbage in all of its heap at
 * once, which holds everything up (docs/decisions/0170).
 */
export class SegmentReader {
  /** What is in memory of the segment, and where that begins in it. */
  bytes: Buffer = NONE;
  base = 0;
  #memory: Buffer = NONE;
  #file: SegmentFile | null = null;
  #batch = 0;
  /** Where the batch begins and ends in `bytes`. */
  #at = 0;
  #end = 0;

  begin(file: SegmentFile): void {
    this.#file = file;
    this.#batch = file.head.firstBatch - 1;
    this.base = SEGMENT.BYTES;
    this.bytes = NONE;
    this.#at = 0;
    this.#end = 0;
  }

  /** Goes to the next batch; false behind the last one, when the memory is let go. Rejects with StoreError, also where one is damaged. */
  async next(): Promise<boolean> {
    const file = this.#file as SegmentFile;
    this.#at = this.#end;
    this.#batch += 1;
    let end = batchEnd(this.bytes, this.#at, this.#batch);
    for (let want = WINDOW_BYTES; end < 0 && (await this.#load(want)); want = this.#lengthOfBatch()) {
      end = batchEnd(this.bytes, this.#at, this.#batch);
    }
    if (end >= 0) {
      this.#end = end;
      return true;
    }
    const behind = this.base + this.#at;
    this.#letGo();
    if (behind < file.bytes) throw new StoreError(`${file.path} is damaged at ${behind}`, false);
    return false;
  }

  /** Where the records of the batch are in `bytes`. */
  records(): number[] {
    const records: number[] = [];
    recordsOf(this.bytes, this.#at, (record) => records.push(record));
    return records;
  }

  #lengthOfBatch(): number {
    return this.bytes.length < BATCH.BYTES ? 0 : this.bytes.readUInt32LE(BATCH.LENGTH);
  }

  /** Reads `want` bytes from where the batch begins; false where that is no more than there is already. */
  async #load(want: number): Promise<boolean> {
    const file = this.#file as SegmentFile;
    const from = this.base + this.#at;
    const length = Math.min(want, file.bytes - from);
    if (length <= this.bytes.length - this.#at) return false;
    if (length > this.#memory.length) this.#memory = Buffer.allocUnsafeSlow(Math.max(length, WINDOW_BYTES));
    let got = 0;
    for (let read = -1; got < length && read !== 0; got += read) read = await file.readSoon(this.#memory.subarray(got, length), from + got);
    this.base = from;
    this.bytes = this.#memory.subarray(0, got);
    this.#at = 0;
    this.#end = 0;
    return true;
  }

  #letGo(): void {
    this.#file = null;
    this.bytes = NONE;
    this.#memory = NONE;
  }
}
