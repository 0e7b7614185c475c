// Writes src/engine/layout.ts from what the built addon says of its layout, or with --check compares the two.
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const target = `${root}src/engine/layout.ts`;
const layout = createRequire(import.meta.url)(`${root}build/Release/sluice.node`).describeLayout();

const groups = Object.entries(layout).map(([name, values]) => {
  const lines = Object.entries(values).map(([key, value]) => `  ${key}: ${value},`);
  return `export const ${name} = {\n${lines.join('\n')}\n} as const;\n`;
});
const text = `// Made by scripts/layout.mjs from native/queue: do not edit.\n\n${groups.join('\n')}`;

if (process.argv.includes('--check')) {
  let current = '';
  try {
    current = readFileSync(target, 'utf8');
  } catch {
    // Missing counts as stale.
  }
  if (current !== text) {
    console.error('src/engine/layout.ts: stale: run `npm run layout`');
    process.exit(1);
  }
} else {
  writeFileSync(target, text);
}
