import t from 'tap';
import { HeaderScanner } from '../../../src/gateway/message/header-scan.js';

const scanner = new HeaderScanner();

/** With bytes around the line that must not be looked at. */
function scan(line: string): Record<string, unknown> | null {
  const bytes = Buffer.from(`9"${line}\n{"}`);
  const found = scanner.scan(bytes, 2, 2 + Buffer.byteLength(line));
  return found === null ? null : Object.fromEntries(Object.entries(found).filter(([, value]) => value !== undefined));
}

t.test('the common shapes are read as JSON.parse reads them', async (t) => {
  for (const line of [
    '{"op":"pub","id":1,"channel":"room.1","key":"k-1"}',
    '{"op": "pub", "id": 12, "channel": "a", "key": "b", "client_ts": 1800000000000, "lamport": 0}',
    '{ "key" : "x" , "op" : "sub" }',
    '{"id":-5}',
    '{"id":999999999999999}',
    '{"op":"","channel":"","key":""}',
    '{"op":"hello","token":"a.b-c_d","device":"phone 7","resume":"AwAB.x-_"}',
    '{"resume":"","token":"","device":""}',
    '{"op":"pub","op":"sub","id":1,"id":2}',
    `{"channel":"${'c'.repeat(300)}"}`,
    '{"key":"~}{[]:,<>\'` "}',
  ]) {
    t.strictSame(scan(line), JSON.parse(line), line);
  }
});

t.test('everything else is left to JSON.parse', async (t) => {
  for (const line of [
    '', '{', '}', '{}', '[]', 'null',
    '{"op"}', '{"op":}', '{"op":"pub"', '{"op":"pub",}', '{"op":"pub"}}', '{"op":"pub"} x', ' {"id":1}',
    '{"op":"pub" "id":1}', '{"id":01}', '{"id":-0}', '{"id":-}', '{"id":1.5}', '{"id":1e3}', '{"id":1234567890123456}',
    '{"id":"1"}', '{"id":null}',
    '{"key":"a\\u0041"}', '{"key":"é"}', '{"key":"\u007f"}', '{"key":"\t"}', '{"key":"a',
    '{"resume":1}', '{"device":null}', '{"token":{}}', '{"device":"é"}', '{"resumed":"x"}',
    '{"key":1}', '{"other":1}', '{"ke":"a"}', '{"keys":"a"}',
    '{"__proto__":1}', '{"op":"pub","since":{"seq":1}}', "{'op':'pub'}", '{"id":1,"id"}', '{"id" 1}', '{"channel":"a"\t}',
  ]) {
    t.equal(scan(line), null, line);
  }
});

t.test('names that share a place among the known ones are not mistaken for each other', async (t) => {
  for (let round = 0; round < 2; round++) {
    for (let i = 0; i < 5000; i++) if (scan(`{"channel":"room-${i}"}`)?.['channel'] !== `room-${i}`) t.fail(`room-${i}`);
  }
});

t.test('no piece of a line is taken for a whole one', async (t) => {
  const line = '{"op":"pub","id":17,"channel":"room.1","key":"k-1","lamport":3}';
  for (let length = 0; length < line.length; length++) t.equal(scan(line.slice(0, length)), null, `${length} bytes`);
});

t.test('whatever is accepted means the same to JSON.parse', async (t) => {
  const pieces = [
    '{', '}', '"', ':', ',', ' ', '"op"', '"id"', '"key"', '"resume"', '"device"',
    '"channel"', '"lamport"', '"client_ts"', '"pub"', '0', '-', '17',
    '\\', '.5', 'e1', 'é',
  ];
  let seed = 1;
  const random = (n: number): number => (seed = (seed * 48271) % 2147483647) % n;
  let accepted = 0;
  for (let i = 0; i < 200_000; i++) {
    // Half of them begin well, or hardly any would be accepted.
    let line = i % 2 === 0 ? '{' : '{"op":"pub","id":1,"key":"k"';
    for (let n = random(12); n > 0; n--) line += pieces[random(pieces.length)]!;
    if (i % 3 === 0) line += '}';
    const found = scan(line);
    if (found === null) continue;
    accepted++;
    t.strictSame(found, JSON.parse(line), line);
  }
  t.ok(accepted > 100, `${accepted} were accepted`);
});
