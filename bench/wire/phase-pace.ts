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

/** Second by second, as `Pace` says it, in hundredths; null where a CPU was not looked at. */
export type Seconds = readonly (Pace | null)[];

export function paceOfSeconds(server: readonly Look[], client: readonly Look[], fromMs: number, toMs: number): Seconds {
  const hundredths = (share: number): number => Math.round(100 * share) / 100;
  return Array.from({ length: Math.ceil((toMs - fromMs) / 1000) }, (_, second) => {
    const pace = paceBetween(server, client, fromMs + 1000 * second, fromMs + 1000 * (second + 1) - 1);
    return pace === null ? null : { server: hundredths(pace.server), client: hundredths(pace.client) };
  });
}

/** What is added to the result of a phase. */
export interface PhasePace {
  readonly pace: Pace | null;
  /** Of `publish`, whose late messages are compared with it. */
  readonly pace_of_seconds?: Seconds;
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
    const [from, now] = [this.#beganMs, Date.now()];
    const pace = paceBetween(server, client, from, now);
    const opening = this.#opening;
    this.#beganMs = now;
    this.#opening = [];
    if (phase === 'open') return { pace, at_full_pace: openedAtFullPace(opening, server, client) };
    return phase === 'publish' ? { pace, pace_of_seconds: paceOfSeconds(server, client, from, now) } : { pace };
  }

  async stop(): Promise<void> {
    await this.#watch.stop();
  }
}
