// A reader that is a whole channel behind: node catch-up.mjs ws://… CHANNEL LAST_SEQ. Counts whole deliveries in the bytes of its socket,
// looks at each one's server_seq, and prints one line of JSON. A WebSocket library would be slower than the gateway.
import { randomBytes } from 'node:crypto';
import { connect } from 'node:net';

const [url = '', channel = '', lastText = '0'] = process.argv.slice(2);
const last = Number(lastText);
const { hostname, port } = new URL(url);
const QUOTE = 0x22;
const ZERO = 0x30;
const NINE = 0x39;
/** What each delivery begins with, up to its id (src/sequence/frame.ts). */
const OPENING = Buffer.from(`{"op":"msg","channel":${JSON.stringify(channel)},"id":"`);
const SEQ = Buffer.from('","server_seq":').length;

const socket = connect(Number(port), hostname);
socket.setNoDelay(true);

function fail(why) {
  console.error(`catch-up: ${why}`);
  process.exit(1);
}

/** RFC 6455 §5.3: a client masks; a mask of zeros leaves the text as it is. */
function text(header) {
  const payload = Buffer.from(JSON.stringify(header));
  const { length } = payload;
  const head = length < 126 ? Buffer.from([0x81, 0x80 | length]) : Buffer.from([0x81, 0xfe, length >> 8, length]);
  return Buffer.concat([head, Buffer.alloc(4), payload]);
}

let rest = Buffer.alloc(0);
let handshake = true;
let next = 0;
let bytes = 0;
let started = 0;

/** The delivery's number; -1 for another message. */
function seqOf(data, at, end) {
  if (end - at < OPENING.length + SEQ) return -1;
  if (data.compare(OPENING, 0, OPENING.length, at, at + OPENING.length) !== 0) return -1;
  let i = at + OPENING.length;
  while (data[i] !== QUOTE) i += 1;
  i += SEQ;
  let seq = 0;
  for (let digit = data[i]; digit >= ZERO && digit <= NINE; digit = data[++i]) seq = seq * 10 + digit - ZERO;
  return seq;
}

function message(data, at, end) {
  const seq = seqOf(data, at, end);
  if (seq >= 0) {
    if (next === 0) next = 1;
    if (seq !== next) fail(`${seq} came where ${next} is next`);
    next += 1;
    if (seq < last) return;
    const seconds = (performance.now() - started) / 1000;
    console.log(JSON.stringify({ messages: last, seconds, bytes, cpu: process.cpuUsage() }));
    process.exit(0);
  }
  const header = data.toString('utf8', at, Math.min(end, at + 200));
  if (header.startsWith('{"op":"welcome"')) {
    started = performance.now();
    bytes = 0;
    socket.write(text({ op: 'sub', id: 1, channel, since: { seq: 0 } }));
  } else if (header.startsWith('{"op":"incomplete"') || header.startsWith('{"op":"err"')) fail(header);
}

function frames(data) {
  let at = 0;
  while (data.length - at >= 2) {
    let length = data[at + 1];
    let start = at + 2;
    if (length === 126) {
      if (data.length - at < 4) break;
      length = data[at + 2] * 256 + data[at + 3];
      start = at + 4;
    } else if (length === 127) {
      if (data.length - at < 10) break;
      length = data.readUIntBE(at + 4, 6);
      start = at + 10;
    }
    if (data.length < start + length) break;
    if ((data[at] & 0x0f) === 8) fail(`closed: ${data.toString('utf8', start + 2, start + length)}`);
    message(data, start, start + length);
    at = start + length;
  }
  rest = data.subarray(at);
}

socket.on('data', (data) => {
  bytes += data.length;
  if (rest.length > 0) data = Buffer.concat([rest, data]);
  if (handshake) {
    const end = data.indexOf('\r\n\r\n');
    if (end < 0) {
      rest = data;
      return;
    }
    if (!data.subarray(0, end).toString('latin1').startsWith('HTTP/1.1 101')) fail('the upgrade was refused');
    handshake = false;
    socket.write(text({ op: 'hello' }));
    data = data.subarray(end + 4);
  }
  frames(data);
});
socket.on('error', (error) => fail(error.message));
socket.on('close', () => fail('the connection is closed'));
const key = randomBytes(16).toString('base64');
socket.write(
  `GET /v1 HTTP/1.1\r\nHost: ${hostname}:${port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n`
  + `Sec-WebSocket-Key: ${key}\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: sluice.v1\r\n\r\n`,
);
setTimeout(() => fail(`not behind ${last} after 120 s, but at ${next}`), 120_000).unref();
