import { closeSync, constants, existsSync, fstatSync, openSync, readSync, write } from 'node:fs';
import { dirname } from 'node:path';
import { reason, storeError } from '../store-failure.js';
import { DataFolderError } from '../../errors.js';
import type { JournalWriter } from './journal-writer.js';
import { syncFolder } from '../sync-folder.js';

/** Reading: what one call takes. */
const READ_BYTES = 1 << 24;
/** Zeros that are written ahead at a time, at least and at most; and so many times the last piece, or a quarter of what there is. */
const AHEAD_LEAST = 1 << 16;
const AHEAD_MOST = 1 << 20;
const AHEAD_PIECES = 4;
/** From so much use on, all that a generation may take is made, a piece with each write: at first few are ever filled. */
const BUSY_BYTES = 1 << 19;
const ZEROS = Buffer.alloc(AHEAD_MOST);

/**
 * A file that is written in one piece after another and, once its content is elsewhere, from the start again: pages and blocks that
 * exist already cost a third of new ones (docs/decisions/0010), so in its first life zeros are written ahead of what comes: a write
 * that changes the file's length waits for the file system's own journal, and with it for what other files have in there. So do writes
 * beside it, so a file in use gets all of its blocks soon, and its successor before it is used.
 * O_DSYNC makes a write durable by itself, without a second call.
 */
export class JournalFile {
  readonly path: string;
  readonly #fd: number;
  readonly #writer: JournalWriter | null;
  /** Up to here the file has blocks; and up to where a generation may need them. */
  #made = 0;
  #whole: number;
  /** Zeros are being written from there on. */
  #making: Promise<void> | null = null;

  /** `writer`: null where another process writes it, and has made it. `whole`: what a generation may take. Throws DataFolderError. */
  constructor(path: string, writer: JournalWriter | null, whole = 0) {
    this.path = path;
    this.#writer = writer;
    this.#whole = whole;
    const fresh = writer !== null && !existsSync(path);
    try {
      this.#fd = writer === null
        ? openSync(path, constants.O_RDONLY)
        : openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_DSYNC, 0o600);
      if (fresh) syncFolder(dirname(path));
      this.#made = this.size;
    } catch (error) {
      throw new DataFolderError(path, `cannot be opened as a journal (${reason(error)})`, { cause: error });
    }
  }

  /** What earlier uses have left behind its end included. */
  get size(): number {
    return fstatSync(this.#fd).size;
  }

  /** Fills bytes[from, to) from the same place in the file; returns up to where there was something. Throws DataFolderError. */
  read(bytes: Buffer, from: number, to: number): number {
    try {
      for (let at = from; at < to;) {
        const read = readSync(this.#fd, bytes, at, Math.min(READ_BYTES, to - at), at);
        if (read === 0) return at;
        at += read;
      }
      return to;
    } catch (error) {
      throw new DataFolderError(this.path, `cannot be read (${reason(error)})`, { cause: error });
    }
  }

  /** A copy; null where the file ends before `to`. Throws DataFolderError. */
  bytesAt(from: number, to: number): Buffer | null {
    const bytes = Buffer.allocUnsafe(to - from);
    try {
      return readSync(this.#fd, bytes, 0, bytes.length, from) === bytes.length ? bytes : null;
    } catch (error) {
      throw new DataFolderError(this.path, `cannot be read (${reason(error)})`, { cause: error });
    }
  }

  /** Writes bytes[from, to) to the same place in the file. Resolves when they are on stable storage; rejects with StoreError. */
  async write(bytes: Buffer, from: number, to: number): Promise<void> {
    // Two writes never meet.
    if (to > this.#made && this.#making !== null) await this.#making;
    try {
      await this.#writer?.write(this.#fd, bytes, from, to);
    } catch (error) {
      throw storeError(error, this.path);
    }
    this.#made = Math.max(this.#made, to);
    this.#makeAhead(to, to - from);
  }

  #makeAhead(end: number, lastPiece: number): void {
    if (end >= BUSY_BYTES && !this.isWhole) return this.prepare();
    const ahead = Math.min(AHEAD_MOST, Math.max(AHEAD_LEAST, AHEAD_PIECES * lastPiece, end >> 2));
    if (this.#made - end <= ahead / 2) this.#make(ahead);
  }

  /** So much is written to it that its blocks have all been made. */
  get isBusy(): boolean {
    return this.#made >= BUSY_BYTES && this.isWhole;
  }

  /** It has all blocks that a generation needs, or cannot get them. */
  get isWhole(): boolean {
    return this.#made >= this.#whole;
  }

  /** Makes one more piece of the blocks that are missing, beside whatever is written. */
  prepare(): void {
    this.#make(Math.min(AHEAD_MOST, this.#whole - this.#made));
  }

  #make(bytes: number): void {
    if (this.#making !== null) return;
    // Where there is no room, the writes that need it say so.
    this.#making = writeAt(this.#fd, ZEROS, 0, bytes, this.#made)
      .then((written) => void (this.#made += written), () => void (this.#whole = 0))
      .finally(() => (this.#making = null));
  }

  /** Resolves when nothing of this process is written any more. */
  async close(): Promise<void> {
    await this.#making;
    closeSync(this.#fd);
  }
}

function writeAt(fd: number, bytes: Buffer, from: number, length: number, at: number): Promise<number> {
  return new Promise((resolve, reject) => {
    write(fd, bytes, from, length, at, (error, written) => (error === null ? resolve(written) : reject(error)));
  });
}
