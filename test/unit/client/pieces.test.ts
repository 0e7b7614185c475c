import t from 'tap';
import { Backoff } from '../../../src/client/backoff.js';
import { closeAction } from '../../../src/client/close-policy.js';
import { bodyBytes, decode, encode } from '../../../src/client/codec.js';
import { KeyGenerator } from '../../../src/client/keys.js';
import { LamportClock, compareIds, compareMessages } from '../../../src/client/order.js';
import { Pacer } from '../../../src/client/pacer.js';

t.test('delays are spread over the whole interval and capped', async (t) => {
  let state = 12345;
  const random = () => (state = (state * 48271) % 0x7fffffff) / 0x7fffffff;
  const backoff = new Backoff(100, 5000, random);
  for (const bound of [100, 200, 400, 800, 1600, 3200, 5000, 5000]) {
    t.equal(backoff.bound, bound);
    const delay = backoff.next();
    t.ok(delay >= 0 && delay < bound, `${delay} < ${bound}`);
  }
  t.equal(backoff.attempts, 8);
  backoff.reset();
  t.equal(backoff.bound, 100);

  // Full jitter: of many clients' third delay each quarter of [0, 400) gets about a quarter.
  const quarters = [0, 0, 0, 0];
  for (let client = 0; client < 4000; client += 1) {
    const one = new Backoff(100, 5000, random);
    one.next();
    one.next();
    const quarter = Math.floor(one.next() / 100);
    quarters[quarter] = (quarters[quarter] ?? 0) + 1;
  }
  for (const count of quarters) t.ok(count > 850 && count < 1150, `${count} of 4000 in a quarter`);
});

t.test('an attempt number beyond every power stays at the cap', async (t) => {
  const backoff = new Backoff(100, 5000, () => 0.999);
  for (let i = 0; i < 3000; i += 1) backoff.next();
  t.equal(backoff.bound, 5000);
});

t.test('messages are a header line and a body', async (t) => {
  t.equal(encode({ op: 'bye' }), '{"op":"bye"}');
  t.equal(encode({ op: 'pub', channel: 'a\nb' }, 'x\ny'), '{"op":"pub","channel":"a\\nb"}\nx\ny');
  t.same(decode('{"op":"msg"}\nx\ny'), { op: 'msg', header: { op: 'msg' }, body: 'x\ny' });
  t.same(decode('{"op":"msg"}'), { op: 'msg', header: { op: 'msg' }, body: '' });

  const body = Uint8Array.of(0, 10, 255);
  const binary = encode({ op: 'pub' }, body) as Uint8Array<ArrayBuffer>;
  t.same(decode(binary)?.body, body);
  t.same(decode(binary.buffer)?.body, body);
  t.equal((decode(encode({ op: 'x' }, new Uint8Array(0)))?.body as Uint8Array).length, 0);
});

t.test('what is not a header is null, never an exception', async (t) => {
  for (const bad of ['', 'x', '[]', 'null', '{}', '{"op":1}', '{"op"', new Uint8Array([0xff, 10]), undefined, 7, {}])
    t.equal(decode(bad), null);
});

t.test('bodies are measured in UTF-8', async (t) => {
  for (const text of ['', 'abc', 'é', '€', '😀', 'a\u{10ffff}é€', '\u07ff\u0800']) {
    t.equal(bodyBytes(text), Buffer.byteLength(text), JSON.stringify(text));
  }
  t.equal(bodyBytes(new Uint8Array(7)), 7);
});

t.test('keys sort by time and never repeat, also when the clock steps back', async (t) => {
  let now = 1_700_000_000_000;
  const keys = new KeyGenerator(() => now, () => 0.42);
  const made: string[] = [];
  for (let i = 0; i < 2000; i += 1) {
    made.push(keys.next());
    now += i % 100 === 99 ? -5000 : i % 3;
  }
  t.equal(new Set(made).size, made.length);
  t.same([...made].sort(), made);
  t.match(made[0], /^[0-9a-z]{19}-\d{10}$/);
  t.not(new KeyGenerator(() => now, () => 0.9).next(), new KeyGenerator(() => now, () => 0.1).next());
});

t.test('messages are ordered by server_seq, server_ts, id', async (t) => {
  const of = (serverSeq: number, serverTs: number, id: string) => ({ serverSeq, serverTs, id });
  const sorted = [of(1, 9, '5'), of(2, 1, '900'), of(2, 1, '1000'), of(2, 2, '1'), of(3, 0, '1')];
  t.same([...sorted].reverse().sort(compareMessages), sorted);
  t.equal(compareMessages(of(1, 1, '7'), of(1, 1, '7')), 0);
  // Beyond 2⁵³ as numbers these are equal.
  t.ok(compareIds('9007199254740993', '9007199254740992') > 0);
});

t.test('the Lamport clock goes past everything it has seen', async (t) => {
  const clock = new LamportClock();
  t.equal(clock.tick(), 1);
  clock.receive(10);
  t.equal(clock.value, 11);
  clock.receive(3);
  t.equal(clock.value, 12);
  t.equal(clock.tick(), 13);
});

t.test('the pacer grants a burst, then the rate', async (t) => {
  const pacer = new Pacer(50, 3, 0);
  t.same([pacer.take(0), pacer.take(0), pacer.take(0)], [0, 0, 0]);
  t.equal(pacer.take(0), 20);
  t.equal(pacer.take(10), 10);
  t.equal(pacer.take(20), 0);
  t.equal(pacer.take(5), 20, 'a clock that steps back gives nothing');
  t.equal(pacer.take(1_000_000), 0);
});

t.test('close codes', async (t) => {
  for (const code of [1000, 1008, 4001]) t.equal(closeAction(code, true).do, 'stop', String(code));
  for (const code of [1001, 1005, 1006, 1011, 1012, 1013, 4002, 4008, 4009, 4999]) {
    t.same(closeAction(code, false), { do: 'reconnect', forgetSession: false, protocol: false }, String(code));
  }
  for (const code of [1002, 1007, 1009]) t.match(closeAction(code, false), { do: 'reconnect', protocol: true });
  t.match(closeAction(4003, false), { do: 'stop', code: 'not_authorised' });
  t.match(closeAction(4003, true), { do: 'reconnect', forgetSession: true });
  t.match(closeAction(4004, false), { do: 'reconnect', forgetSession: true });
});
