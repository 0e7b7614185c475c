import t from 'tap';
import { parseHeader, readId, salvageId } from '../../../src/gateway/message/header.js';
import { readPosition } from '../../../src/gateway/message/fields.js';
import { HeaderFault } from '../../../src/gateway/message/header.js';

const parse = (text: string | Buffer, isText = true): unknown => {
  const bytes = Buffer.from(text);
  return parseHeader(bytes, 0, bytes.length, isText);
};

t.test('only JSON objects are headers', async (t) => {
  t.same(parse('{"op":"x"}'), { op: 'x' });
  t.same(parse(' {"op":"x"}\r'), { op: 'x' });
  const bad = ['', 'x', '[]', '1', 'null', '"op"', '{', '{"op":}', '{"op":"x"}{', "{'op':1}", '{"op":"x",}'];
  for (const line of bad) t.equal(parse(line), null, line);
});

t.test('only the bytes of the line are read', async (t) => {
  const bytes = Buffer.from('xx{"op":"a"}yy');
  t.same(parseHeader(bytes, 2, 12, true), { op: 'a' });
});

t.test('nothing pollutes prototypes', async (t) => {
  parse('{"__proto__":{"op":"hello","polluted":1},"constructor":{"prototype":{"polluted":1}}}');
  t.equal(({} as Record<string, unknown>)['polluted'], undefined);
  const header = parse('{"__proto__":{"op":"hello"}}') as { readonly op?: unknown };
  t.equal(header.op, undefined, 'nor is a prototype of the sender\'s own looked along');
});

t.test('as deep as the line is long', async (t) => {
  t.equal(parse('['.repeat(4096)), null);
  t.type(parse(`{"x":${'['.repeat(2000)}${']'.repeat(2000)}}`), 'object');
  t.type(parse(`{"x":${'{"x":'.repeat(600)}1${'}'.repeat(600)}}`), 'object');
});

t.test('binary messages are checked to be UTF-8', async (t) => {
  t.equal(parse(Buffer.from('{"op":"\xff"}', 'latin1'), false), null);
  t.same(parse(Buffer.from('{"op":"ü"}'), false), { op: 'ü' });
});

t.test('ids', async (t) => {
  for (const id of [0, 1, -5, 1.5, 2 ** 53]) t.equal(readId({ id }), id);
  for (const id of [undefined, null, '1', true, {}, [1], Infinity]) t.equal(readId({ id }), null);
  t.equal(readId(parse('{"id":1e999}') as object), null, 'parses as Infinity');
});

t.test('the id of a line that is too long', async (t) => {
  const cases: readonly (readonly [string, number | null])[] = [
    ['{"op":"sub","id":7,"channel":"xxxx', 7],
    ['{ "id" : -12 ,', -12],
    ['{"x":{"id":1},"id":2,', 2],
    ['{"x":["id",{"id":1}],"y":"\\"id\\":3","id":4}', 4],
    ['{"x":"id","id":5,', 5],
    ['{"id":"6","x', null],
    ['{"id":6', null],
    ['{"id":1e3,', null],
    ['{"x":{"id":1,"y":"', null],
    ['[{"id":1,', null],
    ['x"id":1,', null],
    ['{}"id":1,', null],
    ['', null],
    ['{"\\u0069d":1,', null],
  ];
  for (const [text, id] of cases) t.equal(salvageId(text), id, text);
  const start = process.hrtime.bigint();
  salvageId(`{"${'\\"'.repeat(2047)}`);
  salvageId('{"id":'.repeat(700));
  t.ok(Number(process.hrtime.bigint() - start) / 1e6 < 20, 'in linear time');
});

t.test('positions', async (t) => {
  const good: readonly (readonly [unknown, object])[] = [
    [{ seq: 41, epoch: 'k3f' }, { kind: 'seq', seq: 41, epoch: 'k3f' }],
    [{ seq: 0 }, { kind: 'seq', seq: 0, epoch: null }],
    [{ seq: 1, epoch: null }, { kind: 'seq', seq: 1, epoch: null }],
    [41, { kind: 'seq', seq: 41, epoch: null }],
    [{ ts: 1.2 }, { kind: 'ts', ts: 2, after: 2 }],
    [{ ts: 7 }, { kind: 'ts', ts: 7, after: 8 }],
    [{ msg_id: '9223372036854775807' }, { kind: 'id', id: 2n ** 63n - 1n }],
    [{ seq: 3, ts: null, other: 1 }, { kind: 'seq', seq: 3 }],
  ];
  for (const [value, position] of good) t.match(readPosition(value, 'since'), position, JSON.stringify(value));
  const bad = [
    null, undefined, 'x', true, [], {}, -1, 1.5, NaN, { seq: -1 }, { seq: '1' }, { seq: 1, epoch: 2 }, { seq: 1, ts: 2 },
    { ts: -1 }, { ts: 'x' },
    { ts: Infinity }, { msg_id: 5 }, { msg_id: '' }, { msg_id: '-1' }, { msg_id: '9223372036854775808' }, { msg_id: '1x' }, { epoch: 'k' },
  ];
  for (const value of bad) t.ok(readPosition(value, 'since') instanceof HeaderFault, JSON.stringify(value));
});
