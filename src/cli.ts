#!/usr/bin/env node
/** The command line. Each subcommand is loaded only when it is asked for. */
import { readFileSync } from 'node:fs';

import { ConfigError, SluiceError, UsageError } from './errors.js';

type Command = (argv: readonly string[]) => Promise<number>;

const COMMANDS: Readonly<Record<string, { readonly help: string; readonly load: () => Promise<Command> }>> = {
  serve: { help: 'the gateway: data plane and control plane in one process', load: async () => (await import('./cli/serve.js')).serve },
  engine: { help: 'the data plane in a process of its own', load: async () => (await import('./cli/engine.js')).engine },
  echo: { help: 'a plain WebSocket echo server', load: async () => (await import('./cli/echo.js')).echo },
  drain: { help: 'asks a running gateway to hand over', load: async () => (await import('./cli/drain.js')).drain },
  stat: { help: 'counters and bytes per connection of a running gateway', load: async () => (await import('./cli/stat.js')).stat },
  doctor: { help: 'what this machine offers and lacks, and how to mend it', load: async () => (await import('./cli/doctor.js')).doctor },
  bench: { help: 'measures it, beside others: sluice bench --help', load: async () => (await import('./cli/bench.js')).bench },
};

function usage(): string {
  const lines = Object.entries(COMMANDS).map(([name, { help }]) => `  ${name.padEnd(8)}${help}`);
  return `usage: sluice COMMAND [options]\n\n${lines.join('\n')}\n\nOptions of each: sluice COMMAND --help; sluice --version\n`;
}

/** Of the package that this file is in. */
function version(): string {
  const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { readonly version: string };
  return version;
}

async function main(argv: readonly string[]): Promise<number> {
  const [name, ...rest] = argv;
  if (name === 'help' || name === '--help' || name === '-h') {
    process.stdout.write(usage());
    return 0;
  }
  if (name === 'version' || name === '--version' || name === '-V') {
    process.stdout.write(`sluice ${version()}\n`);
    return 0;
  }
  const command = name !== undefined && Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (command === undefined) {
    process.stderr.write(name === undefined ? usage() : `sluice: there is no command '${name}'\n\n${usage()}`);
    return 2;
  }
  try {
    return await (await command.load())(rest);
  } catch (error) {
    if (isOutOfFiles(error)) {
      process.stderr.write(`sluice ${name}: this process may not open as many files as it is made of\n${FILES_REMEDY}\n`);
      return 1;
    }
    if (!(error instanceof SluiceError)) throw error;
    process.stderr.write(`sluice ${name}: ${error.message}\n${error.remedy.replace('COMMAND', name as string)}\n`);
    return error instanceof UsageError || (error instanceof ConfigError && !readsFile(rest)) ? 2 : 1;
  }
}

const FILES_REMEDY = 'Raise the limit: ulimit -n 1048576, or LimitNOFILE=1048576 in the service unit. `sluice doctor` says what it is.';

/** Also while the parts of a command are loaded, which is when a limit of some dozens is reached. */
function isOutOfFiles(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'EMFILE' || code === 'ENFILE';
}

/** Without a file, options that do not fit together are arguments that do not. */
function readsFile(argv: readonly string[]): boolean {
  return argv.some((argument) => argument === '--config' || argument.startsWith('--config='));
}

/** Whose work is not what they print. */
const SERVERS: readonly (string | undefined)[] = ['serve', 'engine', 'echo'];
// Who reads the output may have seen enough (`sluice doctor | head -1`); a server goes on when its terminal or its log's collector is gone.
const outlives = SERVERS.includes(process.argv[2]);
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (outlives) return;
  if (error.code === 'EPIPE') process.exit();
  process.stderr.write(`sluice: standard output cannot be written: ${error.message}\n`);
  process.exit(1);
});
process.stderr.on('error', () => undefined);
process.exitCode = await main(process.argv.slice(2));
