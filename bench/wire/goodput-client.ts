/** node goodput-client.js URL WARMUP_S SECONDS: keeps a window of messages in flight to an echo server; prints bit/s each way, as JSON. */
import { WebSocket } from 'ws';

const MESSAGE_BYTES = 32 * 1024;
/** More than a path of 50 ms at 500 Mbit/s holds. */
const IN_FLIGHT = 128;
const DEADLINE_S = 60;

const [url = '', warmup = '1', seconds = '4'] = process.argv.slice(2);
const socket = new WebSocket(url, { perMessageDeflate: false });
const body = Buffer.alloc(MESSAGE_BYTES, 'sluice');
let echoed = 0;

function fail(why: string): never {
  process.stderr.write(`${why}\n`);
  process.exit(1);
}

setTimeout(() => fail('the deadline passed'), (Number(warmup) + Number(seconds) + DEADLINE_S) * 1000).unref();
socket.on('error', ({ message }) => fail(message));
socket.on('close', (code) => fail(`closed with ${code}`));
socket.on('message', (data: Buffer) => {
  if (data.length !== MESSAGE_BYTES) fail(`${data.length} bytes came back`);
  echoed += data.length;
  socket.send(body);
});
await new Promise((resolve) => socket.once('open', resolve));
for (let i = 0; i < IN_FLIGHT; i++) socket.send(body);
await new Promise((resolve) => setTimeout(resolve, Number(warmup) * 1000));
const [before, begin] = [echoed, performance.now()];
await new Promise((resolve) => setTimeout(resolve, Number(seconds) * 1000));
const bits = ((echoed - before) * 8) / ((performance.now() - begin) / 1000);
process.stdout.write(`${JSON.stringify({ bits })}\n`);
process.exit(0);
