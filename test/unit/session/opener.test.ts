import t from 'tap';
import { SessionOpener } from '../../../src/session/opener.js';
import { ResumeTokens } from '../../../src/session/resume-token.js';
import { MemorySessions } from '../../support/memory-sessions.js';

const TERMS = { leaseMs: 60_000, resumeTtlMs: 60_000, resumeGraceMs: 30_000, cursorsTtlMs: 60_000 };

function make(store: MemorySessions): SessionOpener {
  const tokens = new ResumeTokens(Buffer.alloc(32, 7));
  return new SessionOpener({ store, tokens, terms: TERMS, node: 'n1', now: () => 1_800_000_000_000, push: () => undefined });
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
