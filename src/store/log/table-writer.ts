import { randomBytes } from 'node:crypto';
import type { ArchiveBacklog, ArchiveBatch } from '../archive/archive-source.js';
import { LogArchive } from './archive.js';
import type { ChannelTable } from './channels.js';
import { ChunkWriter } from './chunk.js';
import type { Chunks } from './chunks.js';
import { IndexDrain, type DrainPosition } from './index-drain.js';
import type { Journal, JournalStart } from './journal.js';
import type { LmdbEnv, Tables } from '../lmdb-env.js';
import type { HashSeed } from '../key-hash.js';
import { KeyDraft } from './key-draft.js';
import type { KeyRuns } from './key-runs.js';
import type { LogIndex } from './segment-index.js';
import { chunkKey, readU48 } from './table-keys.js';
import { Retention, type RetentionOptions } from './retention.js';
import { DataFolderError } from '../../errors.js';

/** Where the tables stand: written with the last slice of each generation. */
export interface TableState extends JournalStart, DrainPosition {
  /** Of the hashes of duplicate keys; made with the log. */
  readonly seed: HashSeed;
}

/** A generation on its way. */
interface Drain {
  readonly index: IndexDrain;
  readonly keys: KeyDraft;
}

export interface TableWriterOptions {
  readonly env: LmdbEnv;
  readonly chunks: Chunks;
  readonly journal: Journal;
  readonly index: LogIndex;
  readonly keys: KeyRuns;
  readonly channels: ChannelTable;
  readonly limits: RetentionOptions;
  /** What waits to be archived stays up to this many bytes beyond the limits; null: nothing is archived. */
  readonly backlogBytes: number | null;
  /** Milliseconds since the Unix epoch. */
  readonly now: () => number;
  readonly state: TableState;
  /** Whether the generation behind the one that is being moved will soon be full. */
  readonly pressed: () => boolean;
}

const FORMAT_KEY = Buffer.from('format');
const FORMAT = Buffer.from('sluice-log-3');
/** Chunks without checksums, which stay as they are. */
const FORMER_FORMAT = Buffer.from('sluice-log-2');
const STATE_KEY = Buffer.from('state');
const NEW_LOG = { generation: 0, commit: 0, maxLamport: 0, maxTimestamp: 0, nextChunk: 1, position: 0 };
/** How long a commit's entries hold this thread up. Not less: a commit makes the file longer, and the journal's writes wait for that. */
const SLICE_MS = 0.6;
const SLICE_FIRST = 256;
const SLICE_LEAST = 128;
const SLICE_MOST = 2048;
/** Messages that are laid out at a time, before their commit: some tenths of a millisecond where each has its own channel. */
const STEP = 24;
/** A slice's time as a share of the time until the next, while there is time; and the longest wait. */
const DRAIN_SHARE = 1 / 4;
const MAX_PAUSE_MS = 50;
/** After a failure, milliseconds until the next attempt that nobody waits for. */
const RETRY_MS = 1_000;
/** Chunks that retention removes with a commit, beside twice as many as the commit adds. */
const REMOVED_CHUNKS = 8;

/** Everything that writes the tables, one commit at a time: generations of the journal, new channels, retention. */
export class TableWriter {
  readonly #options: TableWriterOptions;
  readonly #retention: Retention;
  readonly #archive: LogArchive | null;
  readonly #chunks = new ChunkWriter();
  #state: TableState;
  /** First chunk number behind all that an earlier process may have written of a generation that it did not finish. */
  #staleEnd: number;
  #drain: Drain | null = null;
  #sliceMessages = SLICE_FIRST;
  /** Settles with the last commit that was asked for. */
  #last: Promise<void> = Promise.resolve();
  /** Of the drain that runs. */
  #draining: Promise<void> | null = null;
  /** Of the last drain that failed, in milliseconds since the Unix epoch. */
  #failedAt = -Infinity;
  #closing = false;

  constructor(options: TableWriterOptions) {
    const { env, chunks, limits, index, channels, state, backlogBytes } = options;
    this.#options = options;
    this.#state = state;
    if (FORMER_FORMAT.equals(env.tables.meta.getBinary(FORMAT_KEY) as Buffer)) {
      env.commitSync((tables) => void tables.meta.put(FORMAT_KEY, FORMAT));
    }
    const [first, end] = chunkRange(env);
    this.#staleEnd = Math.max(end, state.nextChunk);
    const oldest = Math.min(first, state.nextChunk);
    this.#archive = backlogBytes === null ? null : new LogArchive(env, chunks, channels, backlogBytes, oldest);
    this.#retention = new Retention(chunks, limits, index, channels, this.#archive, oldest);
  }

