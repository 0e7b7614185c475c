/** Writing to and reading from gateways with a cold tier. */
import type { Test } from 'tap';
import { WebSocket } from 'ws';
import { createClient, type Client, type Incomplete, type WebSocketConstructor } from '../../src/client/index.js';
import type { SluiceProcess } from './sluice-process.js';
import { until } from './wait.js';

const CHANNEL = 'room';
const BODY = 'x'.repeat(400);

function client(t: Test, server: SluiceProcess): Client {
  const made = createClient({
    url: server.url, WebSocket: WebSocket as unknown as WebSocketConstructor, outboxMessages: 10_000, publishWindow: 100,
  });
  t.teardown(() => made.close());
  return made;
}

export interface History {
  readonly archived: number;
  readonly failing: boolean;
  readonly backlog_bytes: number;
}

export async function history(server: SluiceProcess): Promise<History> {
  const stats = (await (await fetch(`${server.admin}stats`)).json()) as { history: History };
  return stats.history;
}

/** Everything of the channel from its beginning, up to this number: what came, and what was said to be missing. */
export async function readAll(t: Test, server: SluiceProcess, last: number): Promise<{ seqs: number[]; losses: Incomplete[] }> {
  const reader = client(t, server);
  const subscription = reader.subscribe(CHANNEL, { since: { ts: 0 } });
  const seqs: number[] = [];
  const losses: Incomplete[] = [];
  subscription.on('message', ({ serverSeq }) => void seqs.push(serverSeq));
  subscription.on('incomplete', (loss) => void losses.push(loss));
  await reader.connect();
  await until(`message ${last}`, async () => seqs.at(-1) === last);
  reader.close();
  return { seqs, losses };
}

export async function publish(t: Test, server: SluiceProcess, from: number, count: number): Promise<void> {
  const publisher = client(t, server);
  await publisher.connect();
  await Promise.all(Array.from({ length: count }, (_, i) => publisher.publish(CHANNEL, `${from + i} ${BODY}`)));
  publisher.close();
}

export const range = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, i) => from + i);
