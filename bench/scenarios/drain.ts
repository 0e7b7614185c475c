import { createInterface } from 'node:readline';

import type { Arm } from '../lib/arms.js';
import { CLIENT_CPU, startPinned, stopChild, waitExit } from '../lib/child.js';
import { SERVERS, SLUICE_CLI } from '../lib/paths.js';
import type { Round, Unit } from '../lib/results.js';
import { runCases, type BenchCase, type Outcome } from '../lib/runner.js';
import { dropScratch, scratchFolder } from '../lib/scratch.js';
import { Server } from '../lib/server.js';
import type { Settings } from '../lib/settings.js';

interface Drained {
  readonly clients: number;
  readonly noticed: number;
  readonly pause_ms: { readonly p50: number; readonly p99: number; readonly max: number };
}

interface Deploy {
  readonly perSecond: number;
  readonly pauseMs: number;
}

const DEADLINE_S = 60;

async function gateway(arm: Arm, listen: string, data: string): Promise<Server> {
  const driver = arm.name.includes('uring') ? 'uring' : 'epoll';
  const addresses = ['--listen', listen, '--admin', '127.0.0.1:0', '--data', data];
  return Server.start([process.execPath, SLUICE_CLI, 'serve', '--driver', driver, '--allow-anonymous', ...addresses]);
}

/** Clients that stay through it: `open` resolves when all are there, `result` when all have come back and nothing was lost. */
function startClients(url: string, count: number): { open: Promise<void>; result: Promise<Drained>; stop(): Promise<void> } {
  const child = startPinned([process.execPath, `${SERVERS}drain-clients.mjs`, `${url}/v1`, String(count)], CLIENT_CPU);
  let errors = '';
  child.stderr?.on('data', (data: Buffer) => (errors += data.toString()));
  const lines = createInterface({ input: child.stdout! });
  const ended = (): Error => new Error(errors.trim() || 'the clients ended early');
  const open = new Promise<void>((resolve, reject) => {
    lines.on('line', (line) => line === 'open' && resolve());
    child.once('exit', () => reject(ended()));
  });
  const result = new Promise<Drained>((resolve, reject) => {
    lines.on('line', (line) => line.startsWith('{') && resolve(JSON.parse(line) as Drained));
    child.once('close', () => reject(ended()));
  });
  // Whichever is not waited for yet when they end.
  for (const promise of [open, result]) promise.catch(() => undefined);
  return { open, result, stop: () => stopChild(child) };
}

/** Seconds that `sluice drain` takes. */
async function drain(server: Server): Promise<number> {
  const admin = new URL(server.adminUrl ?? '').host;
  const begin = performance.now();
  const child = startPinned([process.execPath, SLUICE_CLI, 'drain', '--admin', admin, '--deadline', `${DEADLINE_S}s`], CLIENT_CPU);
  if (!(await waitExit(child, (DEADLINE_S + 30) * 1000)) || child.exitCode !== 0) {
    await stopChild(child);
    throw new Error('sluice drain did not end well');
  }
  return (performance.now() - begin) / 1000;
}

/** A gateway is drained, stopped and started anew on the same address and data, as a deploy of a single node does. */
async function deploy(arm: Arm, connections: number): Promise<Deploy> {
  const data = scratchFolder();
  let server = await gateway(arm, '127.0.0.1:0', data);
  const clients = startClients(server.url, connections);
  try {
    await clients.open;
    const seconds = await drain(server);
    const { host } = new URL(server.url);
    await server.stop();
    server = await gateway(arm, host, data);
    const { noticed, pause_ms: pause } = await clients.result;
    if (noticed < connections) throw new Error(`${connections - noticed} of ${connections} clients were not told of the drain`);
    return { perSecond: connections / seconds, pauseMs: pause.p99 };
  } finally {
    await clients.stop();
    await server.stop();
    dropScratch(data);
  }
}

/** How fast a drain lets clients go, and how long they have no connection where there is no other node. Every message is looked at. */
export async function runDrain(connections: number, settings: Settings): Promise<{ cases: BenchCase[]; outcome: Outcome }> {
  const deploys = new Map<string, Promise<Deploy>>();
  const deployed = (arm: Arm, round: number): Promise<Deploy> => {
    const key = `${arm.name}/${round}`;
    const known = deploys.get(key) ?? deploy(arm, connections);
    deploys.set(key, known);
    return known;
  };
  const drainCase = (id: string, title: string, unit: Unit, value: (one: Deploy) => number): BenchCase => ({
    id, title, unit, bar: null, role: 'serve',
    measure: async (arm, round): Promise<Round> => {
      const one = await deployed(arm, round);
      return { case: id, arm: arm.name, round, value: value(one), flags: [] };
    },
  });
  const cases = [
    drainCase('drain-rate', 'let go by a drain', 'connections per second', (one) => one.perSecond),
    drainCase('drain-pause', 'without a connection', 'ms, p99', (one) => one.pauseMs),
  ];
  return { cases, outcome: await runCases(cases, { ...settings, twin: false }) };
}
