// Writes src/engine/layout.ts from what the built addon says of its layout, or with --check compares the two.
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

import { writeOrCheck } from './lib/generated.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const layout = createRequire(import.meta.url)(`${root}build/Release/sluice.node`).describeLayout();

const groups = Object.entries(layout).map(([name, values]) => {
  const lines = Object.entries(values).map(([key, value]) => `  ${key}: ${value},`);
  return `export const ${name} = {\n${lines.join('\n')}\n} as const;\n`;
});
const text = `// Made by scripts/layout.mjs from native/queue: do not edit.\n\n${groups.join('\n')}`;

writeOrCheck(root, 'src/engine/layout.ts', text, 'npm run layout');
