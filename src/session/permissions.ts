/** Sets of permissions, interned: sessions with the same rights share one set and hold its index. */

import { compilePatterns, type Matcher } from './patterns.js';

/** Decisions remembered for each set and direction; beyond it the memory starts anew. */
const REMEMBERED_MAX = 1024;

class Rights {
  readonly #matcher: Matcher;
  /** There is nothing to decide, and so nothing to remember of millions of channels. */
  readonly #isEverything: boolean;
  readonly #remembered = new Map<string, boolean>();

  constructor(patterns: readonly string[]) {
    this.#matcher = compilePatterns(patterns);
    this.#isEverything = patterns.includes('**');
  }

  cover(channel: string): boolean {
    if (this.#isEverything) return true;
    const known = this.#remembered.get(channel);
    if (known !== undefined) return known;
    if (this.#remembered.size >= REMEMBERED_MAX) this.#remembered.clear();
    const covered = this.#matcher.matches(channel);
    this.#remembered.set(channel, covered);
    return covered;
  }
}

interface PermissionSet {
  readonly key: string;
  readonly read: Rights;
  readonly write: Rights;
  refs: number;
}

export class Permissions {
  readonly #sets: (PermissionSet | null)[] = [];
  readonly #byKey = new Map<string, number>();
  readonly #free: number[] = [];
  /** The set that was asked for last: mostly the next one asks for the same lists. */
  #last: { readonly read: readonly string[]; readonly write: readonly string[]; readonly index: number } | null = null;

  get count(): number {
    return this.#byKey.size;
  }

  /** Index of the set with these patterns, with `refs` references more. */
  intern(read: readonly string[], write: readonly string[], refs = 1): number {
    const last = this.#last;
    const isLast = last !== null && last.read === read && last.write === write;
    const index = isLast ? last.index : this.#find(read, write);
    if (!isLast) this.#last = { read, write, index };
    (this.#sets[index] as PermissionSet).refs += refs;
    return index;
  }

  #find(read: readonly string[], write: readonly string[]): number {
    const key = JSON.stringify([[...read].sort(), [...write].sort()]);
    const known = this.#byKey.get(key);
    if (known !== undefined) return known;
    const index = this.#free.pop() ?? this.#sets.length;
    this.#sets[index] = { key, read: new Rights(read), write: new Rights(write), refs: 0 };
    this.#byKey.set(key, index);
    return index;
  }

  release(index: number): void {
    const set = this.#sets[index] as PermissionSet;
    set.refs -= 1;
    if (set.refs > 0) return;
    if (this.#last?.index === index) this.#last = null;
    this.#byKey.delete(set.key);
    this.#sets[index] = null;
    this.#free.push(index);
  }

  canRead(index: number, channel: string): boolean {
    return (this.#sets[index] as PermissionSet).read.cover(channel);
  }

  canWrite(index: number, channel: string): boolean {
    return (this.#sets[index] as PermissionSet).write.cover(channel);
  }
}
