import { randomBytes } from 'node:crypto';
import { nameKey, readU48, seqValue } from './table-keys.js';
import type { LmdbEnv, Tables } from '../lmdb-env.js';

export interface ChannelRecord {
  readonly id: number;
  readonly epoch: string;
  /** Milliseconds since the Unix epoch. */
  readonly created: number;
}

const NEXT_ID = Buffer.from('nextChannelId');
/**
 * Ids are reserved in blocks: a crash may waste a block, but never gives one id to two names. Each time that new channels come faster than
 * commits, so that one has to be waited for, the next block is twice as large.
 */
const BLOCK = 1024;
const BLOCK_MOST = 65_536;
const HEADER = 12;

function encodeChannel(record: ChannelRecord): Buffer {
  const bytes = Buffer.alloc(HEADER + Buffer.byteLength(record.epoch));
  bytes.writeUInt32LE(record.id, 0);
  bytes.writeDoubleLE(record.created, 4);
  bytes.utf8Write(record.epoch, HEADER);
  return bytes;
}

function decodeChannel(bytes: Buffer, length: number): ChannelRecord {
  return { id: bytes.readUInt32LE(0), created: bytes.readDoubleLE(4), epoch: bytes.toString('utf8', HEADER, length) };
}

const headKey = (channelId: number): Buffer => {
  const key = Buffer.from('h\0\0\0\0');
  key.writeUInt32BE(channelId, 1);
  return key;
};

const EPOCH_BYTES = 6;
/** Drawn at a time: a call costs as much as all of them. */
const EPOCHS = 256;
let drawn = Buffer.alloc(0);
let used = 0;

/** Random enough that two lives of a channel never share one; short because every position carries it. */
function newEpoch(): string {
  if (used === drawn.length) {
    drawn = randomBytes(EPOCHS * EPOCH_BYTES);
    used = 0;
  }
  used += EPOCH_BYTES;
  return drawn.readUIntBE(used - EPOCH_BYTES, EPOCH_BYTES).toString(36);
}

/**
 * Names and ids of channels. A new one is written with the next commit, so that opening ten thousand channels is not ten
 * thousand waits for the disk: until then nothing of it is in the log, and its id is reserved.
 */
export class ChannelTable {
  readonly #env: LmdbEnv;
  readonly #now: () => number;
  /** Not yet durable. */
  readonly #unwritten = new Map<string, ChannelRecord>();
  #writing: [string, ChannelRecord][] = [];
  /** Asked for last, and not there: who makes a channel has asked for it before. */
  #missing: string | null = null;
  #nextId: number;
  #reserved: number;
  #reserving = 0;
  #block = BLOCK;

  constructor(env: LmdbEnv, now: () => number) {
    this.#env = env;
    this.#now = now;
    const stored = env.tables.meta.getBinaryFast(NEXT_ID);
    this.#nextId = stored === undefined ? 1 : readU48(stored, 0);
    this.#reserved = this.#nextId;
  }

  get hasUnwritten(): boolean {
    return this.#unwritten.size > 0;
  }

  find(name: string): ChannelRecord | null {
    const unwritten = this.#unwritten.get(name);
    if (unwritten !== undefined) return unwritten;
    if (name === this.#missing) return null;
    const stored = this.#env.tables.channels.getBinaryFast(nameKey(name));
    if (stored !== undefined) return decodeChannel(stored, stored.length);
    this.#missing = name;
    return null;
  }

  create(name: string): ChannelRecord {
    if (this.#nextId >= this.#reserved) {
      const reserved = this.#nextId + this.#block;
      this.#env.commitSync((tables) => void tables.meta.put(NEXT_ID, seqValue(reserved)));
      this.#reserved = reserved;
      this.#block = Math.min(BLOCK_MOST, 2 * this.#block);
    }
    return this.#add(name, { id: this.#nextId++, epoch: newEpoch(), created: this.#now() });
  }

  #add(name: string, record: ChannelRecord): ChannelRecord {
    this.#unwritten.set(name, record);
    this.#missing = null;
    return record;
  }

  /** A channel that a process which ended had made, and not written; its id was reserved by that process. */
  adopt(name: string, id: number, epoch: string): ChannelRecord {
    this.#nextId = Math.max(this.#nextId, id + 1);
    return this.#add(name, { id, epoch, created: this.#now() });
  }

  /** Part of a commit: what is new since the last one. */
  write(tables: Tables): void {
    this.#writing = [...this.#unwritten];
    for (const [name, record] of this.#writing) void tables.channels.put(nameKey(name), encodeChannel(record));
    if (this.#writing.length === 0) return;
    if (this.#reserved - this.#nextId < this.#block / 2) {
      this.#reserving = this.#nextId + this.#block;
      void tables.meta.put(NEXT_ID, seqValue(this.#reserving));
    }
  }

  /** The commit that write() took part in is durable. */
  written(): void {
    for (const [name] of this.#writing) this.#unwritten.delete(name);
    this.#writing = [];
    if (this.#reserving > this.#reserved) this.#reserved = this.#reserving;
    this.#reserving = 0;
  }

  /** The last commit of an orderly end gives the rest of the block back. */
  writeEnd(tables: Tables): void {
    void tables.meta.put(NEXT_ID, seqValue(this.#nextId));
  }

  /** Highest seq of a channel of which retention has removed every message, or 0. */
  removedHead(channelId: number): number {
    const stored = this.#env.tables.meta.getBinaryFast(headKey(channelId));
    return stored === undefined ? 0 : readU48(stored, 0);
  }

  writeRemovedHead(tables: Tables, channelId: number, seq: number): void {
    void tables.meta.put(headKey(channelId), seqValue(seq));
  }
}
