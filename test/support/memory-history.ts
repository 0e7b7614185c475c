/** A HistoryStore in memory, which fails and waits when the test says so. */

import { StoreError } from '../../src/errors.js';
import { runOfFrames } from '../../src/store/frame-run.js';
import type { HistoryBounds, HistoryLimits, HistoryPlace, HistorySegment, HistoryStore } from '../../src/store/history-store.js';
import type { FrameRun } from '../../src/store/types.js';

interface Stored {
  readonly id: bigint;
  readonly serverTs: number;
  readonly frame: Buffer;
}

export class MemoryHistory implements HistoryStore {
  /** Every call rejects with it. */
  failure: Error | null = null;
  /** Calls wait until it resolves. */
  gate: Promise<void> = Promise.resolve();
  reads = 0;
  #closed = false;
  /** By place, then by number. */
  readonly #places = new Map<string, Map<number, Stored>>();

  async #enter(): Promise<void> {
    await this.gate;
    if (this.#closed) throw new StoreError('the history store is closed', false);
    if (this.failure !== null) throw this.failure;
  }

  #at({ channel, epoch }: HistoryPlace): Map<number, Stored> {
    const key = JSON.stringify([channel, epoch]);
    let messages = this.#places.get(key);
    if (messages === undefined) this.#places.set(key, (messages = new Map()));
    return messages;
  }

  #seqs(place: HistoryPlace): number[] {
    return [...this.#at(place).keys()].sort((a, b) => a - b);
  }

  /** How many there are in all. */
  get size(): number {
    return [...this.#places.values()].reduce((sum, messages) => sum + messages.size, 0);
  }

  /** Everything of the place, by number. */
  all(place: HistoryPlace): (readonly [seq: number, frame: Buffer])[] {
    return this.#seqs(place).map((seq) => [seq, (this.#at(place).get(seq) as Stored).frame]);
  }

  async write(segments: readonly HistorySegment[]): Promise<void> {
    await this.#enter();
    for (const segment of segments) {
      const messages = this.#at(segment);
      let from = 0;
      segment.ends.forEach((end, i) => {
        const frame = Buffer.from(segment.frames.subarray(from, (from = end)));
        const seq = segment.firstSeq + i;
        if (messages.has(seq)) return;
        messages.set(seq, { id: BigInt(segment.ids[i] as string), serverTs: segment.serverTs[i] as number, frame });
      });
    }
  }

  /** Forgets the messages below `seq`. */
  expire(place: HistoryPlace, seq: number): void {
    const messages = this.#at(place);
    for (const one of [...messages.keys()]) if (one < seq) messages.delete(one);
  }

  async read(place: HistoryPlace, fromSeq: number, maxCount: number, maxBytes: number): Promise<FrameRun | null> {
    await this.#enter();
    return this.#run(place, this.#seqs(place).filter((seq) => seq >= fromSeq), 1, maxCount, maxBytes);
  }

  async readBack(place: HistoryPlace, toSeq: number, maxCount: number, maxBytes: number): Promise<FrameRun | null> {
    await this.#enter();
    return this.#run(place, this.#seqs(place).filter((seq) => seq <= toSeq).reverse(), -1, maxCount, maxBytes);
  }

  #run(place: HistoryPlace, seqs: readonly number[], step: number, maxCount: number, maxBytes: number): FrameRun | null {
    this.reads += 1;
    const frames: Buffer[] = [];
    let bytes = 0;
    const first = seqs[0];
    for (const seq of seqs.slice(0, maxCount)) {
      const { frame } = this.#at(place).get(seq) as Stored;
      if (seq !== (first as number) + frames.length * step) break;
      if ((bytes += frame.length) > maxBytes && frames.length > 0) break;
      frames.push(frame);
    }
    if (first === undefined || frames.length === 0) return null;
    return step > 0 ? runOfFrames(first, frames) : runOfFrames(first - frames.length + 1, frames.reverse());
  }

  async bounds(place: HistoryPlace): Promise<HistoryBounds | null> {
    await this.#enter();
    const seqs = this.#seqs(place);
    const oldestSeq = seqs[0];
    return oldestSeq === undefined ? null : { oldestSeq, newestSeq: seqs.at(-1) as number };
  }

  async seqAtTs(place: HistoryPlace, ts: number): Promise<number | null> {
    await this.#enter();
    return this.#seqs(place).find((seq) => (this.#at(place).get(seq) as Stored).serverTs >= ts) ?? null;
  }

  async seqAfterId(place: HistoryPlace, id: string): Promise<number | null> {
    await this.#enter();
    return this.#seqs(place).find((seq) => (this.#at(place).get(seq) as Stored).id >= BigInt(id)) ?? null;
  }

  async retain({ before, maxMessages }: HistoryLimits): Promise<number> {
    await this.#enter();
    let removed = 0;
    for (const messages of this.#places.values()) {
      const newest = Math.max(...messages.keys());
      for (const [seq, { serverTs }] of [...messages]) {
        if (!((before !== null && serverTs < before) || (maxMessages !== null && seq <= newest - maxMessages))) continue;
        messages.delete(seq);
        removed += 1;
      }
    }
    return removed;
  }

  async close(): Promise<void> {
    this.#closed = true;
  }
}
