import { join } from 'node:path';
import type { ArchiveBacklog, ArchiveBatch, ArchiveSource } from '../archive/archive-source.js';
import type { AdoptedHead, ChannelHead, FirstResult, FrameRun, LogEntry, MessageLog } from '../types.js';
import { ChannelTable, type ChannelRecord } from './channels.js';
import { Chunks } from './chunks.js';
import { FolderLock } from '../folder-lock.js';
import type { Generation } from './generation.js';
import { checkNoJournal, Journal } from './journal.js';
import { KeyRuns } from './key-runs.js';
import type { LogFollower } from './follower.js';
import { LogIndex } from './segment-index.js';
import { LmdbEnv, LOG_TABLES } from '../lmdb-env.js';
import { openingError } from '../lmdb-file.js';
import { idHigh, idLow } from '../message-id.js';
import type { MessageView } from './segment.js';
import { readRun } from './read.js';
import { TableWriter } from './table-writer.js';
import { StoreError } from '../../errors.js';

export interface LmdbMessageLogOptions {
  /** The data folder; made when it is missing. */
  readonly folder: string;
  /** Milliseconds; null keeps messages for ever. */
  readonly maxAgeMs?: number | null;
  /** Bytes of messages; null: no bound. */
  readonly maxBytes?: number | null;
  /**
   * Messages are archived (ArchiveSource): what was not yet stays, up to this many bytes beyond the other limits. Null: they are not.
   */
  readonly backlogBytes?: number | null;
  /** Messages that are gathered in the journal before they move to the tables: memory while running, and what an opening reads again. */
  readonly tailMessages?: number;
  readonly mapBytes?: number;
  /** Whether the journal's thread goes before others, where it may. */
  readonly realtimeWrites?: boolean;
  /** Milliseconds since the Unix epoch. */
  readonly now?: () => number;
  /** Messages cannot be read any more, because bits have changed on the disk; once for each chunk of them. */
  readonly onDamage?: (error: StoreError) => void;
  /** What was read of the folder already. */
  readonly follower?: LogFollower;
  /** Another process had the folder open until a moment ago, and clients wait: its files are not looked through again. */
  readonly hurried?: boolean;
}

/** What a generation may take in the journal and in memory, whatever the size of its messages. */
const TAIL_BYTES = 16 << 20;
/**
 * Retention removes from the tables only, so what waits in the journal is beside its bound: less where that is small. Generations below
 * the least would be moved many times a second.
 */
const TAIL_SHARE = 1 / 8;
const TAIL_LEAST_BYTES = 1 << 20;
export const MAP_BYTES = 2 ** 36;
const MAINTENANCE_MS = 1_000;
/** By which the last record of a generation may go beyond its bound, as a rule: blocks of the journal are made for it. */
const RECORD_MOST = 1 << 20;
/** While the tables cannot be written the journal goes on up to so many times its usual size. */
const PATIENCE = 2;
/** Share of maxAgeMs that messages wait in the journal at most before they move to the tables, from where retention removes them. */
const AGE_SHARE = 1 / 8;
/** The same in milliseconds, where they are archived from the tables. */
const ARCHIVE_WAIT_MS = 5_000;
export const LOG_FILE = { file: 'log.mdb', names: LOG_TABLES, what: 'message log' } as const;

export function journalFiles(folder: string): [string, string] {
  return [join(folder, 'journal-0'), join(folder, 'journal-1')];
}

/** The embedded message log: a journal that makes a commit durable, and tables (one LMDB file) to which its messages move in bulk. */
export class LmdbMessageLog implements MessageLog, ArchiveSource {
  readonly #lock: FolderLock;
  readonly #env: LmdbEnv;
  readonly #now: () => number;
  readonly #tailMessages: number;
  readonly #tailBytes: number;
  /** Milliseconds after which messages move to the tables. */
  readonly #tailAgeMs: number;
  readonly #journal: Journal;
  readonly #index: LogIndex;
  readonly #channels: ChannelTable;
  readonly #tables: TableWriter;
  /** Settles with the last append that was asked for; they run one after another. */
  #last: Promise<void> = Promise.resolve();
  #flushQueued = false;
  #closed = false;
  readonly #timer: NodeJS.Timeout | null;

