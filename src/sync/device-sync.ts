/** The delta of a device's channels, one after another, then the answer with the cursor that stands behind it. */

import type { Row } from '../engine/port.js';
import type { CatchUp } from './catch-up.js';
import type { Reached, ReplayJob, ReplaySink } from './types.js';

export class DeviceSync implements ReplayJob {
  readonly opId: number;
  #parts: CatchUp[];
  readonly #reached: Reached[];
  #done = false;

  /** A channel that is not subscribed is followed to its head; one that is goes live there. `reached`: what needs no delta. */
  constructor(opId: number, parts: readonly CatchUp[], reached: readonly Reached[]) {
    this.opId = opId;
    this.#parts = [...parts];
    this.#reached = [...reached];
  }

  get done(): boolean {
    return this.#done;
  }

  get waiting(): Promise<void> | null {
    return this.#parts[0]?.waiting ?? null;
  }

  /** The part of this channel, if it is still to be finished. */
  part(channelId: number): CatchUp | undefined {
    return this.#parts.find(({ channel }) => channel.id === channelId);
  }

  /** The client wants something else of this channel: it counts up to where it was sent. */
  drop(channelId: number): void {
    const part = this.part(channelId);
    if (part === undefined) return;
    this.#parts = this.#parts.filter((other) => other !== part);
    this.#finish(part);
  }

  step(row: Row, sink: ReplaySink, maxBytes: number): number {
    let sent = 0;
    for (let part = this.#parts[0]; part !== undefined && sent < maxBytes; part = this.#parts[0]) {
      sent += part.step(row, sink, maxBytes - sent);
      if (!part.done) return sent;
      this.#parts.shift();
      this.#finish(part);
    }
    if (this.#parts.length > 0) return sent;
    this.#done = true;
    sink.synced(row, this.opId, this.#reached);
    return sent;
  }

  #finish({ channel, nextSeq }: CatchUp): void {
    this.#reached.push({ channel, seq: nextSeq - 1 });
  }
}
