import type { FrameRun } from '../types.js';
import type { MessageView } from './segment.js';

const INITIAL_BYTES = 65_536;

/** Frames of several segments gathered in one buffer: the one that is given, or the run's own where there is none or it is too small. */
class RunBuilder {
  #bytes: Buffer;
  #length = 0;
  readonly #ends: number[] = [];
  readonly #maxCount: number;
  readonly #maxBytes: number;

  constructor(maxCount: number, maxBytes: number, into: Buffer | null) {
    this.#maxCount = maxCount;
    this.#maxBytes = maxBytes;
    this.#bytes = into ?? Buffer.allocUnsafeSlow(Math.max(1, Math.min(maxBytes, INITIAL_BYTES)));
  }

  get count(): number {
    return this.#ends.length;
  }

  /** Adds messages from `index` on; false when the run is full. At least one message fits whatever its size. */
  add(view: MessageView, index: number): boolean {
    const from = view.frameEnd(index - 1);
    let to = from;
    let last = index;
    const base = this.#length - from;
    for (; last < view.count && this.#ends.length < this.#maxCount; last++) {
      const end = view.frameEnd(last);
      if (base + end > this.#maxBytes && this.#ends.length > 0) break;
      this.#ends.push(base + end);
      to = end;
    }
    this.#reserve(to - from);
    view.copyFrames(index, last, this.#bytes, this.#length);
    this.#length += to - from;
    return last === view.count && this.#ends.length < this.#maxCount && this.#length < this.#maxBytes;
  }

  #reserve(bytes: number): void {
    if (this.#length + bytes <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(this.#length + bytes, this.#bytes.length * 2));
    this.#bytes.copy(larger, 0, 0, this.#length);
    this.#bytes = larger;
  }

  finish(firstSeq: number): FrameRun {
    return {
      firstSeq,
      lastSeq: firstSeq + this.count - 1,
      frames: this.#bytes.subarray(0, this.#length),
      ends: Uint32Array.from(this.#ends),
    };
  }
}

/**
 * Reads consecutive messages, from the first view that is there (those that are not are null); ends early where the next one does not
 * follow on. `into`: as MessageLog.read.
 */
export function readRun(
  views: Iterable<MessageView | null>, fromSeq: number, maxCount: number, maxBytes: number, into: Buffer | null = null,
): FrameRun | null {
  if (maxCount < 1) return null;
  let run: RunBuilder | null = null;
  let firstSeq = 0;
  for (const view of views) {
    if (view === null) {
      if (run !== null) break;
    } else if (run === null) {
      run = new RunBuilder(maxCount, maxBytes, into);
      firstSeq = Math.max(view.firstSeq, fromSeq);
      if (!run.add(view, firstSeq - view.firstSeq)) break;
    } else if (view.firstSeq !== firstSeq + run.count || !run.add(view, 0)) {
      break;
    }
  }
  return run === null ? null : run.finish(firstSeq);
}
