/**
 * Channel patterns of permissions: `*` stands for any characters within a segment (segments end at `.`, `:` and `/`), `**` for
 * any characters at all. Matching takes time in proportion to pattern × name whatever the pattern is: no regular expression, no
 * backtracking.
 */

const STAR = -1;
const DOUBLE_STAR = -2;
export const PATTERN_LENGTH_MAX = 255;

export interface Matcher {
  matches(name: string): boolean;
}

export function compilePatterns(patterns: readonly string[]): Matcher {
  if (patterns.includes('**')) return EVERYTHING;
  const literals = new Set<string>();
  const prefixes: string[] = [];
  const globs: Int32Array[] = [];
  for (const pattern of patterns) {
    const tokens = tokenize(pattern);
    const firstWildcard = tokens.findIndex((token) => token < 0);
    if (firstWildcard === -1) literals.add(pattern);
    else if (firstWildcard === tokens.length - 1 && tokens[firstWildcard] === DOUBLE_STAR) prefixes.push(pattern.slice(0, firstWildcard));
    else globs.push(tokens);
  }
  return {
    matches: (name) =>
      literals.has(name) || prefixes.some((prefix) => name.startsWith(prefix)) || globs.some((glob) => matchGlob(glob, name)),
  };
}

const EVERYTHING: Matcher = { matches: () => true };

function tokenize(pattern: string): Int32Array {
  const tokens: number[] = [];
  for (let i = 0; i < pattern.length; i += 1) {
    if (pattern[i] !== '*') tokens.push(pattern.charCodeAt(i));
    else if (pattern[i + 1] !== '*') tokens.push(STAR);
    else {
      tokens.push(DOUBLE_STAR);
      while (pattern[i + 1] === '*') i += 1;
    }
  }
  return Int32Array.from(tokens);
}

/** Walks all positions of the pattern that the name so far can have reached (the set of states of its automaton). */
function matchGlob(glob: Int32Array, name: string): boolean {
  let reached = new Uint8Array(glob.length + 1);
  reach(glob, reached, 0);
  for (let i = 0; i < name.length; i += 1) {
    const next = new Uint8Array(glob.length + 1);
    const char = name.charCodeAt(i);
    for (let at = 0; at < glob.length; at += 1) {
      if (reached[at] === 0) continue;
      const token = glob[at] as number;
      if (token === char) reach(glob, next, at + 1);
      else if (token === DOUBLE_STAR || (token === STAR && !isSeparator(char))) reach(glob, next, at);
    }
    reached = next;
  }
  return reached[glob.length] === 1;
}

/** Marks a position and those behind the wildcards that follow it: a wildcard may stand for nothing. */
function reach(glob: Int32Array, set: Uint8Array, from: number): void {
  let at = from;
  set[at] = 1;
  while (at < glob.length && (glob[at] as number) < 0) {
    at += 1;
    set[at] = 1;
  }
}

function isSeparator(char: number): boolean {
  return char === 0x2e || char === 0x3a || char === 0x2f;
}
