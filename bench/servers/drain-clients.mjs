// Clients of the SDK that live through a drain: node drain-clients.mjs ws://… COUNT. Each publishes into its group's channel, ten times a
// second all together, before, during and after it. Prints `open`, then, when every one has come back and every message has arrived, one
// line of JSON with how long each was without a connection. Ends with status 1 where a message was lost, doubled or out of order.
import { createClient } from '../../dist/client/index.js';
import { WebSocket } from 'ws';

const [url = '', countText = '0'] = process.argv.slice(2);
const count = Number(countText);
const GROUP = 50;
const DEADLINE_MS = 150_000;

function fail(why) {
  console.error(`drain-clients: ${why}`);
  process.exit(1);
}

const pauses = [];
const noticed = new Set();
const away = new Map();
const received = [];
const published = new Map();
let returned = 0;

function watch(client, index) {
  client.on('drain', () => noticed.add(index));
  client.on('reconnecting', () => {
    if (!away.has(index)) away.set(index, performance.now());
  });
  client.on('open', () => {
    if (!away.has(index)) return;
    pauses.push(performance.now() - away.get(index));
    away.delete(index);
    returned += 1;
  });
  client.on('incomplete', ({ channel }) => fail(`${channel} is incomplete`));
  client.on('close', ({ code, willReconnect }) => {
    if (!willReconnect) fail(`client ${index} was closed for good (${code})`);
  });
  const channel = `drain.${Math.floor(index / GROUP)}`;
  const subscription = client.subscribe(channel);
  received[index] = 0;
  subscription.on('message', ({ serverSeq }) => {
    if (serverSeq !== received[index] + 1) fail(`client ${index}: ${serverSeq} came behind ${received[index]}`);
    received[index] = serverSeq;
  });
  return { client, channel, subscription };
}

const clients = Array.from({ length: count }, (_, index) => watch(createClient({ url, WebSocket }), index));
await Promise.all(clients.map(async ({ client, subscription }) => {
  await client.connect();
  await subscription.ready;
}));

let turn = 0;
const unanswered = new Set();
const ticking = setInterval(() => {
  const { client, channel } = clients[turn++ % count];
  const answer = client.publish(channel, 'x').then(
    ({ serverSeq }) => published.set(channel, Math.max(published.get(channel) ?? 0, serverSeq)),
    (error) => fail(`a publish was refused: ${error.message}`),
  ).finally(() => unanswered.delete(answer));
  unanswered.add(answer);
}, 100);
console.log('open');

const until = async (what, done) => {
  for (const end = Date.now() + DEADLINE_MS; !done(); ) {
    if (Date.now() > end) fail(`${what} after ${DEADLINE_MS / 1000} s`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
};
await until('not all have come back', () => returned >= count && away.size === 0);
clearInterval(ticking);
await until('publishes are not answered', () => unanswered.size === 0);
await until('messages have not arrived', () => clients.every(({ channel }, index) => received[index] >= (published.get(channel) ?? 0)));
pauses.sort((a, b) => a - b);
const at = (share) => pauses[Math.min(pauses.length - 1, Math.floor(pauses.length * share))];
console.log(JSON.stringify({ clients: count, noticed: noticed.size, returned, pause_ms: { p50: at(0.5), p99: at(0.99), max: at(1) } }));
process.exit(0);
