import { StoreError } from '../../errors.js';
import { Damage } from '../damage.js';
import type { LmdbEnv } from '../lmdb-env.js';
import { readChunkHeader, segmentsOf, SegmentView, type ChunkHeader } from './segment.js';
import { chunkKey } from './table-keys.js';

export interface Chunk {
  readonly header: ChunkHeader;
  readonly bytes: Buffer;
}

/**
 * The table of chunks, as readers see it: one whose bits have changed on the disk is as if it were not there, so that what it holds
 * is never taken for messages, and its neighbours are read as before.
 */
export class Chunks {
  readonly #env: LmdbEnv;
  readonly #damage: Damage;

  constructor(env: LmdbEnv, onDamage: (error: StoreError) => void) {
    this.#env = env;
    this.#damage = new Damage(env.path, onDamage);
  }

  /** Valid until the next read from the database. */
  header(chunk: number): ChunkHeader | null {
    return this.#open(chunk, this.#env.tables.chunks.getBinaryFast(chunkKey(chunk)))?.header ?? null;
  }

  /** A copy. */
  read(chunk: number): Chunk | null {
    return this.#open(chunk, this.#env.tables.chunks.getBinary(chunkKey(chunk)));
  }

  /** The segment that the index says is there. Valid until the next read from the database. */
  segment(chunk: number, offset: number, channelId: number, firstSeq: number): SegmentView | null {
    const found = this.#open(chunk, this.#env.tables.chunks.getBinaryFast(chunkKey(chunk)));
    if (found === null) return null;
    const view = this.#whole(chunk, () => new SegmentView(found.bytes, found.header.bytes, offset));
    if (view === null || (view.channelId === channelId && view.firstSeq === firstSeq)) return view;
    this.#report(chunk, 'the index leads to another segment of it');
    return null;
  }

  segments(chunk: number, { bytes, header }: Chunk): SegmentView[] {
    return this.#whole(chunk, () => segmentsOf(bytes, header)) ?? [];
  }

  #open(chunk: number, bytes: Buffer | undefined): Chunk | null {
    if (bytes === undefined) return null;
    const header = this.#whole(chunk, () => readChunkHeader(bytes, bytes.length));
    return header === null ? null : { header, bytes };
  }

  #whole<T>(chunk: number, read: () => T): T | null {
    try {
      return read();
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      this.#report(chunk, error.message);
      return null;
    }
  }

  #report(chunk: number, what: string): void {
    this.#damage.report(`chunk ${chunk}`, what);
  }
}
