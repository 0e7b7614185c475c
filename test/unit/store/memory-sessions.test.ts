import t, { type Test } from 'tap';
import { MemorySessions } from '../../support/memory-sessions.js';
import { sessionStoreSuite, type SessionStoreUnderTest } from './session-store-suite.js';

async function make(): Promise<SessionStoreUnderTest> {
  let store = new MemorySessions();
  return { store, reopen: async () => (store = new MemorySessions(store)) };
}

t.test('the store that tests and simulation break keeps what every store promises', (t: Test) => {
  sessionStoreSuite(t, make);
  t.end();
});
