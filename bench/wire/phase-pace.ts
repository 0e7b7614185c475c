import { FULL_PACE, PaceWatch, paceBetween, type Look, type Pace } from '../lib/pace.js';

/** How many were ready at a moment, in milliseconds since 1970: the generator's line of progress, once a second. */
export interface Progress {
  readonly atMs: number;
  readonly ready: number;
}

/** Openings in those seconds in which the server had all of its CPU, which is the bound. */
export interface AtFullPace {
  readonly seconds: number;
  readonly opened_per_second: number;
}

/** Null where there was no such second. The first seconds, in which V8 has not compiled anything yet, count like all others. */
export function openedAtFullPace(progress: readonly Progress[], server: readonly Look[], client: readonly Look[]): AtFullPace | null {
  let seconds = 0;
  let opened = 0;
  for (const [index, { atMs, ready }] of progress.entries()) {
    const before = progress[index - 1];
    if (before === undefined) continue;
    const pace = paceBetween(server, client, before.atMs, atMs);
    if (pace === null || pace.server < FULL_PACE) continue;
    seconds += (atMs - before.atMs) / 1000;
    opened += ready - before.ready;
  }
  return seconds === 0 ? null : { seconds, opened_per_second: opened / seconds };
}

/** What is added to the result of a phase. */
export interface PhasePace {
  readonly pace: Pace | null;
  /** Of `open`. */
  readonly at_full_pace?: AtFullPace | null;
}

/** The CPUs' paces while phases are played one behind the other. */
export class PhasePaces {
  readonly #watch: PaceWatch;
  #beganMs = Date.now();
  #opening: Progress[] = [];

  constructor(deadlineS: number) {
    this.#watch = new PaceWatch(deadlineS);
  }

  progress(phase: string, ready: number): void {
    if (phase === 'open') this.#opening.push({ atMs: Date.now(), ready });
  }

  ended(phase: string): PhasePace {
    const { server, client } = this.#watch;
    const now = Date.now();
    const pace = paceBetween(server, client, this.#beganMs, now);
    const opening = this.#opening;
    this.#beganMs = now;
    this.#opening = [];
    return phase === 'open' ? { pace, at_full_pace: openedAtFullPace(opening, server, client) } : { pace };
  }

  async stop(): Promise<void> {
    await this.#watch.stop();
  }
}
