import t from 'tap';
import { SessionOpener } from '../../../src/session/opener.js';
import { ResumeTokens } from '../../../src/session/resume-token.js';
import { SessionLogStore } from '../../../src/store/sessions/session-log-store.js';
import type { SessionStore } from '../../../src/store/sessions/session-store.js';
import { MemorySessions } from '../../support/memory-sessions.js';

const TERMS = { leaseMs: 60_000, resumeTtlMs: 60_000, resumeGraceMs: 30_000, cursorsTtlMs: 60_000 };

const NOW = 1_800_000_000_000;

function make(store: SessionStore): SessionOpener {
  const tokens = new ResumeTokens(Buffer.alloc(32, 7));
  return new SessionOpener({ store, tokens, terms: TERMS, node: 'n1', now: () => NOW, push: () => undefined });
}

/** One of several nodes. */
function makeNode(store: SessionStore, node: string, now: () => number): SessionOpener {
  const tokens = new ResumeTokens(Buffer.alloc(32, 7));
  return new SessionOpener({ store, tokens, terms: TERMS, node, now, push: () => undefined, taken: () => undefined });
}

async function turn(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

t.test('a hello of a dead connection that the store answers late does not take the session from a later one', async (t) => {
  for (const slow of ['get', 'claim']) {
    const store = new MemorySessions();
    const opener = make(store);
    const first = await opener.open({ user: 'alice', device: null, resume: null });
    const resume = first.do === 'open' ? opener.token(first) : '';
    let go: () => void = () => undefined;
    store.before = (step) => (step === slow ? new Promise((resolve) => (go = resolve)) : undefined);
    const dead = opener.open({ user: 'alice', device: null, resume });
    await turn();
    store.before = () => undefined;
    const later = await opener.open({ user: 'alice', device: null, resume });
    t.match(later, { do: 'open', resumed: true, record: { generation: 2 } });
    go();
    t.match(await dead, { do: 'refuse', code: 4001 }, `${slow} was slow`);
    t.match([...store.records.values()], [{ generation: 2 }]);
  }
});

/** Which of two steps is slow, and how far the other node's clock is ahead, ms. */
const LATE = ['get', 'claim'].flatMap((slow) => [-4000, 0, 4000].map((ahead) => [slow, ahead] as const));

t.test('nor does one at another node, and a client that is alive gets it when it comes again', async (t) => {
  for (const [slow, ahead] of LATE) {
    let time = NOW;
    const store = new MemorySessions();
    const here = makeNode(store, 'n1', () => (time += 1));
    const there = makeNode(store, 'n2', () => (time += 1) + ahead);
    const first = await here.open({ user: 'alice', device: null, resume: null });
    const resume = first.do === 'open' ? here.token(first) : '';
    let go: () => void = () => undefined;
    store.before = (step) => (step === slow ? new Promise((resolve) => (go = resolve)) : undefined);
    const dead = there.open({ user: 'alice', device: null, resume });
    await turn();
    store.before = () => undefined;
    const later = await here.open({ user: 'alice', device: null, resume });
    t.match(later, { do: 'open', resumed: true, record: { generation: 2 } });
    go();
    t.match(await dead, { do: 'refuse', code: 1013 }, `${slow} was slow, clocks ${ahead} ms apart`);
    t.match([...store.records.values()], [{ generation: 2, owner: 'n1' }], 'who came later has it still');
    const again = await there.open({ user: 'alice', device: null, resume });
    t.match(again, { do: 'open', resumed: true, record: { generation: 3, owner: 'n2' } }, 'as its welcome may have been lost');
  }
});

t.test('a client that never got its welcome has to come again at most once at each node, and not at all a while later', async (t) => {
  let time = NOW;
  const store = new MemorySessions();
  const nodes = ['n1', 'n2', 'n3', 'n4'].map((node) => makeNode(store, node, () => (time += 1)));
  const [n1, n2, n3, n4] = nodes as [SessionOpener, SessionOpener, SessionOpener, SessionOpener];
  const first = await n1.open({ user: 'alice', device: null, resume: null });
  const hello = { user: 'alice', device: null, resume: first.do === 'open' ? n1.token(first) : '' };
  t.match(await n2.open(hello), { do: 'open', record: { generation: 2 } });
  for (const node of [n3, n4]) t.match(await node.open(hello), { do: 'refuse', code: 1013 }, 'the connection to n2 may live');
  t.match(await n2.open(hello), { do: 'open', record: { generation: 3 } }, 'n2 knows that it does not');
  t.match(await n3.open(hello), { do: 'refuse', code: 1013 }, 'what n3 knew of is over');
  t.match(await n3.open(hello), { do: 'open', record: { generation: 4, owner: 'n3' } });
  time += 6000;
  t.match(await n4.open(hello), { do: 'open', record: { generation: 5, owner: 'n4' } }, 'nobody tried at n3 for so long');
});

t.test('a session that goes on is claimed within the turn where its store can', async (t) => {
  const store = new SessionLogStore({ folder: t.testdir(), owner: 'n1' });
  t.teardown(() => store.close());
  const opener = make(store);
  const alice = { user: 'alice', device: null };
  const first = await opener.open({ ...alice, resume: null });
  if (first.do !== 'open') return t.fail('it was refused');
  const resume = opener.token(first);
  const then = opener.resumeNow(alice, resume);
  const again = opener.resumeNow(alice, resume);
  t.match(then, { opened: { do: 'open', resumed: true, record: { generation: 2, previous: 1, owner: 'n1' } } });
  t.match(again, { opened: { record: { id: first.record.id, generation: 3, previous: 1 } } }, 'the one before is good for a while');
  if (then === null || again === null || !('stored' in then) || !('stored' in again)) return t.fail('it was refused');
  t.equal(then.stored, again.stored, 'one promise for one write');
  t.same(again.opened.words, first.words);
  await again.stored;
  t.match(await store.get(first.record.id), { generation: 3, owner: 'n1' });
  t.match(opener.resumeNow(alice, `${resume}x`), { do: 'refuse', code: 4003, reason: /forged or damaged/ });
  t.match(opener.resumeNow({ user: 'bob', device: null }, resume), { do: 'refuse', code: 4003, reason: /another user/ });
  t.equal(await store.end(first.record.id, 3, {}, 1_900_000_000_000), true);
  t.match(opener.resumeNow(alice, opener.token(again.opened)), { do: 'refuse', code: 4004, reason: /ended/ });
  const unknown = new ResumeTokens(Buffer.alloc(32, 7)).sign({ session: '0'.repeat(32), user: 'alice', generation: 1 });
  t.match(opener.resumeNow(alice, unknown), { do: 'refuse', code: 4004, reason: /expired/ });
  t.equal(make(new MemorySessions()).resumeNow(alice, resume), null, 'a store that answers later is asked otherwise');
  await store.close();
  t.throws(() => opener.resumeNow(alice, resume), { name: 'StoreError' });
});
