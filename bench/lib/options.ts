/** The options of `sluice bench`, and what they say of every scenario. */
import { FULL, PUBLISH_WARMUP_S, SMOKE, type Settings } from './settings.js';

export const OPTIONS = {
  connections: { type: 'string' },
  depth: { type: 'string' },
  size: { type: 'string' },
  batch: { type: 'string' },
  from: { type: 'string' },
  rate: { type: 'string' },
  channels: { type: 'string' },
  subscribers: { type: 'string' },
  messages: { type: 'string' },
  rounds: { type: 'string' },
  duration: { type: 'string' },
  warmup: { type: 'string' },
  arms: { type: 'string' },
  json: { type: 'string' },
  html: { type: 'string' },
  save: { type: 'boolean' },
  smoke: { type: 'boolean' },
  strict: { type: 'boolean' },
  quiet: { type: 'boolean' },
  driver: { type: 'string' },
  hold: { type: 'string' },
  path: { type: 'string' },
  help: { type: 'boolean', short: 'h' },
} as const;

export type Values = { readonly [name in keyof typeof OPTIONS]?: string | boolean };

export class ArgumentError extends Error {}

export function numberOf(values: Values, name: keyof Values, fallback: number): number {
  const text = values[name];
  if (text === undefined) return fallback;
  const value = Number(text);
  if (!Number.isFinite(value) || value <= 0) throw new ArgumentError(`--${name}: expected a positive number, got '${text}'`);
  return value;
}

export function settingsOf(scenario: string, values: Values): Settings {
  const base = values.smoke === true ? SMOKE : FULL;
  return {
    ...base,
    rounds: numberOf(values, 'rounds', base.rounds),
    durationS: numberOf(values, 'duration', base.durationS),
    warmupS: numberOf(values, 'warmup', scenario.startsWith('publish') && values.smoke !== true ? PUBLISH_WARMUP_S : base.warmupS),
    arms: typeof values.arms === 'string' ? values.arms.split(',') : null,
    quiet: values.quiet === true,
  };
}
