/** How long and how often things are measured. */
export interface Settings {
  readonly smoke: boolean;
  readonly rounds: number;
  readonly durationS: number;
  readonly warmupS: number;
  readonly arms: readonly string[] | null;
  readonly twin: boolean;
  readonly quiet: boolean;
}

/** Smoke: does everything work; nothing is judged. */
export const SMOKE: Settings = { smoke: true, rounds: 1, durationS: 0.25, warmupS: 0.05, arms: null, twin: false, quiet: false };

export const FULL: Settings = { smoke: false, rounds: 5, durationS: 3, warmupS: 1.5, arms: null, twin: true, quiet: false };

/** Seconds. V8 compiles the way of a publish in the first five; on the server's one CPU its compiler threads take turns with it. */
export const PUBLISH_WARMUP_S = 6;
