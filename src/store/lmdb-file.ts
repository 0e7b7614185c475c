import { closeSync, existsSync, fstatSync, openSync, readSync, statSync } from 'node:fs';
import { reason } from './store-failure.js';
import { DataFolderError } from '../errors.js';

/**
 * A database file before LMDB maps it (mdb.c of lmdb 3.5, data version 2, little-endian). LMDB believes every page number: one behind the
 * file's end, because the file was cut or a bit has changed, ends the process by SIGBUS without a word. So the trees are looked through
 * beforehand, from the newest of the two meta pages, as far as a start may wait for.
 */

const MAGIC = 0xbeefc0de;
const VERSION = 2;
const METAS = 2;
/** Offsets in a page; numbers of nodes and their places count from the header's end. */
const PAGE = { NUMBER: 0, FLAGS: 18, LOWER: 20, UPPER: 22, HEADER: 24 } as const;
/** Offsets in a meta page. TREES: that of free pages, then that of the tables' names. */
const META = { MAGIC: 24, VERSION: 28, TREES: 48, LAST_PAGE: 144, TRANSACTION: 152, BYTES: 160 } as const;
/** Offsets in what stands for a tree. The page's size is where the first one, whose keys are numbers, has no use for it. */
const TREE = { PAGE_BYTES: 0, ROOT: 40, BYTES: 48 } as const;
/** Offsets in a node, whose key follows. A branch's page number is six bytes from its beginning on. */
const NODE = { DATA_BYTES: 0, FLAGS: 4, KEY_BYTES: 6, KEY: 8, PAGE_BYTES: 6 } as const;
const BRANCH = 1;
const LEAF = 2;
const KIND_BITS = 0x7f;
/** The node's value is in pages of its own, of which it names first and count; or it is a table's tree. */
const BIG = 1;
const TABLE = 2;
const BIG_COUNT = 16;
const BIG_BYTES = 24;
/** No page at all. */
const NONE = 2 ** 64;
/** Some 15 ms; the pages nearest to the roots come first. A file that is shorter than it should be is looked through whole. */
const PAGES_AT_START = 1024;

interface Shape {
  readonly pageBytes: number;
  /** What there is. */
  readonly pages: number;
  readonly lastPage: number;
  readonly roots: readonly number[];
}

/** Throws DataFolderError. `brief`: only what never changes is looked at, for another process may be writing it. */
export function checkLmdbFile(path: string, brief: boolean): void {
  if (!existsSync(path)) return;
  if (!statSync(path).isFile()) throw new DataFolderError(path, 'is not a file');
  let fd: number;
  try {
    fd = openSync(path, 'r+');
  } catch (error) {
    throw new DataFolderError(path, `cannot be written (${reason(error)})`, { cause: error });
  }
  try {
    if (hasMagic(fd, path) && !brief) new Walk(fd, path, readShape(fd, path)).run();
  } finally {
    closeSync(fd);
  }
}

function damaged(path: string, what: string, cause?: unknown): DataFolderError {
  return new DataFolderError(path, `is damaged: ${what}`, { remedy: 'Restore the data folder from a copy.', cause });
}

/** What LMDB says of a file that it cannot read is a number, and a line in its own words. */
export function openingError(error: unknown, path: string): unknown {
  return typeof (error as { code?: unknown }).code === 'number' ? damaged(path, reason(error), error) : error;
}

/** False for an empty file, which is what a crash at the very first opening leaves. */
function hasMagic(fd: number, path: string): boolean {
  const head = Buffer.alloc(META.MAGIC + 4);
  const bytes = readSync(fd, head, 0, head.length, 0);
  if (bytes === 0) return false;
  if (bytes === head.length && head.readUInt32LE(META.MAGIC) === MAGIC) return true;
  throw new DataFolderError(path, 'was not made by Sluice: it is not an LMDB file', {
    remedy: 'Name another data folder, or move the file away.',
  });
}

const numberAt = (bytes: Buffer, at: number): number => bytes.readUInt32LE(at + 4) * 2 ** 32 + bytes.readUInt32LE(at);

