import type { KeyDraft } from './key-draft.js';
import type { KeyHash } from '../key-hash.js';
import { KeyMerge } from './key-merge.js';
import {
  bucketOf, bucketsOf, FILTER_BYTES, FILTER_GROUP, filterHas, MAX_LEVEL, RUNS_TO_MERGE, seqsIn, type RunInfo,
} from './key-run.js';
import { bucketKey } from './table-keys.js';
import type { LmdbEnv, Tables } from '../lmdb-env.js';
import { StoreError } from '../../errors.js';

const RUNS_KEY = Buffer.from('runs');
/** Records of runs that are no longer needed which one commit removes. */
const REMOVED_RECORDS = 256;
/** Buckets that one commit merges: of eight full runs, some 5,000 keys. */
const MERGED_BUCKETS = 2;
/** The same where runs come faster than so few are merged (a generation of large messages is one commit), and with many levels. */
const MOST_MERGED_BUCKETS = 64;

interface Run extends RunInfo {
  readonly filter: Uint8Array;
}

interface Working {
  readonly runs: readonly Run[];
  readonly garbage: readonly number[];
  readonly next: number;
}

/** As it is stored. */
interface Catalogue {
  readonly next: number;
  /** Oldest first. */
  readonly runs: readonly RunInfo[];
  /** Ids of runs whose records are to be removed. */
  readonly garbage: readonly number[];
}

/**
 * The index of duplicate keys: a log-structured merge tree of hashes. Each generation adds a run, eight of a level become one of the next,
 * so a key is written once per level, and in order of nothing: a B+tree would write a page of its own for nearly every key that comes
 * in no order (docs/decisions/0010).
 */
export class KeyRuns {
  readonly #env: LmdbEnv;
  #runs: readonly Run[];
  #garbage: readonly number[];
  #next: number;
  #merge: KeyMerge | null = null;
  /** What the commit under way makes of them. */
  #pending: (Working & { readonly merged: boolean }) | null = null;

  constructor(env: LmdbEnv) {
    this.#env = env;
    const stored = env.tables.meta.getBinary(RUNS_KEY);
    const catalogue = (stored === undefined ? { next: 1, runs: [], garbage: [] } : JSON.parse(Buffer.from(stored).toString())) as Catalogue;
    this.#next = catalogue.next;
    this.#garbage = catalogue.garbage;
    this.#runs = catalogue.runs.map((run) => ({ ...run, filter: this.#readFilter(run) }));
  }

