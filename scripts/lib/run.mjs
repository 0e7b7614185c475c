// Runs a command in a process group of its own, with a deadline, and leaves nothing of it behind.
import { spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

const groups = new Set();

function signalGroup(pid, signal) {
  try {
    process.kill(-pid, signal);
    return true;
  } catch {
    return false;
  }
}

// Whatever ends this process ends what it started.
for (const [signal, status] of [['SIGINT', 130], ['SIGTERM', 143], ['SIGHUP', 129]]) {
  process.on(signal, () => process.exit(status));
}
process.on('exit', () => {
  for (const pid of groups) signalGroup(pid, 'SIGKILL');
});

const GRACE_MS = 10_000;

// True where processes of the group were still there after a moment of grace; they are gone afterwards.
async function endGroup(pid) {
  for (let waited = 0; waited < GRACE_MS; waited += 50) {
    if (!signalGroup(pid, 0)) return false;
    await sleep(50);
  }
  signalGroup(pid, 'SIGKILL');
  return true;
}

// What has said its last word and stays has left something open.
const STAYS_SECONDS = 45;

/**
 * @param {string[]} command
 * @param {{seconds: number, log: string, env?: object, cwd?: string, echo?: boolean, lastWord?: RegExp, signal?: AbortSignal}} options
 * `lastWord`: a line of the output behind which the command ends by itself; `signal` ends it earlier.
 * @returns {Promise<{ok: boolean, why: string, output: string, leftovers: boolean}>} `why` is '' or what went wrong.
 */
export async function run(command, options) {
  const child = spawn(command[0], command.slice(1), {
    cwd: options.cwd ?? process.cwd(),
    env: { ...process.env, ...options.env },
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const log = createWriteStream(options.log, { flags: 'a' });
  const chunks = [];
  let lastLine = '';
  let staying;
  const take = (chunk) => {
    chunks.push(chunk);
    log.write(chunk);
    if (options.echo) process.stdout.write(chunk);
    if (options.lastWord === undefined || staying !== undefined) return;
    const text = lastLine + chunk;
    lastLine = text.slice(text.lastIndexOf('\n') + 1);
    if (!options.lastWord.test(text)) return;
    staying = setTimeout(() => end(`is still there ${STAYS_SECONDS} s after its last test`), STAYS_SECONDS * 1000);
  };
  child.stdout.on('data', take);
  child.stderr.on('data', take);
  if (child.pid !== undefined) groups.add(child.pid);

  let ended = '';
  const end = (why) => {
    ended ||= why;
    // SIGTERM first: a test runner prints what it was doing.
    signalGroup(child.pid, 'SIGTERM');
    setTimeout(() => signalGroup(child.pid, 'SIGKILL'), 3000).unref();
  };
  options.signal?.addEventListener('abort', () => end('was stopped'), { once: true });
  const timer = setTimeout(() => end(`took longer than ${options.seconds} s`), options.seconds * 1000);

  const why = await new Promise((resolve) => {
    child.on('error', (error) => resolve(`could not start: ${error.message}`));
    child.on('exit', (code, signal) => {
      if (ended !== '') resolve(ended);
      else if (signal !== null) resolve(`was ended by ${signal}`);
      else resolve(code === 0 ? '' : `exit status ${code}`);
    });
  });
  clearTimeout(timer);
  clearTimeout(staying);
  let leftovers = false;
  if (child.pid !== undefined) {
    leftovers = await endGroup(child.pid);
    groups.delete(child.pid);
  }
  await new Promise((resolve) => log.end(resolve));
  return { ok: why === '', why, output: Buffer.concat(chunks).toString('utf8'), leftovers };
}

/** Calls `work` on every item, `width` at a time. */
export async function inParallel(items, width, work) {
  const left = [...items];
  const worker = async () => {
    for (let item = left.shift(); item !== undefined; item = left.shift()) await work(item);
  };
  await Promise.all(Array.from({ length: width }, worker));
}
