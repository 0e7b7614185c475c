/**
 * Catches a subscriber up: from a sequence number to the head, then live. The last chunk and the switch to live delivery happen
 * in one step with no return to the event loop between, so that no message is published in the gap: none is missed, none comes twice.
 */

import type { Row } from '../engine/port.js';
import type { ReplayChannel, ReplayJob, ReplaySink, ReplaySource } from './types.js';

export class CatchUp implements ReplayJob {
  readonly channel: ReplayChannel;
  #nextSeq: number;
  #done = false;
  #waiting: Promise<void> | null = null;
  readonly #source: ReplaySource;

  /** The row has everything below `nextSeq` or does not want it. */
  constructor(channel: ReplayChannel, nextSeq: number, source: ReplaySource) {
    this.channel = channel;
    this.#nextSeq = nextSeq;
    this.#source = source;
  }

  get done(): boolean {
    return this.#done;
  }

  get waiting(): Promise<void> | null {
    return this.#waiting;
  }

  get nextSeq(): number {
    return this.#nextSeq;
  }

  step(row: Row, sink: ReplaySink, maxBytes: number): number {
    const { channel } = this;
    let sent = 0;
    this.#waiting = null;
    // Bounded: every round moves nextSeq up, and publishedSeq stands still while this runs.
    while (this.#nextSeq <= channel.publishedSeq && sent < maxBytes && this.#waiting === null) {
      sent += this.#sendRun(row, sink, maxBytes - sent);
    }
    if (this.#nextSeq > channel.publishedSeq) {
      this.#done = true;
      sink.live(row, channel);
    }
    return sent;
  }

  #sendRun(row: Row, sink: ReplaySink, maxBytes: number): number {
    const { channel } = this;
    const run = this.#source.read(channel.id, this.#nextSeq, channel.publishedSeq, maxBytes);
    if (run instanceof Promise) {
      this.#waiting = run;
      return 0;
    }
    const firstSeq = run?.firstSeq ?? channel.publishedSeq + 1;
    if (firstSeq > this.#nextSeq) sink.incomplete(row, channel, this.#nextSeq, firstSeq - 1, 'expired');
    if (run === null) {
      this.#nextSeq = firstSeq;
      return 0;
    }
    sink.frames(row, run, channel);
    this.#nextSeq = run.lastSeq + 1;
    return run.length;
  }
}