  /** Throws DataFolderError when the folder cannot be used or another process has it. */
  constructor(options: LmdbMessageLogOptions) {
    this.#now = options.now ?? Date.now;
    this.#tailMessages = options.tailMessages ?? 20_000;
    const { maxAgeMs = null, maxBytes = null, backlogBytes = null } = options;
    this.#tailBytes = Math.min(TAIL_BYTES, Math.max(TAIL_LEAST_BYTES, (maxBytes ?? Infinity) * TAIL_SHARE));
    this.#tailAgeMs = Math.min((maxAgeMs ?? Infinity) * AGE_SHARE, backlogBytes === null ? Infinity : ARCHIVE_WAIT_MS);
    LmdbEnv.prepare(options.folder);
    this.#lock = new FolderLock(options.folder);
    try {
      const { hurried = false } = options;
      this.#env = new LmdbEnv({ ...LOG_FILE, folder: options.folder, mapBytes: options.mapBytes ?? MAP_BYTES, hurried });
      const state = TableWriter.readState(this.#env, () => checkNoJournal(journalFiles(options.folder), this.#env.path));
      const generationBytes = this.#tailBytes + RECORD_MOST;
      const follower = options.follower?.journal ?? null;
      const realtime = options.realtimeWrites ?? true;
      const journal = { follower, hurried, generationBytes, realtime };
      this.#journal = new Journal(journalFiles(options.folder), state, state.seed, journal);
      const keys = new KeyRuns(this.#env);
      const chunks = new Chunks(this.#env, options.onDamage ?? (() => undefined));
      this.#index = new LogIndex(this.#env, chunks, this.#journal.tail, keys, state.seed);
      this.#channels = new ChannelTable(this.#env, this.#now);
      const limits = { maxAgeMs, maxBytes };
      this.#tables = new TableWriter({
        env: this.#env, chunks, journal: this.#journal, index: this.#index, keys, channels: this.#channels, limits, backlogBytes, state,
        now: this.#now, pressed: () => this.#isFull(1 / 2),
      });
    } catch (error) {
      this.#lock.release();
      throw openingError(error, join(options.folder, LOG_FILE.file));
    }
    // Of what an earlier process left half moved.
    this.#tables.drainSoon();
    this.#timer = this.#tables.retains || backlogBytes !== null ? setInterval(() => this.#maintain(), MAINTENANCE_MS).unref() : null;
  }

  // --- channels

  openChannel(name: string): ChannelHead {
    this.#assertOpen();
    const record = this.#channels.find(name);
    return record === null ? this.#createChannel(name) : this.#head(name, record);
  }

  /** There are no messages under its id, which nobody had before: nothing is to be looked for, in a log that may hold very many. */
  #createChannel(name: string): ChannelHead {
    const { id, epoch } = this.#channels.create(name);
    this.#queueFlush();
    return { id, name, epoch, headSeq: 0, oldestSeq: 1 };
  }

  adoptChannel(name: string, id: number, epoch: string): AdoptedHead | null {
    this.#assertOpen();
    let record = this.#channels.find(name);
    if (record === null) {
      record = this.#channels.adopt(name, id, epoch);
      this.#queueFlush();
    }
    return record.id === id && record.epoch === epoch ? { id, name, epoch, headSeq: this.#headSeq(id) } : null;
  }

  recentHead(channelId: number): number | null {
    this.#assertOpen();
    return this.#index.recentSeq(channelId);
  }

  findChannel(name: string): ChannelHead | null {
    this.#assertOpen();
    const record = this.#channels.find(name);
    return record === null ? null : this.#head(name, record);
  }

  #head(name: string, record: ChannelRecord): ChannelHead {
    const headSeq = this.#headSeq(record.id);
    const oldestSeq = this.#index.firstSeq(record.id) ?? headSeq + 1;
    return { id: record.id, name, epoch: record.epoch, headSeq, oldestSeq };
  }

