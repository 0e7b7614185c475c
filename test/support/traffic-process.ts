/** Traffic in processes of its own, so that clients are not what limits a run. Forked by `startTraffic`; the program is below. */
import { fork, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { Traffic } from './traffic.js';

export interface TrafficSettings {
  readonly url: string;
  readonly clients: number;
  readonly channels: number;
  readonly pauseMs: number;
  readonly processes: number;
  readonly lossy?: boolean;
}

export interface TrafficResult {
  readonly problems: readonly string[];
  readonly acknowledged: number;
  readonly opens: number;
  readonly resumes: number;
  readonly losses: number;
  readonly openedAt: readonly number[];
  readonly resumed: readonly { readonly at: number; readonly ms: number }[];
  readonly delivered: readonly { readonly at: number; readonly ms: number }[];
}

export interface RunningTraffic {
  finish(): Promise<TrafficResult>;
  kill(): void;
}

const PROGRAM = fileURLToPath(import.meta.url);

/** Resolves when every client is connected and subscribed, and publishes. */
export async function startTraffic({ processes, clients, channels, ...rest }: TrafficSettings): Promise<RunningTraffic> {
  const share = (all: number): number => Math.max(1, Math.round(all / processes));
  const children = Array.from({ length: processes }, (_, i) => {
    const settings = JSON.stringify({ ...rest, clients: share(clients), channels: share(channels), name: `p${i}` });
    return fork(PROGRAM, ['traffic', settings], { serialization: 'advanced' });
  });
  const kill = (): void => {
    for (const child of children) child.kill('SIGKILL');
  };
  process.once('exit', kill);
  await Promise.all(children.map((child) => told<string>(child)));
  return {
    kill,
    finish: async () => {
      const results = children.map((child) => told<TrafficResult>(child));
      for (const child of children) child.send('finish');
      const all = await Promise.all(results);
      for (const child of children) child.disconnect();
      process.removeListener('exit', kill);
      const sum = (of: (result: TrafficResult) => number): number => all.reduce((total, result) => total + of(result), 0);
      return {
        problems: all.flatMap(({ problems }) => problems),
        acknowledged: sum(({ acknowledged }) => acknowledged),
        opens: sum(({ opens }) => opens),
        resumes: sum(({ resumes }) => resumes),
        losses: sum(({ losses }) => losses),
        openedAt: all.flatMap(({ openedAt }) => openedAt),
        resumed: all.flatMap(({ resumed }) => resumed),
        delivered: all.flatMap(({ delivered }) => delivered),
      };
    },
  };
}

async function told<T>(child: ChildProcess): Promise<T> {
  return new Promise((resolve, reject) => {
    child.once('message', (message) => resolve(message as T));
    child.once('exit', (code, signal) => reject(new Error(`a process of clients ended: ${code ?? signal}`)));
  });
}

async function program(settings: TrafficSettings & { readonly name: string }): Promise<void> {
  const traffic = new Traffic({ ...settings, url: () => settings.url });
  process.once('disconnect', () => process.exit(0));
  await traffic.start();
  process.send?.('ready');
  await new Promise((resolve) => process.once('message', resolve));
  const problems = await traffic.finish();
  const { acknowledged, opens, resumes, losses, openedAt, resumed, delivered } = traffic;
  const result: TrafficResult = { problems, acknowledged, opens, resumes, losses, openedAt, resumed, delivered };
  // Ends when this has been read: an end of its own could overtake it.
  process.send?.(result);
}

if (process.argv[2] === 'traffic') await program(JSON.parse(process.argv[3] ?? '') as TrafficSettings & { readonly name: string });
