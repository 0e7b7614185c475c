/** Flags of a subcommand. */
import { parseArgs } from 'node:util';

import { readText, type Kind } from '../config/kinds.js';
import { LIMIT_OPTIONS, SERVER_OPTIONS, type Option } from '../config/options.js';
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
    parsed = parseArgs({
      args: joinValues(flags, argv), options: { ...options, help: { type: 'boolean', short: 'h' } }, allowPositionals: positionals,
    });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error), {
      remedy: `Options: ${[...Object.keys(flags), 'help'].map((flag) => `--${flag}`).join(' ')}`,
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

/**
 * `--eal "--no-huge -m 256"`: a value that begins with a dash is written behind `=`, because parseArgs would take it for a forgotten one.
 * Where the next argument is itself a flag that is known, the value was forgotten.
 */
function joinValues(flags: Flags, argv: readonly string[]): string[] {
  const joined: string[] = [];
  for (let i = 0; i < argv.length; i++) {
    const argument = argv[i]!;
    const next = argv[i + 1];
    const takesText = argument.startsWith('--') && flags[argument.slice(2)]?.type === 'string';
    if (takesText && next !== undefined && next.startsWith('-') && !isFlag(flags, next)) {
      joined.push(`${argument}=${next}`);
      i += 1;
    } else {
      joined.push(argument);
    }
  }
  return joined;
}

function isFlag(flags: Flags, argument: string): boolean {
  const name = argument.replace(/^--/, '').split('=')[0] ?? '';
  return argument === '--' || argument === '-h' || argument === '--help' || (argument.startsWith('--') && Object.hasOwn(flags, name));
}

/** The options of the configuration that have a flag, and the file of the others. */
export function configFlags(): Record<string, Flag> {
  const result: Record<string, Flag> = { config: { type: 'string', help: 'file with options; flags override it' } };
  const options: readonly Option<unknown>[] = [...Object.values(SERVER_OPTIONS), ...Object.values(LIMIT_OPTIONS)];
  for (const { flag, fallback, help } of options) {
    if (flag !== undefined) result[flag] = { type: typeof fallback === 'boolean' ? 'boolean' : 'string', help };
  }
  return result;
}

export function textFlag(values: FlagValues, name: string, fallback: string): string {
  const value = values[name];
  return typeof value === 'string' ? value : fallback;
}

/** Throws UsageError for a value that is not of this kind. */
export function readFlag<T>(values: FlagValues, name: string, kind: Kind<T>, fallback: T): T {
  const given = values[name];
  if (typeof given !== 'string') return fallback;
  const value = readText(kind, given);
  if (value === undefined) throw new UsageError(`--${name}: expected ${kind.expects}, got '${given}'`);
  return value;
}

/** Host and port of a gateway's admin API; a URL, as the ready line shows it, does as well. Throws UsageError. */
export function adminHost(values: FlagValues): string {
  const given = textFlag(values, 'admin', '127.0.0.1:9090');
  const host = given.replace(/^https?:\/\//, '').replace(/\/+$/, '');
  if (host !== '' && URL.canParse(`http://${host}/`)) return host;
  throw new UsageError(`--admin: expected the admin address of a gateway such as "127.0.0.1:9090", got '${given}'`);
}
