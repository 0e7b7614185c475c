import { KeyHash, type HashSeed } from '../key-hash.js';
import type { KeyRuns } from './key-runs.js';
import type { Chunks } from './chunks.js';
import { readU48, segmentKey } from './table-keys.js';
import type { MessageView } from './segment.js';
import type { LogTail } from './tail.js';
import type { LmdbEnv } from '../lmdb-env.js';

export interface SegmentPlace {
  readonly firstSeq: number;
  readonly lastSeq: number;
  readonly chunk: number;
  readonly offset: number;
}

const PLACE_BYTES = 16;

const decodePlace = (key: Buffer, value: Buffer): SegmentPlace => ({
  firstSeq: readU48(key, 4), chunk: readU48(value, 0), offset: value.readUInt32BE(6), lastSeq: readU48(value, 10),
});

/** The indexes of the log: what is in LMDB together with the tail that is not there yet. */
export class LogIndex {
  readonly #env: LmdbEnv;
  readonly #chunks: Chunks;
  readonly #tail: LogTail;
  readonly #keys: KeyRuns;
  readonly #hash: KeyHash;

  constructor(env: LmdbEnv, chunks: Chunks, tail: LogTail, keys: KeyRuns, seed: HashSeed) {
    this.#env = env;
    this.#chunks = chunks;
    this.#tail = tail;
    this.#keys = keys;
    this.#hash = new KeyHash(seed);
  }

  #indexed(channelId: number, seq: number, reverse: boolean, limit: number): Iterable<{ key: Buffer; value: Buffer }> {
    const end = reverse ? segmentKey(channelId, 0) : segmentKey(channelId + 1, 0);
    return this.#env.tables.segments.getRange({ start: segmentKey(channelId, seq), end, reverse, limit });
  }

  #first(range: Iterable<{ key: Buffer; value: Buffer }>): SegmentPlace | null {
    for (const { key, value } of range) if (value.length >= PLACE_BYTES) return decodePlace(key, value);
    return null;
  }

  /** The channel's newest seq in the index or the tail; null when the log has none of it. */
  lastSeq(channelId: number): number | null {
    return this.#tail.lastSeq(channelId) ?? this.#first(this.#indexed(channelId, 2 ** 47, true, 1))?.lastSeq ?? null;
  }

  /** Of what is not in the tables yet. */
  recentSeq(channelId: number): number | null {
    return this.#tail.lastSeq(channelId) ?? null;
  }

  firstSeq(channelId: number): number | null {
    return this.#first(this.#indexed(channelId, 0, false, 1))?.firstSeq ?? this.#tail.firstSeq(channelId) ?? null;
  }

  /**
   * The messages from the view that holds `seq` (or the first after it) on, in order; null where one cannot be had. Looks ahead as
   * far as it is asked to.
   */
  *views(channelId: number, seq: number): Generator<MessageView | null> {
    let next = seq;
    const firstInTail = this.#tail.firstSeq(channelId);
    if (firstInTail === undefined || seq < firstInTail) {
      const holding = this.#first(this.#indexed(channelId, seq, true, 1));
      if (holding !== null && holding.lastSeq >= seq) {
        yield this.#view(channelId, holding);
        next = holding.lastSeq + 1;
      }
      for (const { key, value } of this.#indexed(channelId, next, false, Infinity)) {
        const place = decodePlace(key, value);
        yield this.#view(channelId, place);
        next = place.lastSeq + 1;
      }
    }
    yield* this.#tail.views(channelId, next);
  }

  #view(channelId: number, { chunk, offset, firstSeq }: SegmentPlace): MessageView | null {
    return this.#chunks.segment(chunk, offset, channelId, firstSeq);
  }

  /** The view that holds `seq`, or the first after it. */
  viewOf(channelId: number, seq: number): MessageView | null {
    for (const view of this.views(channelId, seq)) return view;
    return null;
  }

  /** The view of the message with this key, and its index in it; null when there is none. */
  findKey(channelId: number, sender: string, key: string): { readonly view: MessageView; readonly index: number } | null {
    const hash = this.#hash.of(channelId, sender, key);
    const recent = this.#tail.findKey(hash, channelId, sender, key);
    if (recent !== null) return { view: recent, index: 0 };
    const seqs = this.#keys.seqsOf(hash);
    if (seqs === null) return null;
    for (const seq of seqs) {
      const view = this.viewOf(channelId, seq);
      if (view === null || view.firstSeq > seq) continue;
      const index = seq - view.firstSeq;
      if (view.sender(index) === sender && view.key(index) === key) return { view, index };
    }
    return null;
  }
}
