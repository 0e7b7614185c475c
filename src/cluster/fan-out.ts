/**
 * Hands to this node's subscribers what is next in their channels: each frame into the region, to the engine and to the hot log. Where
 * the region has no room, because slow connections are still being sent what it holds, the frames wait in order, within a bound.
 */

import type { EnginePort } from '../engine/port.js';
import type { ChannelRegistry } from '../sequence/channels.js';
import type { HotLog } from '../store/hot-log.js';
import { frameEnd } from '../engine/frame-header.js';

export interface FanOutOptions {
  readonly port: EnginePort;
  readonly hotLog: HotLog;
  readonly channels: Pick<ChannelRegistry, 'byId'>;
  /** Milliseconds since the Unix epoch. */
  readonly now: () => number;
  readonly after: (ms: number, run: () => void) => void;
  /** There was no room for what came, and is again. */
  readonly onRoom: () => void;
}

interface Waiting {
  readonly channelId: number;
  seq: number;
  at: number;
  readonly frames: Buffer;
}

/** Beyond it nothing more is taken: it is read from the log when there is room. */
const WAITING_BYTES_MAX = 16 << 20;
const RETRY_MS = 5;

export class FanOut {
  readonly #options: FanOutOptions;
  #waiting: Waiting[] = [];
  #bytes = 0;

  constructor(options: FanOutOptions) {
    this.#options = options;
  }

  /** What comes now should be left in the log. */
  get full(): boolean {
    return this.#bytes > WAITING_BYTES_MAX;
  }

  /** Whole frames of a channel that follow what it was given before. */
  deliver(channelId: number, firstSeq: number, frames: Buffer): void {
    const run: Waiting = { channelId, seq: firstSeq, at: 0, frames };
    if (this.#waiting.length === 0 && this.#publish(run)) return;
    this.#bytes += frames.length;
    this.#waiting.push(run);
    if (this.#waiting.length === 1) this.#options.after(RETRY_MS, () => this.#retry());
  }

  #retry(): void {
    let done = 0;
    for (; done < this.#waiting.length; done++) {
      const run = this.#waiting[done] as Waiting;
      if (!this.#publish(run)) break;
      this.#bytes -= run.frames.length;
    }
    this.#waiting.splice(0, done);
    if (this.#waiting.length > 0) this.#options.after(RETRY_MS, () => this.#retry());
    else this.#options.onRoom();
  }

  /** False where there is no room for all of it. */
  #publish(run: Waiting): boolean {
    const { port, hotLog, channels, now } = this.#options;
    const { frames, channelId } = run;
    const channel = channels.byId(channelId);
    // Nobody has it here any more.
    if (channel === undefined) return true;
    const at = now();
    for (let end; run.at < frames.length; run.at = end, run.seq++) {
      end = frameEnd(frames, run.at);
      const length = end - run.at;
      const address = port.arena.claim(length);
      if (address < 0) return false;
      port.memory.set(frames.subarray(run.at, end), address);
      port.publish(channelId, address, length, run.seq);
      hotLog.add(channelId, run.seq, address, length, at);
      channel.sequencedSeq = run.seq;
      channel.publishedSeq = run.seq;
    }
    return true;
  }
}
