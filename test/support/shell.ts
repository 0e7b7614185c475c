/** Shell lines of the documents, run as they stand: `sluice` is the built command line. */
import { spawn } from 'node:child_process';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CLI } from './sluice-process.js';

/** A folder whose `sluice` runs the built command line. */
export function binFolder(parent: string): string {
  const folder = join(parent, 'bin');
  mkdirSync(folder);
  const path = join(folder, 'sluice');
  writeFileSync(path, `#!/bin/sh\nexec "${process.execPath}" "${CLI}" "$@"\n`);
  chmodSync(path, 0o755);
  return folder;
}

export interface ShellResult {
  readonly code: number | null;
  readonly out: string;
}

/** Runs a script in a folder; what it leaves in the background stays. */
export async function runShell(
  script: string, cwd: string, bin: string, variables: Record<string, string>, timeout: number,
): Promise<ShellResult> {
  const env = { ...process.env, ...variables, PATH: `${bin}:${process.env['PATH'] ?? ''}` };
  const child = spawn('bash', ['-eu', '-c', script], { cwd, timeout, env, stdio: ['ignore', 'pipe', 'pipe'] });
  let out = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (out += text));
  const code = await new Promise<number | null>((resolve) => child.once('exit', resolve));
  return { code, out };
}

/** The first fenced block of this language in a document. */
export function fencedBlock(markdown: string, language: string): string {
  const block = new RegExp(`\`\`\`${language}\n([^]*?)\`\`\``).exec(markdown)?.[1];
  if (block === undefined) throw new Error(`no block of ${language}`);
  return block;
}
