/** Flags of a subcommand. */
import { parseArgs } from 'node:util';

import { UsageError } from '../errors.js';

export interface Flag {
  readonly type: 'string' | 'boolean';
  readonly help: string;
}

export type Flags = Readonly<Record<string, Flag>>;
export type FlagValues = Readonly<Record<string, string | boolean | undefined>>;

export interface ParsedArgs {
  readonly values: FlagValues;
  readonly positionals: readonly string[];
}

/** Null when help was asked for and printed. Throws UsageError for what is unknown or malformed. */
export function parseFlags(name: string, flags: Flags, argv: readonly string[], positionals = false): ParsedArgs | null {
  const options = Object.fromEntries(Object.entries(flags).map(([flag, { type }]) => [flag, { type }]));
  let parsed;
  try {
    parsed = parseArgs({ args: [...argv], options: { ...options, help: { type: 'boolean', short: 'h' } }, allowPositionals: positionals });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error), {
      remedy: `Options: ${Object.keys(flags).map((flag) => `--${flag}`).join(' ')}`,
    });
  }
  if (parsed.values['help'] === true) {
    const lines = Object.entries(flags).map(([flag, { type, help }]) => {
      const left = `--${flag}${type === 'string' ? ' VALUE' : ''}`;
      return `  ${left.padEnd(28)}${help}`;
    });
    process.stdout.write(`usage: sluice ${name} [options]\n\n${lines.join('\n')}\n`);
    return null;
  }
  return { values: parsed.values as FlagValues, positionals: parsed.positionals };
}

export function textFlag(values: FlagValues, name: string, fallback: string): string {
  const value = values[name];
  return typeof value === 'string' ? value : fallback;
}
