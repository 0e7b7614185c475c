import { DuplicateKey, duplicateRange, isHashed, keyOf, readU48, segmentKey, segmentValue, SeqValues } from './log-keys.js';
import type { LogTail, SegmentPlace, TailGeneration } from './log-tail.js';
import type { ByteRange, LmdbEnv, Tables } from './lmdb-env.js';

/** Channels whose greatest indexed key is remembered; all are forgotten when there are more. */
const MAX_KNOWN_CHANNELS = 100_000;
const PLACE_BYTES = 16;

const decodePlace = (key: Buffer, value: Buffer): SegmentPlace => ({
  firstSeq: readU48(key, 4), chunk: readU48(value, 0), offset: value.readUInt32BE(6), lastSeq: readU48(value, 10),
});

/** The indexes of the log: what is in LMDB together with the tail that is not there yet. */
export class LogIndex {
  readonly #env: LmdbEnv;
  readonly #tail: LogTail;
  readonly #probe = new DuplicateKey();
  /**
   * Greatest plain key in the index by channel; absent: not looked up. An ASCII key above it cannot be a duplicate, in whichever of
   * the two orders.
   */
  readonly #greatest = new Map<number, string>();

  constructor(env: LmdbEnv, tail: LogTail) {
    this.#env = env;
    this.#tail = tail;
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

  firstSeq(channelId: number): number | null {
    return this.#first(this.#indexed(channelId, 0, false, 1))?.firstSeq ?? this.#tail.firstSeq(channelId) ?? null;
  }

  /** The segments from the one that holds `seq` (or the first after it) on, in order. Looks ahead as far as it is asked to. */
  *places(channelId: number, seq: number): Generator<SegmentPlace> {
    let next = seq;
    const firstInTail = this.#tail.firstSeq(channelId);
    if (firstInTail === undefined || seq < firstInTail) {
      const holding = this.#first(this.#indexed(channelId, seq, true, 1));
      if (holding !== null && holding.lastSeq >= seq) {
        yield holding;
        next = holding.lastSeq + 1;
      }
      for (const { key, value } of this.#indexed(channelId, next, false, Infinity)) {
        const place = decodePlace(key, value);
        yield place;
        next = place.lastSeq + 1;
      }
    }
    yield* this.#tail.places(channelId, next);
  }

  placeOf(channelId: number, seq: number): SegmentPlace | null {
    for (const place of this.places(channelId, seq)) return place;
    return null;
  }

  seqOfKey(channelId: number, sender: string, key: string): number | null {
    const probe = this.#probe.encode(channelId, sender, key);
    const recent = this.#tail.seqOfKey(probe);
    if (recent >= 0) return recent;
    const greatest = probe.ascii ? this.#greatestKey(channelId) : null;
    if (greatest !== null && key > greatest) return null;
    const value = this.#env.tables.keys.getBinaryFast(probe.view());
    return value === undefined ? null : readU48(value, 0);
  }

  /** Null where the key cannot be ruled out by it. An empty string: the index has no plain key of the channel. */
  #greatestKey(channelId: number): string | null {
    const known = this.#greatest.get(channelId);
    if (known !== undefined) return known;
    // While keys are on their way into the index, what it shows is not all of it.
    if (this.#tail.draining !== null) return null;
    const [from, to] = duplicateRange(channelId);
    let greatest = '';
    for (const key of this.#env.tables.keys.getKeys({ start: to, end: from, reverse: true, limit: 1 }))
      greatest = keyOf(key as Buffer);
    if (this.#greatest.size >= MAX_KNOWN_CHANNELS) this.#greatest.clear();
    this.#greatest.set(channelId, greatest);
    return greatest;
  }

  /** A binary key of the channel goes into the index. */
  noteIndexed(channelId: number, { bytes, from, to }: ByteRange): void {
    const greatest = this.#greatest.get(channelId);
    if (greatest === undefined || isHashed(bytes, from)) return;
    const key = keyOf(bytes, from, to);
    if (key > greatest) this.#greatest.set(channelId, key);
  }
}

/** Writes one generation of the tail to the index, a slice with each commit. */
export class IndexDrain {
  readonly #generation: TailGeneration;
  readonly #index: LogIndex;
  #steps: Generator<void>;
  #tables: Tables | null = null;
  #values: SeqValues | null = null;
  done = false;

  constructor(generation: TailGeneration, index: LogIndex) {
    this.#generation = generation;
    this.#index = index;
    this.#steps = this.#walk();
  }

  /** The commit of a slice failed: all of it is written once more, which changes nothing that did get there. */
  restart(): void {
    this.#steps = this.#walk();
    this.done = false;
  }

  /** At most `puts` puts into the transaction that is open. */
  slice(tables: Tables, puts: number): void {
    this.#tables = tables;
    this.#values = new SeqValues(puts);
    for (let i = 0; i < puts && !this.done; i++) this.done = this.#steps.next().done === true;
    this.#tables = null;
    this.#values = null;
  }

  *#walk(): Generator<void> {
    for (const [channelId, channel] of this.#generation.channels) {
      for (const place of channel.places) {
        void this.#tables!.segments.put(segmentKey(channelId, place.firstSeq), segmentValue(place.chunk, place.offset, place.lastSeq));
        yield;
      }
      const { keys } = this.#generation;
      const entries: number[] = [];
      for (let entry = channel.newest; entry >= 0; entry = keys.before(entry)) entries.push(entry);
      // Oldest first: LMDB fills its pages when keys come in ascending order.
      for (let i = entries.length - 1; i >= 0; i--) {
        const key = keys.key(entries[i]!);
        void this.#tables!.keys.put(key, this.#values!.next(keys.seq(entries[i]!)));
        this.#index.noteIndexed(channelId, key);
        yield;
      }
    }
  }
}

