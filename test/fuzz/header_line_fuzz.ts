/**
 * The protocol's header line and everything that reads its fields: a hostile client beside an honest one on a whole gateway.
 * An input is messages, one after another: kind (bit 0: text, bit 1: say hello first), length (two bytes, big-endian), bytes.
 */

import { isUtf8 } from 'node:buffer';
import { fuzz, type FuzzTarget } from '../support/fuzzer.js';
import { makeHarness, type Harness, type Peer } from '../support/gateway-harness.js';

const OPS = ['hello', 'sub', 'unsub', 'pub', 'seen', 'sync', 'history', 'presence', 'bye', 'hb'];
const FIELDS = [
  'op', 'id', 'channel', 'key', 'since', 'seq', 'epoch', 'ts', 'msg_id', 'client_ts', 'lamport', 'before', 'after', 'limit', 'token',
  'device', 'resume', 'sync_cursor', 'cursors', '__proto__', 'constructor', 'toString',
];
const VALUES = [
  'null', 'true', '-1', '0', '1e999', '-0', '1.5', '9007199254740993', '"a"', '"honest"', '""', '"\\u0000"', '"\\ud800"',
  '{}', '[]', '[[', '{"', '\n', '\\', '\u00e9', '}', '"', ':', ',',
  '{"seq":1,"epoch":"x"}', '{"ts":0}', '{"msg_id":"1"}', '1'.repeat(40), 'x'.repeat(256),
];
const WORDS = [...OPS.map((op) => `{"op":"${op}","id":1,"channel":"a"}`), ...FIELDS.map((field) => `"${field}":`), ...VALUES];

/** Every so many inputs the gateway is made anew, so that a finding does not hang on a long past. */
const INPUTS_PER_GATEWAY = 500;

let harness: Harness | null = null;
let honest: Peer | null = null;
let used = 0;
let heard = 0;

async function world(): Promise<{ harness: Harness; honest: Peer }> {
  if (harness === null || honest === null || used >= INPUTS_PER_GATEWAY) {
    harness = await makeHarness({ limits: { publishRate: 1000, publishBurst: 1000 } });
    honest = await harness.connect();
    await honest.ask({ op: 'sub', id: 1, channel: 'honest' });
    used = 0;
    heard = 0;
  }
  used += 1;
  return { harness, honest };
}

function* messages(input: Buffer): Generator<{ readonly bytes: Buffer; readonly kind: number }> {
  for (let at = 0; at + 3 <= input.length; ) {
    const kind = input.readUInt8(at);
    const length = input.readUInt16BE(at + 1);
    yield { bytes: input.subarray(at + 3, at + 3 + length), kind };
    at += 3 + length;
  }
}

/** What PROTOCOL.md promises of a message: an answer with its id, or the end of the connection. */
function idOf(bytes: Buffer, text: boolean): number | null {
  if (!text && !isUtf8(bytes)) return null;
  const newline = bytes.indexOf(10);
  try {
    const header = JSON.parse(bytes.toString('utf8', 0, newline < 0 ? bytes.length : newline)) as unknown;
    if (typeof header !== 'object' || header === null || Array.isArray(header)) return null;
    const { id, op } = header as { readonly id?: unknown; readonly op?: unknown };
    return typeof id === 'number' && Number.isFinite(id) && op !== 'hb' && op !== 'seen' && op !== 'bye' ? id : null;
  } catch {
    return null;
  }
}

function check(condition: boolean, what: string): asserts condition {
  if (!condition) throw new Error(what);
}

async function attack(hostile: Peer, input: Buffer): Promise<void> {
  let count = 0;
  for (const { bytes, kind } of messages(input)) {
    if (hostile.client.closed !== null || (count += 1) > 16) break;
    // The data plane closes with 1007 before a text message that is not UTF-8 gets here.
    const text = (kind & 1) === 1 && isUtf8(bytes);
    if ((kind & 2) === 2) hostile.send({ op: 'hello' });
    const answers = await hostile.askRaw(bytes, text);
    const id = idOf(bytes, text);
    if (id === null || hostile.client.closed !== null) continue;
    check(answers.some((answer) => answer['id'] === id || answer['op'] === 'welcome'), `no answer to id ${id}`);
  }
}

/** The neighbour never notices: it is answered, and what was published to its channel came in order. */
async function listen(neighbour: Peer): Promise<void> {
  const answers = await neighbour.ask({ op: 'presence', id: 7, channel: 'honest' });
  check(neighbour.client.closed === null, 'the neighbour was closed');
  check(answers.some((answer) => answer['op'] === 'ok' && answer['id'] === 7), 'the neighbour was not answered');
  for (const answer of answers.filter(({ op, channel }) => op === 'msg' && channel === 'honest')) {
    check(answer['server_seq'] === heard + 1, `sequence ${String(answer['server_seq'])} after ${heard}`);
    heard += 1;
  }
}

async function run(input: Buffer): Promise<void> {
  const { harness, honest } = await world();
  const hostile = await harness.connect(null);
  await attack(hostile, input);
  await listen(honest);
  if (hostile.client.closed === null) harness.port.disconnect(hostile.row);
  await harness.settle();
  check(hostile.client.released, 'the row was not released');
}

const target: FuzzTarget = { name: 'header_line_fuzz', words: WORDS, longest: 6000, run };
await fuzz(target, process.argv.slice(2));
