import type { ChannelHead, FirstResult, FrameRun, LogEntry, MessageLog } from './types.js';
import { ChunkWriter, type LogTotals } from './log-chunk.js';
import { chunkKey, DuplicateKey, readU48, seqValue } from './log-keys.js';
import { readChunkHeader, SegmentView, segmentsOf } from './log-segment.js';
import { ChannelTable, type ChannelRecord } from './log-channels.js';
import { FolderLock } from './folder-lock.js';
import { groupByChannel, type Groups } from './log-groups.js';
import { IndexDrain, LogIndex } from './log-index.js';
import { LmdbEnv, type Tables } from './lmdb-env.js';
import { LogTail, type SegmentPlace } from './log-tail.js';
import { idHigh, idLow } from './message-id.js';
import { readRun } from './log-read.js';
import { Retention } from './log-retention.js';
import { DataFolderError, StoreError } from '../errors.js';

export interface LmdbMessageLogOptions {
  /** The data folder; made when it is missing. */
  readonly folder: string;
  /** Milliseconds; null keeps messages for ever. */
  readonly maxAgeMs?: number | null;
  /** Bytes of messages; null: no bound. */
  readonly maxBytes?: number | null;
  /** Messages that may be outside of the indexes: memory while running, and what an opening reads again. */
  readonly tailMessages?: number;
  readonly mapBytes?: number;
  /** Milliseconds since the Unix epoch. */
  readonly now?: () => number;
}

const FORMAT_KEY = Buffer.from('format');
const FORMAT = Buffer.from('sluice-log-1');
/** Number of the first chunk that is not in the indexes. */
const INDEXED_KEY = Buffer.from('indexedBelow');
/** A chunk is closed above this: small enough that reading one message does not copy much. */
const CHUNK_BYTES = 16_384;
/** Segments are split above this, for the same reason. */
const SEGMENT_BYTES = 131_072;
const MAINTENANCE_MS = 1_000;
const MIN_INDEX_PUTS = 256;

/** The embedded message log: one LMDB file in a folder of its own. */
export class LmdbMessageLog implements MessageLog {
  readonly #lock: FolderLock;
  readonly #env: LmdbEnv;
  readonly #now: () => number;
  readonly #tailMessages: number;
  readonly #tail = new LogTail();
  readonly #index: LogIndex;
  readonly #channels: ChannelTable;
  readonly #retention: Retention;
  readonly #writer = new ChunkWriter();
  readonly #probe = new DuplicateKey();
  readonly #totals: LogTotals = { position: 0, maxLamport: 0, maxTimestamp: 0 };
  #drain: IndexDrain | null = null;
  /** Value of INDEXED_KEY once the drain has finished. */
  #drainedBelow = 0;
  #indexedBelow: number;
  #nextChunk: number;
  /** Settles with the last commit that was asked for; commits run one after another. */
  #last: Promise<void> = Promise.resolve();
  #flushQueued = false;
  #closed = false;
  readonly #timer: NodeJS.Timeout | null;

  /** Throws DataFolderError when the folder cannot be used or another process has it. */
  constructor(options: LmdbMessageLogOptions) {
    this.#now = options.now ?? Date.now;
    this.#tailMessages = options.tailMessages ?? 20_000;
    LmdbEnv.prepare(options.folder);
    this.#lock = new FolderLock(options.folder);
    try {
      this.#env = new LmdbEnv({ folder: options.folder, mapBytes: options.mapBytes ?? 2 ** 36, onReopen: () => this.#checkUnchanged() });
      this.#checkFormat();
      this.#index = new LogIndex(this.#env, this.#tail);
      this.#channels = new ChannelTable(this.#env, this.#now);
      const [first, next] = this.#chunkRange();
      this.#nextChunk = next;
      const limits = { maxAgeMs: options.maxAgeMs ?? null, maxBytes: options.maxBytes ?? null };
      this.#retention = new Retention(this.#env, limits, this.#index, this.#channels, first);
      this.#indexedBelow = this.#metaNumber(INDEXED_KEY) ?? first;
      this.#loadTail();
    } catch (error) {
      this.#lock.release();
      throw error;
    }
    this.#timer = this.#retention.enabled ? setInterval(() => this.#maintain(), MAINTENANCE_MS).unref() : null;
  }