  #readFilter({ id, level }: RunInfo): Uint8Array {
    const buckets = bucketsOf(level);
    const filter = new Uint8Array(buckets * FILTER_BYTES);
    for (let bucket = 0; bucket < buckets; bucket += FILTER_GROUP) {
      const record = this.#env.tables.filters.getBinaryFast(bucketKey(id, bucket));
      if (record === undefined) throw new StoreError(`${this.#env.path} lacks a part of its index of keys`, false);
      filter.set(record.subarray(0, FILTER_GROUP * FILTER_BYTES), bucket * FILTER_BYTES);
    }
    return filter;
  }

  get filterBytes(): number {
    return this.#runs.reduce((sum, { filter }) => sum + filter.length, 0);
  }

  /** Seqs of messages whose key has this hash, of whatever channel. */
  seqsOf(hash: KeyHash): number[] | null {
    let found: number[] | null = null;
    for (let i = this.#runs.length - 1; i >= 0; i--) {
      const { id, level, filter } = this.#runs[i]!;
      const bucket = bucketOf(hash.high, level);
      if (!filterHas(filter, bucket, hash.low)) continue;
      const record = this.#env.tables.keys.getBinaryFast(bucketKey(id, bucket));
      if (record !== undefined) (found ??= []).push(...seqsIn(record, record.length, hash));
    }
    return found;
  }

  /** Part of a commit: the generation of these keys is whole in the tables with it, up to chunk `lastChunk`. */
  add(tables: Tables, draft: KeyDraft, lastChunk: number): void {
    const { filter } = draft;
    const { runs, garbage, next } = this.#working();
    let bucket = 0;
    for (const record of draft.records()) void tables.keys.put(bucketKey(next, bucket++), record);
    void tables.filters.put(bucketKey(next, 0), Buffer.from(filter.buffer));
    const run = { id: next, level: 0, lastChunk, filter };
    this.#pending = { runs: [...runs, run], garbage, next: next + 1, merged: this.#pending?.merged ?? false };
  }

  #working(): Working {
    return this.#pending ?? { runs: this.#runs, garbage: this.#garbage, next: this.#next };
  }

  /** Part of a commit: some merging, runs that retention has emptied (`first`: the oldest chunk there is), and removals. */
  tidy(tables: Tables, first: number): void {
    this.#stepMerge(tables);
    this.#dropExpired(first);
    this.#removeGarbage(tables);
    if (this.#pending === null) return;
    const { runs, garbage, next } = this.#pending;
    const catalogue: Catalogue = { next, garbage, runs: runs.map(({ id, level, lastChunk }) => ({ id, level, lastChunk })) };
    void tables.meta.put(RUNS_KEY, Buffer.from(JSON.stringify(catalogue)));
  }

  #stepMerge(tables: Tables): void {
    this.#merge ??= this.#startMerge();
    const merge = this.#merge;
    if (merge === null) return;
    merge.step(tables, Math.min(MOST_MERGED_BUCKETS, MERGED_BUCKETS * (1 + this.#excess())));
    if (!merge.done) return;
    const { runs, garbage, next } = this.#working();
    const inputs = new Set(merge.inputs.map(({ id }) => id));
    // Runs of a level are in order of age, and so are the levels: the merged one stands where its inputs stood.
    const at = runs.findIndex(({ id }) => inputs.has(id));
    const left = runs.filter(({ id }) => !inputs.has(id));
    this.#pending = { runs: left.toSpliced(at, 0, merge.output), garbage: [...garbage, ...inputs], next, merged: true };
  }

  /** Runs that wait beside those that one merge of their level takes. */
  #excess(): number {
    const waiting = new Uint32Array(MAX_LEVEL);
    for (const { level } of this.#runs) if (level < MAX_LEVEL) waiting[level]!++;
    return waiting.reduce((sum, runs) => sum + Math.max(0, runs - RUNS_TO_MERGE), 0);
  }

  /** The id is taken at once: a run that is added meanwhile gets another one. */
  #startMerge(): KeyMerge | null {
    for (let level = 0; level < MAX_LEVEL; level++) {
      const inputs = this.#runs.filter((run) => run.level === level).slice(0, RUNS_TO_MERGE);
      if (inputs.length < RUNS_TO_MERGE) continue;
      const { runs, garbage, next } = this.#working();
      this.#pending = { runs, garbage, next: next + 1, merged: false };
      return new KeyMerge(this.#env, inputs, next);
    }
    return null;
  }

  /** Only the oldest: they expire in order of age. A run that is being merged stays until that is done. */
  #dropExpired(first: number): void {
    const { runs, garbage, next } = this.#working();
    const oldest = runs[0];
    if (oldest === undefined || oldest.lastChunk >= first) return;
    if (this.#merge !== null && this.#merge.inputs.some(({ id }) => id === oldest.id)) return;
    this.#pending = { runs: runs.slice(1), garbage: [...garbage, oldest.id], next, merged: this.#pending?.merged ?? false };
  }

  #removeGarbage(tables: Tables): void {
    const [id] = this.#garbage;
    if (id === undefined) return;
    let removed = 0;
    for (const table of [tables.keys, tables.filters]) {
      const range = { start: bucketKey(id, 0), end: bucketKey(id + 1, 0), limit: REMOVED_RECORDS - removed };
      if (range.limit === 0) return;
      for (const key of [...table.getKeys(range)]) {
        void table.remove(key);
        removed++;
      }
    }
    if (removed >= REMOVED_RECORDS) return;
    const { runs, garbage, next } = this.#working();
    this.#pending = { runs, garbage: garbage.filter((other) => other !== id), next, merged: this.#pending?.merged ?? false };
  }

  /** The commit that tidy() took part in is durable. */
  written(): void {
    if (this.#pending === null) return;
    const { runs, garbage, next, merged } = this.#pending;
    this.#runs = runs;
    this.#garbage = garbage;
    this.#next = next;
    if (merged) this.#merge = null;
    this.#pending = null;
  }

  /** It failed: a merge begins again. */
  failed(): void {
    this.#pending = null;
    this.#merge = null;
  }
}
