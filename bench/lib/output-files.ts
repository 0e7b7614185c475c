/** The files that a run is saved to: looked at before it, because it may take half an hour. */
import { closeSync, existsSync, mkdirSync, openSync, unlinkSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

import { ArgumentError, type Values } from './options.js';
import { RESULTS } from './paths.js';

const FILES = ['json', 'html'] as const;

/** Throws ArgumentError where a file cannot be written. */
export function checkFiles(values: Values): void {
  for (const option of FILES) {
    const path = values[option];
    if (typeof path !== 'string') continue;
    try {
      mkdirSync(dirname(path), { recursive: true });
      const isNew = !existsSync(path);
      closeSync(openSync(path, 'a'));
      if (isNew) unlinkSync(path);
    } catch (error) {
      throw new ArgumentError(`--${option}: '${path}' cannot be written (${reasonOf(error)}); name another file`);
    }
  }
}

/** Says so where a file is asked for of a scenario that prints its result and keeps nothing else, so that the output is kept instead. */
export function noteFiles(scenario: string, values: Values): void {
  const asked = [...FILES, 'save' as const].filter((option) => values[option] !== undefined);
  if (asked.length === 0) return;
  process.stderr.write(`! ${scenario} only prints its result: ${asked.map((option) => `--${option}`).join(', ')} writes nothing\n`);
}

/** Writes what can be written. Throws with what could not; the result has been printed before. */
export function saveFiles(
  { date, scenario }: { readonly date: string; readonly scenario: string }, json: string, html: string, values: Values,
): void {
  const failed: string[] = [];
  const write = (path: string, text: string): void => {
    try {
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, text);
    } catch (error) {
      failed.push(`${path} (${reasonOf(error)})`);
    }
  };
  if (typeof values.json === 'string') write(values.json, json);
  if (typeof values.html === 'string') write(values.html, html);
  if (values.save === true) {
    const stem = `${RESULTS}${date.slice(0, 16).replace(/[:T]/g, '-')}-${scenario}`;
    write(`${stem}.json`, json);
    write(`${stem}.html`, html);
    if (failed.length === 0) process.stderr.write(`saved ${stem}.json\n`);
  }
  if (failed.length > 0) throw new Error(`the result above could not be saved: ${failed.join(', ')}`);
}

function reasonOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? String(error);
}
