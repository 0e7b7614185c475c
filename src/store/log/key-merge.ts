import { BucketSet, bucketOf, bucketsOf, FILTER_BYTES, FILTER_GROUP, KEY_ENTRY_BYTES, RUNS_TO_MERGE, type RunInfo } from './key-run.js';
import { bucketKey } from './table-keys.js';
import type { LmdbEnv, Tables } from '../lmdb-env.js';

/** Eight runs of a level become one of the next, a few buckets at a time: each bucket of theirs is eight of its. */
export class KeyMerge {
  readonly inputs: readonly RunInfo[];
  readonly output: RunInfo & { readonly filter: Uint8Array };
  readonly #env: LmdbEnv;
  #bucket = 0;

  constructor(env: LmdbEnv, inputs: readonly RunInfo[], id: number) {
    this.#env = env;
    this.inputs = inputs;
    const level = inputs[0]!.level + 1;
    const lastChunk = Math.max(...inputs.map((run) => run.lastChunk));
    this.output = { id, level, lastChunk, filter: new Uint8Array(bucketsOf(level) * FILTER_BYTES) };
  }

  get done(): boolean {
    return this.#bucket === bucketsOf(this.output.level - 1);
  }

  /** Puts the next buckets into the transaction that is open. */
  step(tables: Tables, buckets: number): void {
    for (let i = 0; i < buckets && !this.done; i++) this.#mergeBucket(tables, this.#bucket++);
  }

  #mergeBucket(tables: Tables, bucket: number): void {
    const { id, level, filter } = this.output;
    const first = bucket * RUNS_TO_MERGE;
    const records: Buffer[] = [];
    const counts = new Uint32Array(RUNS_TO_MERGE);
    for (const input of this.inputs) {
      const record = this.#env.tables.keys.getBinary(bucketKey(input.id, bucket));
      if (record === undefined) continue;
      records.push(record);
      for (let at = 0; at < record.length; at += KEY_ENTRY_BYTES) counts[bucketOf(record.readUInt32LE(at), level) - first]!++;
    }
    const set = new BucketSet(level, first, counts);
    for (const record of records) {
      for (let at = 0; at < record.length; at += KEY_ENTRY_BYTES) {
        set.add(filter, record.readUInt32LE(at), record.readUInt32LE(at + 4), record.readUInt32LE(at + 8), record.readUInt32LE(at + 12));
      }
    }
    let next = first;
    for (const record of set.records()) void tables.keys.put(bucketKey(id, next++), record);
    // Filters are kept in records of 64 buckets, which eight of the inputs' make.
    if (next % FILTER_GROUP !== 0) return;
    const group = filter.slice((next - FILTER_GROUP) * FILTER_BYTES, next * FILTER_BYTES);
    void tables.filters.put(bucketKey(id, next - FILTER_GROUP), Buffer.from(group.buffer));
  }
}