  /** Throws DataFolderError for a format of another release. Makes a new log's tables, unless `checkNew` finds that it is none. */
  static readState(env: LmdbEnv, checkNew: () => void = () => undefined): TableState {
    const format = env.tables.meta.getBinary(FORMAT_KEY);
    if (format === undefined) {
      checkNew();
      const random = randomBytes(8);
      const state = { ...NEW_LOG, seed: { high: random.readUInt32LE(0), low: random.readUInt32LE(4) } };
      env.commitSync((tables) => {
        void tables.meta.put(FORMAT_KEY, FORMAT);
        void tables.meta.put(STATE_KEY, encodeState(state));
      });
      return state;
    }
    if (!FORMAT.equals(format) && !FORMER_FORMAT.equals(format)) {
      const name = Buffer.from(format).toString('latin1');
      throw new DataFolderError(env.path, `has format "${name}"; this release reads "${FORMAT.toString()}"`);
    }
    const stored = env.tables.meta.getBinary(STATE_KEY);
    if (stored === undefined) throw new DataFolderError(env.path, 'does not say where it stands');
    return decodeState(stored);
  }

  get retains(): boolean {
    return this.#retention.enabled;
  }

  // --- archive

  nextForArchive(maxBytes: number): ArchiveBatch | null {
    return this.#archive?.read(maxBytes, this.#state.nextChunk) ?? null;
  }

  async archived(batch: ArchiveBatch): Promise<void> {
    await this.#commit((tables) => this.#archive?.write(tables, batch));
    this.#archive?.written(batch);
  }

  get backlog(): ArchiveBacklog {
    return this.#archive?.backlog(this.#state.nextChunk, this.#state.position) ?? { bytes: 0, since: null, dropped: 0 };
  }

