// Readers that are a whole channel behind, one after another: node catch-up.mjs ws://… CHANNEL LAST_SEQ TIMES (0: until stdin ends).
// Each is a new session. Counts whole deliveries in the bytes of its socket, looks at each one's server_seq, and prints a line of JSON when
// the first begins and when one has everything. A WebSocket library would be slower than the gateway.
import { randomBytes } from 'node:crypto';
import { connect } from 'node:net';

const [url = '', channel = '', lastText = '0', timesText = '1'] = process.argv.slice(2);
const last = Number(lastText);
let left = Number(timesText) || Infinity;
const { hostname, port } = new URL(url);
const READ_WITHIN_MS = 120_000;
const QUOTE = 0x22;
const ZERO = 0x30;
const NINE = 0x39;
/** What each delivery begins with, up to its id (src/sequence/frame.ts). */
const OPENING = Buffer.from(`{"op":"msg","channel":${JSON.stringify(channel)},"id":"`);
const SEQ = Buffer.from('","server_seq":').length;

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

class Reader {
  #socket = connect(Number(port), hostname);
  #rest = Buffer.alloc(0);
  #handshake = true;
  #next = 1;
  #bytes = 0;
  #started = 0;
  #done = false;
  #onDone;

  constructor(onDone) {
    this.#onDone = onDone;
    const socket = this.#socket;
    socket.setNoDelay(true);
    socket.on('data', (data) => this.#receive(data));
    socket.on('error', (error) => this.#failUnlessDone(error.message));
    socket.on('close', () => this.#failUnlessDone('the connection is closed'));
    socket.write(
      `GET /v1 HTTP/1.1\r\nHost: ${hostname}:${port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n`
      + `Sec-WebSocket-Key: ${randomBytes(16).toString('base64')}\r\nSec-WebSocket-Version: 13\r\n`
      + 'Sec-WebSocket-Protocol: sluice.v1\r\n\r\n',
    );
    const late = () => this.#failUnlessDone(`not behind ${last} after ${READ_WITHIN_MS / 1000} s, but at ${this.#next}`);
    setTimeout(late, READ_WITHIN_MS).unref();
  }

  #failUnlessDone(why) {
    if (!this.#done) fail(why);
  }

  #receive(data) {
    if (this.#done) return;
    this.#bytes += data.length;
    let bytes = this.#rest.length > 0 ? Buffer.concat([this.#rest, data]) : data;
    if (this.#handshake) {
      const end = bytes.indexOf('\r\n\r\n');
      if (end < 0) {
        this.#rest = bytes;
        return;
      }
      if (!bytes.subarray(0, end).toString('latin1').startsWith('HTTP/1.1 101')) fail('the upgrade was refused');
      this.#handshake = false;
      this.#socket.write(text({ op: 'hello' }));
      bytes = bytes.subarray(end + 4);
    }
    this.#frames(bytes);
  }

  #frames(data) {
    let at = 0;
    while (data.length - at >= 2 && !this.#done) {
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
      this.#message(data, start, start + length);
      at = start + length;
    }
    this.#rest = data.subarray(at);
  }

  #message(data, at, end) {
    const seq = seqOf(data, at, end);
    if (seq >= 0) {
      if (seq !== this.#next) fail(`${seq} came where ${this.#next} is next`);
      this.#next += 1;
      if (seq === last) this.#end();
      return;
    }
    const header = data.toString('utf8', at, Math.min(end, at + 200));
    if (header.startsWith('{"op":"welcome"')) {
      this.#started = performance.now();
      this.#bytes = 0;
      this.#socket.write(text({ op: 'sub', id: 1, channel, since: { seq: 0 } }));
    } else if (header.startsWith('{"op":"incomplete"') || header.startsWith('{"op":"err"')) fail(header);
  }

  #end() {
    this.#done = true;
    this.#socket.destroy();
    this.#onDone({ messages: last, seconds: (performance.now() - this.#started) / 1000, bytes: this.#bytes });
  }
}

function readOn() {
  new Reader((read) => {
    console.log(JSON.stringify(read));
    left -= 1;
    if (left <= 0) process.exit(0);
    readOn();
  });
}

if (left === Infinity) process.stdin.on('end', () => process.exit(0)).resume();
console.log(JSON.stringify({ begins: true }));
readOn();
