import t from 'tap';
import { compilePatterns } from '../../../src/session/patterns.js';
import { Permissions } from '../../../src/session/permissions.js';

t.test('patterns', async (t) => {
  const cases: readonly (readonly [string, readonly string[], readonly string[]])[] = [
    ['chat.1', ['chat.1'], ['chat.2', 'chat.11', 'Chat.1', 'chat']],
    ['chat.*', ['chat.1', 'chat.'], ['chat', 'chat.1.2', 'chat.1:2', 'chat.a/b']],
    ['chat.**', ['chat.1', 'chat.1.2:3/4', 'chat.'], ['chat', 'xchat.1']],
    ['*', ['room', ''], ['a.b', 'a:b', 'a/b']],
    ['**', ['room', 'a.b:c'], []],
    ['a*c', ['ac', 'abc', 'abbbc'], ['ab', 'a.c', 'abcd']],
    ['*.news', ['eu.news', '.news'], ['eu.de.news', 'news']],
    ['**.news', ['eu.news', 'eu.de.news'], ['news', 'eu.newsx']],
    ['user:*:inbox', ['user:7:inbox'], ['user:7:8:inbox', 'user:inbox']],
    ['a**b*c', ['abc', 'a.x.b1c', 'abbbc'], ['ab.c', 'a.b']],
    ['', [''], ['a']],
    ['a.b?c+(d)', ['a.b?c+(d)'], ['aXb', 'a.bc']],
    ['***', ['a.b'], []],
  ];
  for (const [pattern, yes, no] of cases) {
    const matcher = compilePatterns([pattern]);
    for (const name of yes) t.ok(matcher.matches(name), `${pattern} covers ${name}`);
    for (const name of no) t.notOk(matcher.matches(name), `${pattern} does not cover ${name}`);
  }
  t.notOk(compilePatterns([]).matches('a'), 'no pattern covers nothing');
  t.ok(compilePatterns(['x', 'y.*', 'z**']).matches('z1.2'));
});

t.test('a hostile pattern costs no more than its length times the name', async (t) => {
  const matcher = compilePatterns([`${'*a'.repeat(127)}b`, `${'**a'.repeat(80)}b`]);
  const start = process.hrtime.bigint();
  t.notOk(matcher.matches('a'.repeat(255)));
  // What grows with the number of ways to match would take for ever.
  t.ok(Number(process.hrtime.bigint() - start) / 1e6 < 2000);
});

t.test('sets are shared, counted and used again', async (t) => {
  const permissions = new Permissions();
  const a = permissions.intern(['x', 'y'], ['x']);
  t.equal(permissions.intern(['y', 'x'], ['x']), a, 'the order does not matter');
  t.not(permissions.intern(['x'], ['x', 'y']), a, 'reading is not writing');
  t.ok(permissions.canRead(a, 'y'));
  t.ok(permissions.canRead(a, 'y'), 'from memory');
  t.notOk(permissions.canWrite(a, 'y'));
  permissions.release(a);
  permissions.release(a);
  t.equal(permissions.count, 1);
  t.equal(permissions.intern(['z'], []), a, 'the place is free again');
  t.notOk(permissions.canRead(a, 'y'), 'with nothing of the former set');
});

t.test('what is remembered is bounded', async (t) => {
  const permissions = new Permissions();
  const set = permissions.intern(['room.*'], []);
  for (let i = 0; i < 5000; i += 1) if (!permissions.canRead(set, `room.${i}`) || permissions.canRead(set, `hall.${i}`)) t.fail(`at ${i}`);
  t.ok(permissions.canRead(set, 'room.1'));
});
