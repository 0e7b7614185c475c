import type { FirstResult } from '../types.js';
import type { Generation } from './generation.js';
import type { MessageView } from './segment.js';
import { ENTRY } from './journal-record.js';
import type { TailChannel } from './tail-channels.js';
import { compareIds, joinId } from '../message-id.js';

/** Consecutive messages of one channel that are in the journal only, read from memory. */
export class TailView implements MessageView {
  readonly firstSeq: number;
  readonly lastSeq: number;
  readonly count: number;
  readonly #generation: Generation;
  readonly #messages: readonly number[];
  readonly #from: number;
  /** End of each frame, counted from the first one's beginning; made when it is first asked for. */
  #ends: Uint32Array | null = null;

  /** `count` messages of the channel, from the one with number `from` in it. */
  constructor(generation: Generation, channel: TailChannel, from: number, count: number) {
    this.#generation = generation;
    this.#messages = generation.channels.messagesOf(channel);
    this.#from = from;
    this.count = count;
    this.firstSeq = channel.firstSeq + from;
    this.lastSeq = this.firstSeq + count - 1;
  }

  #entry(index: number): number {
    return this.#generation.entryOf(this.#messages[this.#from + index]!);
  }

  frameEnd(index: number): number {
    if (index < 0) return 0;
    this.#ends ??= this.#sumFrames();
    return this.#ends[index]!;
  }

  #sumFrames(): Uint32Array {
    const { u32 } = this.#generation;
    const ends = new Uint32Array(this.count);
    let end = 0;
    for (let i = 0; i < this.count; i++) ends[i] = end += u32[(this.#entry(i) + ENTRY.FRAME_BYTES) >> 2]!;
    return ends;
  }

  copyFrames(from: number, to: number, target: Buffer, at: number): void {
    const { bytes, u32 } = this.#generation;
    let into = at;
    for (let i = from; i < to; i++) {
      const entry = this.#entry(i);
      const frame = u32[(entry + ENTRY.FRAME_AT) >> 2]!;
      into += bytes.copy(target, into, frame, frame + u32[(entry + ENTRY.FRAME_BYTES) >> 2]!);
    }
  }

  serverTs(index: number): number {
    return this.#generation.f64[(this.#entry(index) + ENTRY.SERVER_TS) >> 3]!;
  }

  compareId(index: number, high: number, low: number): number {
    const { u32, f64 } = this.#generation;
    const entry = this.#entry(index);
    return compareIds(f64[(entry + ENTRY.ID_HIGH) >> 3]!, u32[(entry + ENTRY.ID_LOW) >> 2]!, high, low);
  }

  result(index: number): FirstResult {
    const { u32, f64 } = this.#generation;
    const entry = this.#entry(index);
    return {
      id: joinId(f64[(entry + ENTRY.ID_HIGH) >> 3]!, u32[(entry + ENTRY.ID_LOW) >> 2]!),
      seq: this.firstSeq + index,
      serverTs: f64[(entry + ENTRY.SERVER_TS) >> 3]!,
      lamport: f64[(entry + ENTRY.LAMPORT) >> 3]!,
    };
  }

  sender(index: number): string {
    return this.#generation.sender(this.#messages[this.#from + index]!);
  }

  key(index: number): string {
    return this.#generation.key(this.#messages[this.#from + index]!);
  }
}