  #headSeq(channelId: number): number {
    return this.#index.lastSeq(channelId) ?? this.#channels.removedHead(channelId);
  }

  /** New channels reach the disk even when nobody publishes. */
  #queueFlush(): void {
    if (this.#flushQueued) return;
    this.#flushQueued = true;
    setImmediate(() => {
      this.#flushQueued = false;
      // A failure keeps the channels for the next commit, whose publishers are told.
      if (!this.#closed) this.#tables.flushChannels().catch(() => undefined);
    });
  }

  // --- writing

  append(entries: readonly LogEntry[]): Promise<void> {
    if (this.#closed) return Promise.reject(new StoreError('the log is closed', false));
    if (entries.length === 0) return this.#last;
    const result = this.#last.then(() => this.#append(entries));
    this.#last = result.catch(() => undefined);
    return result;
  }

  async #append(entries: readonly LogEntry[]): Promise<void> {
    if (this.#isFull(1)) await this.#makeRoom();
    // The journal knows channels by their ids alone.
    if (this.#channels.hasUnwritten) await this.#tables.flushChannels();
    await this.#journal.append(entries, this.#now());
  }

  #isFull(times: number): boolean {
    const { filling } = this.#journal.tail;
    return filling.messages >= this.#tailMessages * times || filling.end >= this.#tailBytes * times;
  }

  /** Has the full generation moved. Waits only when the one before it is far behind; rejects with what keeps it from moving. */
  async #makeRoom(): Promise<void> {
    const { tail } = this.#journal;
    if (tail.draining !== null && this.#isFull(PATIENCE)) await this.#tables.drain();
    if (tail.draining === null) tail.rotate();
    // A failure shows in the appends that run out of room.
    this.#tables.drainSoon();
  }

  /** Retention without traffic. */
  #maintain(): void {
    if (this.#closed) return;
    const { tail } = this.#journal;
    const oldest = this.#now() - this.#tailAgeMs;
    const { firstWritten }: Generation = tail.filling;
    if (tail.draining === null && firstWritten > 0 && firstWritten < oldest) {
      this.#last = this.#last.then(() => {
        if (tail.draining === null) tail.rotate();
      });
    }
    this.#tables.maintain().catch(() => undefined);
  }

  // --- archive

  nextForArchive(maxBytes: number): ArchiveBatch | null {
    this.#assertOpen();
    return this.#tables.nextForArchive(maxBytes);
  }

  archived(batch: ArchiveBatch): Promise<void> {
    return this.#closed ? Promise.reject(new StoreError('the log is closed', false)) : this.#tables.archived(batch);
  }

  get backlog(): ArchiveBacklog {
    return this.#tables.backlog;
  }

  // --- reading

  findByKey(channelId: number, sender: string, key: string): FirstResult | null {
    this.#assertOpen();
    const found = this.#index.findKey(channelId, sender, key);
    return found === null ? null : found.view.result(found.index);
  }

  read(channelId: number, fromSeq: number, maxCount: number, maxBytes: number, into: Buffer | null = null): FrameRun | null {
    this.#assertOpen();
    return readRun(this.#index.views(channelId, Math.max(1, fromSeq)), fromSeq, maxCount, maxBytes, into);
  }

  seqAtTs(channelId: number, ts: number): number {
    return this.#search(channelId, (view, index) => view.serverTs(index) >= ts);
  }

  seqAfterId(channelId: number, msgId: string): number {
    const high = idHigh(msgId);
    const low = idLow(msgId);
    return this.#search(channelId, (view, index) => view.compareId(index, high, low) >= 0);
  }

  /** First seq for which `reached` is true; it is false up to some message and true from there on. */
  #search(channelId: number, reached: (view: MessageView, index: number) => boolean): number {
    this.#assertOpen();
    let high = this.#headSeq(channelId) + 1;
    let low = this.#index.firstSeq(channelId) ?? high;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      const view = this.#index.viewOf(channelId, middle);
      // Rather too much is delivered than that what is still there is passed over.
      if (view === null) high = middle;
      else if (!reached(view, view.count - 1)) low = view.lastSeq + 1;
      else if (reached(view, 0)) high = view.firstSeq;
      else {
        let index = 1;
        while (!reached(view, index)) index++;
        return view.firstSeq + index;
      }
    }
    return low;
  }

  maxLamport(): number {
    return this.#journal.maxLamport;
  }

  maxTimestamp(): number {
    return this.#journal.maxTimestamp;
  }

  #assertOpen(): void {
    if (this.#closed) throw new StoreError('the log is closed', false);
  }

  async close(): Promise<void> {
    if (this.#closed) return this.#last;
    this.#closed = true;
    if (this.#timer !== null) clearInterval(this.#timer);
    try {
      await this.#last;
      await this.#tables.close();
    } finally {
      await this.#env.close();
      await this.#journal.close();
      this.#lock.release();
    }
  }
}
