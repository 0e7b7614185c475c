// Writes a generated file, or with --check fails where the one that is there differs.
import { readFileSync, writeFileSync } from 'node:fs';

function current(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    // Missing counts as stale.
    return '';
  }
}

export function writeOrCheck(root, path, text, command) {
  if (!process.argv.includes('--check')) return writeFileSync(`${root}${path}`, text);
  if (current(`${root}${path}`) === text) return undefined;
  console.error(`${path}:1: stale: run \`${command}\``);
  return process.exit(1);
}
