import { close, closeSync, constants, fstatSync, open, openSync, read, readSync, write } from 'node:fs';
import { open as openHandle, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { DataFolderError, StoreError } from '../../errors.js';
import { reason, storeError } from '../store-failure.js';
import { encodeSegmentHead, readSegmentHead, SEGMENT, type SegmentHead } from './format.js';
import { syncFolderSoon } from '../sync-folder.js';

export const NO_SEGMENT = 'is not a segment of a session store, or is damaged';
/** What a file that goes gives back at a time, and the rest behind it. */
const SHRINK_BYTES = 1 << 20;
const SHRINK_PAUSE_MS = 4;
export const DAMAGED = { remedy: 'Restore the data folder from a copy, or move its sessions away: clients then begin new ones.' };

/** One file of the session log. Writes are durable when they resolve (O_DSYNC). */
export class SegmentFile {
  readonly path: string;
  readonly number: number;
  readonly head: SegmentHead;
  /** Up to here it holds whole batches. */
  bytes: number;
  readonly #fd: number;

  private constructor(path: string, number: number, head: SegmentHead, fd: number, bytes: number) {
    this.path = path;
    this.number = number;
    this.head = head;
    this.bytes = bytes;
    this.#fd = fd;
  }

  /** Begins a file. Rejects with StoreError. */
  static async create(path: string, number: number, head: SegmentHead): Promise<SegmentFile> {
    let file: SegmentFile | null = null;
    try {
      const fd = await promisify(open)(path, constants.O_RDWR | constants.O_CREAT | constants.O_TRUNC | constants.O_DSYNC, 0o600);
      file = new SegmentFile(path, number, head, fd, 0);
      const bytes = encodeSegmentHead(head);
      await file.write(bytes, bytes.length, 0);
      await syncFolderSoon(dirname(path));
      return file;
    } catch (error) {
      file?.close();
      throw storeError(error, path);
    }
  }

  /** A file that another process wrote, or writes; null where not even its head is whole. Throws DataFolderError. */
  static adopt(path: string, number: number): SegmentFile | null {
    let fd = -1;
    try {
      fd = openSync(path, constants.O_RDONLY);
      const bytes = Buffer.alloc(SEGMENT.BYTES);
      const got = readSync(fd, bytes, 0, bytes.length, 0);
      const head = readSegmentHead(bytes.subarray(0, got));
      if (head !== null) return new SegmentFile(path, number, head, fd, SEGMENT.BYTES);
      // A crash at its very beginning: nothing was in it.
      if (fstatSync(fd).size > SEGMENT.BYTES) throw new DataFolderError(path, NO_SEGMENT, DAMAGED);
    } catch (error) {
      if (fd >= 0) closeSync(fd);
      if (error instanceof DataFolderError) throw error;
      throw new DataFolderError(path, `cannot be read (${reason(error)})`, { cause: error });
    }
    closeSync(fd);
    return null;
  }

  /** Bytes of the file; what is behind `bytes` may be half of a batch. */
  get size(): number {
    return fstatSync(this.#fd).size;
  }

  /** Writes bytes[0, length) at `at`. Rejects with StoreError. */
  async write(bytes: Buffer, length: number, at: number): Promise<void> {
    for (let done = 0; done < length;) {
      let written: number;
      try {
        written = await transfer(write, this.#fd, bytes, done, length - done, at + done);
      } catch (error) {
        throw storeError(error, this.path);
      }
      if (written === 0) throw new StoreError(`${this.path} could not be written: the device takes nothing`, true);
      done += written;
    }
    this.bytes = at + length;
  }

  /** Fills `into` from `at` on; returns how much there was. Throws StoreError. */
  readAt(into: Buffer, at: number): number {
    try {
      return readSync(this.#fd, into, 0, into.length, at);
    } catch (error) {
      throw this.#unreadable(error);
    }
  }

  /** The same, without holding up this thread. */
  async readSoon(into: Buffer, at: number): Promise<number> {
    try {
      return await transfer(read, this.#fd, into, 0, into.length, at);
    } catch (error) {
      throw this.#unreadable(error);
    }
  }

  #unreadable(error: unknown): StoreError {
    return new StoreError(`${this.path} could not be read: ${reason(error)}`, true, { cause: error });
  }

  close(): void {
    closeSync(this.#fd);
  }

  /**
   * What it holds is elsewhere. To give back all blocks of a long file takes tens of milliseconds, for which this thread does not wait; but
   * where the device is told of them (`discard`) other writes do. So it gets shorter in pieces, unless that is `hurried`.
   */
  async remove(hurried: () => boolean): Promise<void> {
    try {
      // Files of an earlier process are open for reading only.
      const file = await openHandle(this.path, 'r+');
      try {
        await unlink(this.path);
        for (let left = this.size - SHRINK_BYTES; left > 0 && !hurried(); left -= SHRINK_BYTES) {
          await file.truncate(left);
          await new Promise((resolve) => setTimeout(resolve, SHRINK_PAUSE_MS));
        }
      } finally {
        await file.close();
      }
    } finally {
      await promisify(close)(this.#fd);
    }
  }
}

type Transfer = (
  fd: number, bytes: Buffer, from: number, length: number, at: number, done: (error: Error | null, bytes: number) => void,
) => void;

function transfer(call: Transfer, fd: number, bytes: Buffer, from: number, length: number, at: number): Promise<number> {
  return new Promise((resolve, reject) => {
    call(fd, bytes, from, length, at, (error, moved) => (error === null ? resolve(moved) : reject(error)));
  });
}