  #metaNumber(key: Buffer): number | null {
    const value = this.#env.tables.meta.getBinaryFast(key);
    return value === undefined ? null : readU48(value, 0);
  }

  #checkFormat(): void {
    const stored = this.#env.tables.meta.getBinary(FORMAT_KEY);
    if (stored === undefined) {
      this.#env.commitSync((tables) => void tables.meta.put(FORMAT_KEY, FORMAT));
    } else if (!FORMAT.equals(stored)) {
      throw new DataFolderError(
        this.#env.path,
        `has format "${Buffer.from(stored).toString('latin1')}"; this release reads "${FORMAT.toString()}"`,
      );
    }
  }

  /** Number of the oldest chunk and of the one to write next. */
  #chunkRange(): [first: number, next: number] {
    const edges = [false, true].map((reverse) => {
      for (const key of this.#env.tables.chunks.getKeys({
        limit: 1,
        ...(reverse ? { reverse, start: Buffer.alloc(7, 0xff), end: Buffer.from([0]) } : {}),
      })) {
        return readU48(key, 0);
      }
      return null;
    });
    return [edges[0] ?? 1, (edges[1] ?? 0) + 1];
  }

  /** A commit that was reported as failed must not be there: its sequence numbers may have been given out again. */
  #checkUnchanged(): void {
    if (this.#chunkRange()[1] === this.#nextChunk) return;
    throw new StoreError(`${this.#env.path} holds a commit that was reported as failed`, false, {
      remedy: 'Restart this node: it reads the log anew.',
    });
  }

  /** Reads what the indexes lack, and from the newest chunk where the log stood. */
  #loadTail(): void {
    for (let number = this.#indexedBelow; number < this.#nextChunk; number++) {
      const chunk = this.#env.tables.chunks.getBinaryFast(chunkKey(number));
      if (chunk === undefined) continue;
      for (const segment of segmentsOf(chunk, chunk.length)) {
        const { channelId, firstSeq, lastSeq, start, count } = segment;
        this.#tail.filling.addPlace(channelId, { firstSeq, lastSeq, chunk: number, offset: start });
        for (let i = 0; i < count; i++)
          this.#tail.filling.addKey(channelId, this.#probe.encode(channelId, segment.sender(i), segment.key(i)), firstSeq + i);
      }
    }
    const last = this.#env.tables.chunks.getBinaryFast(chunkKey(this.#nextChunk - 1));
    if (last === undefined) return;
    const header = readChunkHeader(last, last.length);
    this.#totals.position = header.position + header.bytes;
    this.#totals.maxLamport = header.maxLamport;
    this.#totals.maxTimestamp = header.maxTimestamp;
  }

  // --- channels

  openChannel(name: string): ChannelHead {
    this.#assertOpen();
    let record = this.#channels.find(name);
    if (record === null) {
      record = this.#channels.create(name);
      this.#queueFlush();
    }
    return this.#head(name, record);
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

  // --- writing

  append(entries: readonly LogEntry[]): Promise<void> {
    if (this.#closed) return Promise.reject(new StoreError('the log is closed', false));
    if (entries.length === 0) return this.#last;
    return this.#inTurn(() => this.#append(entries));
  }

  /** Runs `work` when all commits before it have settled, whatever became of them. */
  #inTurn(work: () => Promise<void>): Promise<void> {
    const result = this.#last.then(work);
    this.#last = result.catch(() => undefined);
    return result;
  }

  async #append(entries: readonly LogEntry[]): Promise<void> {
    const totals = { ...this.#totals };
    const groups = groupByChannel(entries);
    this.#layOut(entries, groups, totals);
    const first = this.#nextChunk;
    await this.#commit(entries.length, first + this.#writer.chunks, (tables) => {
      for (let i = 0; i < this.#writer.chunks; i++) void tables.chunks.put(chunkKey(first + i), this.#writer.chunk(i));
    });
    this.#nextChunk = first + this.#writer.chunks;
    Object.assign(this.#totals, totals);
    this.#remember(entries, first);
  }

  #layOut(entries: readonly LogEntry[], groups: Groups, totals: LogTotals): void {
    const writer = this.#writer;
    for (const entry of entries) {
      if (entry.lamport > totals.maxLamport) totals.maxLamport = entry.lamport;
      if (entry.serverTs > totals.maxTimestamp) totals.maxTimestamp = entry.serverTs;
    }
    writer.reset();
    writer.startChunk();
    for (let group = 0; group + 1 < groups.ends.length; group++) {
      const end = groups.ends[group + 1]!;
      for (let from = groups.ends[group]!; from < end; ) {
        if (writer.chunkBytes > CHUNK_BYTES) {
          writer.endChunk(totals, this.#now());
          writer.startChunk();
        }
        const to = segmentEnd(entries, groups.order, from, end);
        writer.segment(entries, groups.order, from, to);
        from = to;
      }
    }
    writer.endChunk(totals, this.#now());
  }

  #remember(entries: readonly LogEntry[], first: number): void {
    const filling = this.#tail.filling;
    for (const { channelId, firstSeq, lastSeq, chunk, offset } of this.#writer.segments) {
      filling.addPlace(channelId, { firstSeq, lastSeq, chunk: first + chunk, offset });
    }
    for (const { channelId, sender, key, seq } of entries) filling.addKey(channelId, this.#probe.encode(channelId, sender, key), seq);
  }

  /** One transaction: what `write` adds, new channels, a slice of the indexes, and what retention removes. */
  async #commit(messages: number, nextChunk: number, write: (tables: Tables) => void): Promise<void> {
    const now = this.#now();
    this.#startDrain(nextChunk, now);
    const drain = this.#drain;
    try {
      await this.#env.commit((tables) => {
        write(tables);
        this.#channels.write(tables);
        if (drain !== null) {
          drain.slice(tables, Math.max(MIN_INDEX_PUTS, messages * 3));
          if (drain.done) void tables.meta.put(INDEXED_KEY, seqValue(this.#drainedBelow));
        }
        this.#retention.write(tables, Math.min(this.#indexedBelow, nextChunk - 1), this.#totals.position, now);
      });
    } catch (error) {
      drain?.restart();
      throw error;
    }
    this.#channels.written();
    this.#retention.written();
    if (drain?.done !== true) return;
    this.#drain = null;
    this.#tail.draining = null;
    this.#indexedBelow = this.#drainedBelow;
  }

  /** Begins to index what was gathered, when that is enough, or when retention waits for it. */
  #startDrain(nextChunk: number, now: number): void {
    if (this.#drain !== null || this.#tail.filling.messages === 0) return;
    const wanted = this.#tail.filling.messages >= this.#tailMessages || this.#retention.due(nextChunk, this.#totals.position, now);
    if (!wanted) return;
    this.#drainedBelow = this.#nextChunk;
    this.#drain = new IndexDrain(this.#tail.rotate(), this.#index);
  }

  /** New channels reach the disk even when nobody publishes. */
  #queueFlush(): void {
    if (this.#flushQueued) return;
    this.#flushQueued = true;
    setImmediate(() => {
      this.#flushQueued = false;
      if (this.#closed) return;
      // A failure keeps the channels for the next commit, whose publishers are told.
      this.#inTurn(() =>
        this.#channels.hasUnwritten ? this.#commit(0, this.#nextChunk, () => undefined) : Promise.resolve(),
      ).catch(() => undefined);
    });
  }

  /** Retention without traffic. One commit a call; under traffic the appends do it. */
  #maintain(): void {
    if (this.#closed || !this.#retention.due(this.#nextChunk, this.#totals.position, this.#now())) return;
    this.#inTurn(() => this.#commit(0, this.#nextChunk, () => undefined)).catch(() => undefined);
  }

  // --- reading

  #view(place: SegmentPlace): SegmentView | null {
    const chunk = this.#env.tables.chunks.getBinaryFast(chunkKey(place.chunk));
    return chunk === undefined ? null : new SegmentView(chunk, chunk.length, place.offset);
  }

  findByKey(channelId: number, sender: string, key: string): FirstResult | null {
    this.#assertOpen();
    const seq = this.#index.seqOfKey(channelId, sender, key);
    if (seq === null) return null;
    const place = this.#index.placeOf(channelId, seq);
    if (place === null || place.firstSeq > seq) return null;
    return this.#view(place)?.result(seq - place.firstSeq) ?? null;
  }

  read(channelId: number, fromSeq: number, maxCount: number, maxBytes: number): FrameRun | null {
    this.#assertOpen();
    return readRun(this.#index.places(channelId, Math.max(1, fromSeq)), (place) => this.#view(place), fromSeq, maxCount, maxBytes);
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
  #search(channelId: number, reached: (view: SegmentView, index: number) => boolean): number {
    this.#assertOpen();
    let high = this.#headSeq(channelId) + 1;
    let low = this.#index.firstSeq(channelId) ?? high;
    while (low < high) {
      const place = this.#index.placeOf(channelId, Math.floor((low + high) / 2));
      const view = place === null ? null : this.#view(place);
      if (view === null) return high;
      if (!reached(view, view.count - 1)) low = view.lastSeq + 1;
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
    return this.#totals.maxLamport;
  }

  maxTimestamp(): number {
    return this.#totals.maxTimestamp;
  }

  #assertOpen(): void {
    if (this.#closed) throw new StoreError('the log is closed', false);
  }

  async close(): Promise<void> {
    if (this.#closed) return this.#last;
    this.#closed = true;
    if (this.#timer !== null) clearInterval(this.#timer);
    try {
      await this.#inTurn(() => this.#commit(0, this.#nextChunk, (tables) => this.#channels.writeEnd(tables)));
    } catch {
      // Only a part of an id block is lost by it.
    } finally {
      await this.#env.close();
      this.#lock.release();
    }
  }
}

/** The end of a segment that begins at `from`: the group's, or where the frames would exceed SEGMENT_BYTES. */
function segmentEnd(entries: readonly LogEntry[], order: Int32Array, from: number, end: number): number {
  let bytes = 0;
  for (let i = from; i < end; i++) {
    bytes += entries[order[i]!]!.frame.length;
    if (bytes > SEGMENT_BYTES) return i === from ? from + 1 : i;
  }
  return end;
}
