/**
 * node chat-client.js URL CLIENTS MESSAGES: clients of one channel publish MESSAGES between them. Prints one line of JSON: what each
 * one got. Started in a network namespace of the test's, where the VM's NIC is.
 */
import { WebSocket } from 'ws';

import { createClient, type WebSocketConstructor } from '../../src/client/index.js';

const DEADLINE_MS = 600_000;
const [url = '', clients = '4', messages = '10000'] = process.argv.slice(2);
const each = Number(messages) / Number(clients);

async function chat(index: number, got: Map<number, string>): Promise<() => void> {
  const client = createClient({ url, outboxMessages: each, WebSocket: WebSocket as unknown as WebSocketConstructor });
  await client.connect();
  const room = client.subscribe('room');
  room.on('message', ({ serverSeq, body }) => void got.set(serverSeq, String(body)));
  room.on('incomplete', (loss) => console.error(`incomplete ${JSON.stringify(loss)}`));
  await room.ready;
  return () => {
    for (let n = 0; n < each; n++) void client.publish('room', `${index}-${n}`);
  };
}

setTimeout(() => {
  console.error('not all messages came in time');
  process.exit(1);
}, DEADLINE_MS).unref();

const records = Array.from({ length: Number(clients) }, () => new Map<number, string>());
const starts = await Promise.all(records.map((got, index) => chat(index, got)));
const started = Date.now();
for (const start of starts) start();
const wait = setInterval(() => {
  if (!records.every((got) => got.size >= Number(messages))) return;
  clearInterval(wait);
  const orders = records.map((got) => [...got.entries()].sort((a, b) => a[0] - b[0]).map(([, body]) => body));
  const first = orders[0] ?? [];
  console.log(JSON.stringify({
    received: records.map((got) => got.size),
    distinct: new Set(first).size,
    highest: Math.max(...records.map((got) => Math.max(...got.keys()))),
    sameOrder: orders.every((order) => order.join() === first.join()),
    ms: Date.now() - started,
  }));
  process.exit(0);
}, 20);
