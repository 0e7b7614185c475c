// Writes docs/CONFIGURATION.md from the tables of options in src/config/options.ts (built to dist/), or with --check compares.
import { fileURLToPath } from 'node:url';

import { writeOrCheck } from './lib/generated.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const tables = await import(`${root}dist/config/options.js`);

const sections = [
  ['Server', '', tables.SERVER_OPTIONS, 'At the top level of `sluice.json`.'],
  ['Limits', 'limits.', tables.LIMIT_OPTIONS, 'Every limit says what happens beyond it.'],
  ['Log', 'log.', tables.LOG_OPTIONS, 'The message log: hot in memory, then on disk.'],
  ['History', 'history.', tables.HISTORY_OPTIONS, 'The cold tier, for what leaves the log; see [OPERATIONS.md](OPERATIONS.md).'],
  ['Store', 'store.', tables.STORE_OPTIONS, 'What several nodes share; see [OPERATIONS.md](OPERATIONS.md).'],
  ['Cluster', 'cluster.', tables.CLUSTER_OPTIONS, 'How the nodes of one `store.redis` treat their clients together.'],
  ['Sessions', 'session.', tables.SESSION_OPTIONS, 'Resuming and stopping.'],
  ['Drain', 'drain.', tables.DRAIN_OPTIONS, 'How clients are let go before a stop; see [OPERATIONS.md](OPERATIONS.md).'],
  ['Authentication', 'auth.', tables.AUTH_OPTIONS, 'What tokens must say. `auth.keys` is a list of keys (next section).'],
  [
    'Keys',
    'auth.keys[n].',
    tables.KEY_OPTIONS,
    'Exactly one of `secret`, `secretFile`, `publicKey`, `publicKeyFile` and `jwksFile` in each key.',
  ],
];

const cell = (text) => text.replace(/\|/g, '\\|');
const row = (prefix, [name, option]) => {
  const flag = option.flag === undefined ? '' : `\`--${option.flag}\``;
  const fallback = cell(JSON.stringify(option.fallback));
  return `| \`${prefix}${name}\` | ${flag} | \`${fallback}\` | ${cell(option.kind.expects)} | ${cell(option.help)} |`;
};
const parts = sections.map(([title, prefix, options, text]) => {
  const rows = Object.entries(options).map((entry) => row(prefix, entry));
  return `## ${title}\n\n${text}\n\n| option | flag | default | value | meaning |\n|---|---|---|---|---|\n${rows.join('\n')}\n`;
});
const text = `# Configuration

Made by \`npm run docs:config\` from \`src/config/options.ts\`: do not edit.

Options stand in a JSON file named by \`--config\`; flags override it. A name that is not an option and a value of another
type or outside its limits are refused at start, with the option's path. Lists have commas between their items in flags.
Sizes are bytes or a text such as \`"64KiB"\`, durations milliseconds or a text such as \`"25s"\`.

${parts.join('\n')}`;

writeOrCheck(root, 'docs/CONFIGURATION.md', text, 'npm run docs:config');
