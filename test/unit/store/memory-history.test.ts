import t from 'tap';
import { MemoryHistory } from '../../support/memory-history.js';
import { historyStoreSuite } from './history-store-suite.js';

historyStoreSuite(t, async () => {
  const store = new MemoryHistory();
  return { store, reopen: async () => store };
});
