import t, { type Test } from 'tap';
import { LateSessionStore } from '../../../src/store/sessions/late-session-store.js';
import { MemorySessions } from '../../support/memory-sessions.js';
import { sessionRecord, sessionStoreSuite, type SessionStoreUnderTest } from './session-store-suite.js';

/** Opened when what is asked of it first has begun to wait. */
function late(behind: MemorySessions): LateSessionStore {
  const store = new LateSessionStore(async () => {
    await new Promise((resolve) => setImmediate(resolve));
    return behind;
  });
  void store.opened();
  return store;
}

async function make(): Promise<SessionStoreUnderTest> {
  let behind = new MemorySessions();
  return { store: late(behind), reopen: async () => late((behind = new MemorySessions(behind))) };
}

t.test('what is asked of it before it is open is answered as by the store behind it', (t: Test) => {
  sessionStoreSuite(t, make);
  t.end();
});

t.test('what waits is done in its order, and before what comes later', async (t) => {
  let open: (store: MemorySessions) => void = () => undefined;
  const store = new LateSessionStore(() => new Promise((resolve) => (open = resolve)));
  const record = sessionRecord();
  const created = store.create(record);
  const seen = (id: string): Promise<boolean> => store.update(record.id, 1, { lastSeenMessageId: id });
  const waiting = [seen('5'), store.end(record.id, 1, {}, record.forgetAt), seen('7')];
  const opened = store.opened();
  open(new MemorySessions());
  await opened;
  await created;
  t.same(await Promise.all(waiting), [true, true, false]);
  t.match(await store.get(record.id), { ended: true, lastSeenMessageId: '5' });
});

t.test('one that cannot be opened says so to everybody', async (t) => {
  const store = new LateSessionStore(() => Promise.reject(new Error('the disk is gone')));
  const waits = store.get('x');
  await t.rejects(store.opened(), { message: 'the disk is gone' });
  await t.rejects(waits, { name: 'StoreError' });
  await t.rejects(store.get('x'), { name: 'StoreError' });
  await store.close();
});

t.test('closed while it opens it ends the opening, and nobody waits for ever', async (t) => {
  const store = new LateSessionStore(async (over) => {
    while (!over()) await new Promise((resolve) => setImmediate(resolve));
    throw new Error('over');
  });
  const waits = store.get('x');
  const opened = store.opened();
  const closed = store.close();
  await t.rejects(opened, { message: 'over' });
  await t.rejects(waits, { name: 'StoreError' });
  await closed;
  const unopened = new LateSessionStore(() => Promise.reject(new Error('never asked for')));
  await unopened.close();
  await t.rejects(unopened.get('x'), { name: 'StoreError' });
});
