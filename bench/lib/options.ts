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

/** Seconds, and what comes in each; all others are whole. */
const FRACTIONAL: ReadonlySet<keyof Values> = new Set(['duration', 'warmup', 'hold', 'rate']);
const DECIMAL = /^\d{1,15}(\.\d{1,15})?$/;

export function numberOf(values: Values, name: keyof Values, fallback: number): number {
  const text = values[name];
  if (text === undefined) return fallback;
  const whole = !FRACTIONAL.has(name);
  // Number() takes 0x10 and a blank as well.
  const value = DECIMAL.test(String(text)) ? Number(text) : 0;
  if (value > 0 && (!whole || Number.isInteger(value))) return value;
  throw new ArgumentError(`--${name}: expected a positive ${whole ? 'whole ' : ''}number, got '${text}'`);
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
