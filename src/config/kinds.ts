/** Kinds of option values: each turns what JSON or the command line gave into the value, or says what it expects. */

import { isIP } from 'node:net';
import { parseAddress } from './address.js';
import { formatSize, parseDuration, parseSize } from './units.js';

export interface Kind<T> {
  /** "a size from 1 KiB to 64 MiB": completes "expected …". */
  readonly expects: string;
  /** A value as JSON gives it; undefined where it is not of this kind. */
  read(raw: unknown): T | undefined;
  /** The same of a text of the command line, where texts stand for values of other types. Without it `read` takes the text. */
  fromText?(text: string): T | undefined;
}

/** The value that `text` of the command line has; undefined where it has none of this kind. */
export function readText<T>(kind: Kind<T>, text: string): T | undefined {
  return kind.fromText === undefined ? kind.read(text) : kind.fromText(text);
}

export type ValueOf<K> = K extends Kind<infer T> ? T : never;

export function text(maxLength: number, pattern?: RegExp, expects?: string): Kind<string> {
  return {
    expects: expects ?? `a text of 1 to ${maxLength} characters`,
    read: (raw) => (typeof raw === 'string' && raw !== '' && raw.length <= maxLength && (pattern?.test(raw) ?? true) ? raw : undefined),
  };
}

/** What browsers send (RFC 6454 §6.1), or a pattern for it: with a path, or without a scheme, it would admit nobody. */
export function origin(maxLength: number): Kind<string> {
  const pattern = /^(?:\*|null|[a-z][a-z0-9+.-]*:\/\/(?:\*\.)?[^\s*/?#@,]+)$/i;
  return text(maxLength, pattern, 'an origin such as "https://app.example.org", "https://*.example.org" or "*"');
}

export function oneOf<const T extends string>(...values: readonly T[]): Kind<T> {
  return { expects: `one of ${values.join(', ')}`, read: (raw) => values.find((value) => value === raw) };
}

export function flag(): Kind<boolean> {
  return {
    expects: 'true or false',
    read: (raw) => (typeof raw === 'boolean' ? raw : undefined),
    fromText: (given) => (given === 'true' ? true : given === 'false' ? false : undefined),
  };
}

export function count(min: number, max: number): Kind<number> {
  return {
    expects: `a whole number from ${min} to ${max}`,
    read: (raw) => inRange(raw, min, max),
    fromText: (given) => (/^\d{1,15}$/.test(given) ? inRange(Number(given), min, max) : undefined),
  };
}

export function size(min: number, max: number): Kind<number> {
  return {
    expects: `a size from ${formatSize(min)} to ${formatSize(max)} ("64KiB", or a number of bytes)`,
    read: (raw) => inRange(typeof raw === 'string' ? parseSize(raw) : raw, min, max),
  };
}

/** Milliseconds. */
export function duration(minMs: number, maxMs: number): Kind<number> {
  return {
    expects: `a duration from ${minMs} to ${maxMs} ms ("60s", or a number of milliseconds)`,
    read: (raw) => inRange(typeof raw === 'string' ? parseDuration(raw) : raw, minMs, maxMs),
  };
}

/** Host and port as text, checked; `parseAddress` gives the parts. */
export function address(): Kind<string> {
  return {
    expects: 'an address such as "127.0.0.1:9000" or "[::1]:9000"',
    read: (raw) => (typeof raw === 'string' && parseAddress(raw) !== null ? raw : undefined),
  };
}

/** An IP address, alone or with a prefix length. */
export function ipAddress(withPrefix: boolean): Kind<string> {
  const valid = (raw: string): boolean => {
    const [ip, prefix, more] = raw.split('/');
    if (ip === undefined || isIP(ip) === 0 || more !== undefined) return false;
    if (!withPrefix || prefix === undefined) return withPrefix === (prefix !== undefined);
    return /^\d{1,3}$/.test(prefix) && Number(prefix) <= (isIP(ip) === 4 ? 32 : 128);
  };
  return {
    expects: withPrefix ? 'an address with its prefix, "10.9.0.1/24"' : 'an IP address',
    read: (raw) => (typeof raw === 'string' && valid(raw) ? raw : undefined),
  };
}

/** A list; on the command line a text, separated by commas. */
export function list<T>(item: Kind<T>, maxItems: number): Kind<readonly T[]> {
  const all = <V>(values: readonly V[], read: (value: V) => T | undefined): readonly T[] | undefined => {
    if (values.length > maxItems) return undefined;
    const result: T[] = [];
    for (const entry of values) {
      const value = read(entry);
      if (value === undefined) return undefined;
      result.push(value);
    }
    return result;
  };
  return {
    expects: `a list of at most ${maxItems} items, each ${item.expects}`,
    read: (raw) => (Array.isArray(raw) ? all(raw as readonly unknown[], item.read) : undefined),
    fromText: (given) => all(given.split(',').map((part) => part.trim()), (part) => readText(item, part)),
  };
}

/** The kind, or null for "not given". */
export function orNull<T>(kind: Kind<T>): Kind<T | null> {
  return {
    expects: `${kind.expects}, or null`,
    read: (raw) => (raw === null ? null : kind.read(raw)),
    fromText: (given) => readText(kind, given),
  };
}

function inRange(value: unknown, min: number, max: number): number | undefined {
  return typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max ? value : undefined;
}
