/**
 * Gives the space of overwritten records back: what the oldest segment still holds of sessions is written again at the end of the log,
 * then the file goes. Segments go in their order, so that what is left has no hole.
 */

import { KIND, RECORD } from './format.js';
import { idOf, wordsAt } from './ids.js';
import type { IsConnected } from '../sessions/session-store.js';
import type { SegmentFile } from './segment-file.js';
import { SegmentReader } from './segment-reader.js';
import type { SessionLog } from './session-log.js';

/** The log may be so many times as long as what is live in it. */
const SLACK = 3;
/** Segments of short runs of the process, which are cleaned however little is in them. */
const FILES = 4;
/** Milliseconds of one turn of the event loop, looked at behind so many records; and until the next, in which others have the CPU. */
const SLICE_MS = 1;
const SLICE_RECORDS = 16;
const PAUSE_MS = 4;
/** After a failure nothing is tried for so many writes. */
const REST = 100;

export class Cleaner {
  readonly #log: SessionLog;
  readonly #reader = new SegmentReader();
  #running: Promise<void> | null = null;
  #stopped = false;
  #rest = 0;
  #isConnected: IsConnected = () => false;

  constructor(log: SessionLog) {
    this.#log = log;
  }

  keepConnected(isConnected: IsConnected): void {
    this.#isConnected = isConnected;
  }

  /** Begins to clean where that pays. */
  look(): void {
    if (this.#stopped || this.#running !== null) return;
    if (this.#rest > 0) {
      this.#rest -= 1;
      return;
    }
    const oldest = this.#due();
    if (oldest === null) return;
    this.#running = this.#clean(oldest)
      .catch(() => void (this.#rest = REST))
      .finally(() => (this.#running = null));
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
  }

  #due(): SegmentFile | null {
    const { segments, liveBytes, newest, segmentBytes } = this.#log;
    let bytes = 0;
    let oldest: SegmentFile | null = null;
    for (const file of segments.values()) {
      bytes += file.bytes;
      if (oldest === null || file.number < oldest.number) oldest = file;
    }
    if (oldest === null || oldest.number === newest) return null;
    const long = bytes > 2 * segmentBytes && bytes > SLACK * liveBytes;
    return long || segments.size > FILES + (2 * bytes) / segmentBytes ? oldest : null;
  }

  async #clean(file: SegmentFile): Promise<void> {
    let moved: Promise<unknown> | null = null;
    let looked = 0;
    let began = performance.now();
    for (this.#reader.begin(file); await this.#reader.next();) {
      for (const record of this.#reader.records()) {
        moved = this.#move(file, record) ?? moved;
        looked += 1;
        if (looked % SLICE_RECORDS !== 0 || performance.now() - began < SLICE_MS) continue;
        await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
        if (this.#stopped) return;
        began = performance.now();
      }
    }
    await moved;
    await this.#log.writeAlive();
    this.#log.segments.delete(file.number & 0xffff);
    await file.remove(() => this.#stopped);
    this.#log.forgetAlive();
  }

  /** Null where the record is not its session's latest. */
  #move(file: SegmentFile, record: number): Promise<unknown> | null {
    const { bytes, base } = this.#reader;
    if (bytes.readUInt32LE(record + RECORD.KIND) !== KIND.session) return null;
    const words = wordsAt(bytes, record + RECORD.ID);
    const { places } = this.#log;
    const place = places.findId(words);
    if (place < 0 || !places.isAt(place, file.number, base + record)) return null;
    // Of a process that has ended nobody will say any more that the lease goes on, unless the connection is in other hands now.
    const isOrphan = this.#log.isOrphan(place) && !this.#isConnected(words, places.generation(place));
    return this.#log.change(place, idOf(words), words, (found) => (isOrphan ? { ...found, owner: null, leaseUntil: 0 } : found));
  }
}