function readShape(fd: number, path: string): Shape {
  const first = readMeta(fd, path, 0);
  const pageBytes = first.readUInt32LE(META.TREES + TREE.PAGE_BYTES);
  if (pageBytes < 512 || pageBytes > 65_536 || (pageBytes & (pageBytes - 1)) !== 0) throw damaged(path, `pages of ${pageBytes} bytes`);
  const second = readMeta(fd, path, pageBytes);
  const newest = numberAt(first, META.TRANSACTION) >= numberAt(second, META.TRANSACTION) ? first : second;
  const roots = [0, 1].map((tree) => numberAt(newest, META.TREES + tree * TREE.BYTES + TREE.ROOT));
  return { pageBytes, pages: Math.floor(fstatSync(fd).size / pageBytes), lastPage: numberAt(newest, META.LAST_PAGE), roots };
}

function readMeta(fd: number, path: string, at: number): Buffer {
  const meta = Buffer.alloc(META.BYTES);
  if (readSync(fd, meta, 0, META.BYTES, at) < META.BYTES) throw damaged(path, 'it ends within its first pages');
  if (meta.readUInt32LE(META.MAGIC) !== MAGIC || (meta.readUInt32LE(META.VERSION) & 0xffff) !== VERSION) {
    throw damaged(path, 'its first pages are not those of a database');
  }
  return meta;
}

/** Through the trees level by level. */
class Walk {
  readonly #fd: number;
  readonly #path: string;
  readonly #shape: Shape;
  readonly #queue: number[] = [];
  readonly #page: Buffer;
  readonly #most: number;

  constructor(fd: number, path: string, shape: Shape) {
    this.#fd = fd;
    this.#path = path;
    this.#shape = shape;
    this.#page = Buffer.alloc(shape.pageBytes);
    // Pages at its end that nothing is in are not always written, so this alone is no damage. No tree has more pages than the file.
    this.#most = shape.pages > shape.lastPage ? PAGES_AT_START : shape.pages;
  }

  run(): void {
    for (const root of this.#shape.roots) this.#add(root);
    for (let i = 0; i < this.#queue.length; i++) {
      if (i > this.#shape.pages) throw damaged(this.#path, 'its pages lie in a circle');
      if (i >= this.#most) return;
      this.#look(this.#queue[i]!);
    }
  }

  #add(page: number): void {
    if (page === NONE) return;
    this.#present(page, 1);
    this.#queue.push(page);
  }

  #present(page: number, count: number): void {
    const { pages, lastPage } = this.#shape;
    if (page >= METAS && count > 0 && page + count - 1 <= lastPage && page + count <= pages) return;
    throw damaged(this.#path, `page ${page} is asked for, and there are ${Math.min(pages, lastPage + 1)}`);
  }

  #look(number: number): void {
    const { pageBytes } = this.#shape;
    const page = this.#page;
    readSync(this.#fd, page, 0, pageBytes, number * pageBytes);
    const kind = page.readUInt16LE(PAGE.FLAGS) & KIND_BITS;
    const lower = page.readUInt16LE(PAGE.LOWER);
    const upper = page.readUInt16LE(PAGE.UPPER);
    const whole = numberAt(page, PAGE.NUMBER) === number && (kind === BRANCH || kind === LEAF) && lower % 2 === 0 && lower <= upper;
    if (!whole || PAGE.HEADER + upper > pageBytes) throw this.#bad(number);
    for (let at: number = PAGE.HEADER; at < PAGE.HEADER + lower; at += 2) {
      const node = PAGE.HEADER + page.readUInt16LE(at);
      if (node < PAGE.HEADER + upper || node + NODE.KEY > pageBytes) throw this.#bad(number);
      if (kind === BRANCH) this.#add(page.readUIntLE(node, NODE.PAGE_BYTES));
      else this.#lookAtLeaf(number, node);
    }
  }

  #lookAtLeaf(number: number, node: number): void {
    const page = this.#page;
    const flags = page.readUInt16LE(node + NODE.FLAGS);
    const value = node + NODE.KEY + page.readUInt16LE(node + NODE.KEY_BYTES);
    const bytes = (flags & BIG) !== 0 ? BIG_BYTES : page.readUInt32LE(node + NODE.DATA_BYTES);
    if (value + bytes > page.length || ((flags & TABLE) !== 0 && bytes < TREE.BYTES)) throw this.#bad(number);
    if ((flags & BIG) !== 0) this.#present(numberAt(page, value), numberAt(page, value + BIG_COUNT));
    else if ((flags & TABLE) !== 0) this.#add(numberAt(page, value + TREE.ROOT));
  }

  #bad(number: number): DataFolderError {
    return damaged(this.#path, `page ${number} is not what it was`);
  }
}