  /** Runs `write` in a transaction when the one before it has settled. */
  #commit(write: (tables: Tables) => void): Promise<void> {
    const result = this.#last.then(() => this.#options.env.commit(write));
    this.#last = result.catch(() => undefined);
    return result;
  }

  async flushChannels(): Promise<void> {
    const { channels } = this.#options;
    await this.#last;
    if (!channels.hasUnwritten) return;
    await this.#commit((tables) => channels.write(tables));
    channels.written();
  }

  /** Moves the tail's draining generation into the tables. Rejects with StoreError; the next call tries once more. */
  drain(): Promise<void> {
    this.#draining ??= this.#runDrain().finally(() => (this.#draining = null));
    return this.#draining;
  }

  /** The same for callers that do not wait: not again at once where it has failed. */
  drainSoon(): void {
    if (Math.abs(this.#options.now() - this.#failedAt) < RETRY_MS) return;
    this.drain().catch(() => undefined);
  }

  async #runDrain(): Promise<void> {
    const { tail } = this.#options.journal;
    if (tail.draining === null) return;
    this.#drain ??= { index: new IndexDrain(tail.draining, this.#chunks, this.#state), keys: new KeyDraft(tail.draining) };
    const { index: drain, keys } = this.#drain;
    const state = this.#stateBehind(drain);
    while (!drain.done) {
      if (this.#closing) return;
      const started = performance.now();
      try {
        if (!(await this.#layOut(drain, keys))) return;
        await this.#commit((tables) => this.#slice(tables, drain, keys, state));
      } catch (error) {
        drain.restart();
        this.#options.keys.failed();
        this.#failedAt = this.#options.now();
        throw error;
      }
      this.#written();
      await this.#pause(performance.now() - started);
    }
    this.#state = { ...state, ...drain.position, seed: this.#state.seed };
    this.#staleEnd = this.#state.nextChunk;
    this.#drain = null;
    tail.drained();
  }

  /** Slices one behind the other would take the CPU and the disk from publishes for as long as a generation takes. */
  async #pause(sliceMs: number): Promise<void> {
    if (this.#closing || this.#options.pressed()) return;
    const wait = Math.min(MAX_PAUSE_MS, sliceMs * (1 / DRAIN_SHARE - 1));
    await new Promise((resolve) => setTimeout(resolve, wait));
  }

  #stateBehind({ generation }: IndexDrain): JournalStart {
    const { number: reached, lastCommit: commit, maxLamport, maxTimestamp } = generation;
    return { generation: reached, commit, maxLamport, maxTimestamp };
  }

  /** Lays the next slice out in small steps, between which others have the thread. False: the log is being closed. */
  async #layOut(drain: IndexDrain, keys: KeyDraft): Promise<boolean> {
    drain.begin();
    let left = this.#options.pressed() ? SLICE_MOST : this.#sliceMessages;
    while (left > 0 && !drain.done) {
      const step = this.#options.pressed() ? left : STEP;
      keys.step(step);
      left -= drain.layOut(step);
      await new Promise(setImmediate);
      if (!this.#closing) continue;
      drain.restart();
      return false;
    }
    return true;
  }

  #slice(tables: Tables, drain: IndexDrain, keys: KeyDraft, behind: JournalStart): void {
    const before = drain.position.nextChunk;
    this.#put(tables, drain);
    const { nextChunk } = drain.position;
    if (drain.done) {
      for (let chunk = nextChunk; chunk < this.#staleEnd; chunk++) void tables.chunks.remove(chunkKey(chunk));
      this.#options.keys.add(tables, keys, nextChunk - 1);
      void tables.meta.put(STATE_KEY, encodeState({ ...behind, ...drain.position, seed: this.#state.seed }));
    }
    this.#retain(tables, REMOVED_CHUNKS + 2 * (nextChunk - before));
  }

  #put(tables: Tables, drain: IndexDrain): void {
    const began = performance.now();
    const messages = drain.put(tables);
    const fitting = (messages * SLICE_MS) / Math.max(performance.now() - began, SLICE_MS / 2);
    this.#sliceMessages = Math.min(SLICE_MOST, Math.max(SLICE_LEAST, Math.round(fitting)));
  }

  #retain(tables: Tables, most: number): void {
    const { nextChunk, position } = this.#state;
    this.#retention.write(tables, nextChunk - 1, position, this.#options.now(), most);
    this.#options.keys.tidy(tables, this.#retention.first);
  }

  /** What time alone makes necessary. */
  async maintain(): Promise<void> {
    await this.drain();
    const { nextChunk, position } = this.#state;
    if (this.#closing || !this.#retention.due(nextChunk, position, this.#options.now())) return;
    try {
      await this.#commit((tables) => this.#retain(tables, REMOVED_CHUNKS));
    } catch (error) {
      this.#options.keys.failed();
      throw error;
    }
    this.#written();
  }

  #written(): void {
    this.#retention.written();
    this.#options.keys.written();
  }

  /** Stops a drain between two slices; the journal keeps what it did not reach. Never rejects. */
  async close(): Promise<void> {
    this.#closing = true;
    await this.#draining?.catch(() => undefined);
    const { channels } = this.#options;
    // Only a part of a block of ids is lost when it fails.
    await this.#commit((tables) => {
      channels.write(tables);
      channels.writeEnd(tables);
    }).catch(() => undefined);
  }
}

/** Number of the oldest chunk, and the one behind the newest. */
function chunkRange({ tables: { chunks } }: LmdbEnv): [first: number, end: number] {
  const reverse = { reverse: true, start: Buffer.alloc(7, 0xff), end: Buffer.from([0]) };
  const edges = [{}, reverse].map((options) => {
    for (const key of chunks.getKeys({ limit: 1, ...options })) return readU48(key, 0);
    return null;
  });
  return [edges[0] ?? 1, (edges[1] ?? 0) + 1];
}

const STATE_FIELDS = ['generation', 'commit', 'maxLamport', 'maxTimestamp', 'nextChunk', 'position'] as const;
const SEED_AT = STATE_FIELDS.length * 8;

function encodeState(state: TableState): Buffer {
  const bytes = Buffer.alloc(SEED_AT + 8);
  STATE_FIELDS.forEach((field, i) => bytes.writeDoubleLE(state[field], i * 8));
  bytes.writeUInt32LE(state.seed.high, SEED_AT);
  bytes.writeUInt32LE(state.seed.low, SEED_AT + 4);
  return bytes;
}

function decodeState(bytes: Buffer): TableState {
  const seed = { high: bytes.readUInt32LE(SEED_AT), low: bytes.readUInt32LE(SEED_AT + 4) };
  const fields = STATE_FIELDS.map((field, i) => [field, bytes.readDoubleLE(i * 8)]);
  return { ...(Object.fromEntries(fields) as Record<(typeof STATE_FIELDS)[number], number>), seed };
}
