import { readFileSync } from 'node:fs';
import type { DrainStatus } from '../admin/index.js';
import { DRAIN_OPTIONS } from '../config/options.js';
import { AdminError, UsageError } from '../errors.js';
import { askAdmin, textOf } from './admin-request.js';
import { adminHost, parseFlags, textFlag, type FlagValues } from './args.js';

const FLAGS = {
  admin: { type: 'string', help: 'admin address of the gateway, 127.0.0.1:9090 by default' },
  deadline: { type: 'string', help: 'time until who is left is closed with 1012, 60s by default' },
  target: { type: 'string', help: 'ws: or wss: URL that clients are sent to; by default they keep theirs' },
  token: { type: 'string', help: 'admin token; by default $SLUICE_ADMIN_TOKEN, else the file that the gateway keeps it in' },
} as const;

const POLL_MS = 250;
const REPORT_MS = 2000;

/** `sluice drain`: has the gateway let its clients go, and waits until they are gone. */
export async function drain(argv: readonly string[]): Promise<number> {
  const parsed = parseFlags('drain', FLAGS, argv);
  if (parsed === null) return 0;
  const body = readBody(parsed.values);
  const admin = adminHost(parsed.values);
  const token = await adminToken(admin, parsed.values);
  await ask(admin, token, { method: 'POST', body: JSON.stringify(body), headers: { 'content-type': 'application/json' } });
  return follow(admin, token);
}

function readBody(values: FlagValues): { readonly deadline_ms?: number; readonly target?: string } {
  const { deadline, target } = values;
  const deadlineMs = typeof deadline === 'string' ? DRAIN_OPTIONS.deadlineMs.kind.read(deadline) : null;
  if (deadlineMs === undefined) {
    throw new UsageError(`--deadline: expected ${DRAIN_OPTIONS.deadlineMs.kind.expects}, got ${String(deadline)}`);
  }
  if (typeof target === 'string' && DRAIN_OPTIONS.target.kind.read(target) === undefined) {
    throw new UsageError(`--target: expected ${DRAIN_OPTIONS.target.kind.expects}, got ${target}`);
  }
  return { ...(deadlineMs === null ? {} : { deadline_ms: deadlineMs }), ...(typeof target === 'string' ? { target } : {}) };
}

/** Whoever may read the token's file is who may use the token, so its path is told by /stats. */
async function adminToken(admin: string, values: FlagValues): Promise<string> {
  const given = textFlag(values, 'token', process.env['SLUICE_ADMIN_TOKEN'] ?? '');
  if (given !== '') return given;
  const { token_file: file } = await askAdmin(`http://${admin}/stats`);
  const remedy = 'Pass --token or set SLUICE_ADMIN_TOKEN.';
  if (typeof file !== 'string') throw new AdminError('the gateway has its admin token from its configuration', { remedy });
  try {
    return readFileSync(file, 'utf8').trim();
  } catch (cause) {
    const reason = (cause as NodeJS.ErrnoException).code ?? String(cause);
    const message = `the admin token cannot be read from ${file} (${reason})`;
    throw new AdminError(message, { cause, remedy: `Run it as the gateway's user. ${remedy}` });
  }
}

async function follow(admin: string, token: string): Promise<number> {
  let reported = -Infinity;
  for (;;) {
    let status: DrainStatus;
    try {
      status = await ask(admin, token, {});
    } catch (error) {
      if (!(error instanceof AdminError) || error.cause === undefined) throw error;
      // It was told to stop as well, and does so as soon as its clients are gone.
      process.stdout.write('the gateway has stopped\n');
      return 0;
    }
    const done = status.state === 'drained';
    if (done || performance.now() - reported >= REPORT_MS) {
      reported = performance.now();
      process.stdout.write(`${line(status)}\n`);
    }
    if (done) return 0;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

function line({ state, initial, connections, forced, rate, deadline_ms: left }: DrainStatus): string {
  const pace = state === 'draining' ? `, ${Math.round(rate)} a second, ${Math.ceil(left / 1000)} s left` : '';
  return `${state}: ${connections} of ${initial} connections left, ${forced} closed${pace}`;
}

async function ask(admin: string, token: string, options: RequestInit): Promise<DrainStatus> {
  const url = `http://${admin}/api/drain`;
  const headers = { ...(options.headers as Record<string, string> | undefined), authorization: `Bearer ${token}` };
  const status = await askAdmin(url, { ...options, headers });
  textOf(status, 'state', url);
  return status as unknown as DrainStatus;
}
