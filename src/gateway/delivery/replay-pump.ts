import type { Replays } from '../../sync/replays.js';
import { ReplayPace } from '../../sync/replay-pace.js';

export interface ReplayPumpParts {
  readonly replays: Pick<Replays, 'ready' | 'pump'>;
  /** Publishes wait for a commit that this machine writes. */
  readonly committing: () => boolean;
  /** Milliseconds, never stepping back. */
  readonly monotonic: () => number;
}

/** Gives replays their turns on the event loop, at the pace that ReplayPace sets. */
export class ReplayPump {
  readonly #parts: ReplayPumpParts;
  readonly #pace = new ReplayPace();
  #queued = false;
  #planned = false;

  constructor(parts: ReplayPumpParts) {
    this.#parts = parts;
  }

  /** A turn now, if it is time for one; the next ones follow by themselves. */
  run(): void {
    const { replays, committing, monotonic } = this.#parts;
    if (!replays.ready) return;
    const wait = this.#pace.wait(committing(), monotonic());
    if (wait > 0) return this.#later(wait);
    replays.pump(this.#pace.turnMs);
    if (replays.ready) this.soon();
  }

  /** In a macrotask of its own, so that Node's timers and I/O and the engine's events have their share between two rounds. */
  soon(): void {
    if (this.#queued) return;
    this.#queued = true;
    setImmediate(() => {
      this.#queued = false;
      this.run();
    });
  }

  #later(ms: number): void {
    if (this.#planned) return;
    this.#planned = true;
    setTimeout(() => {
      this.#planned = false;
      this.run();
    }, ms).unref();
  }
}
