import t, { type Test } from 'tap';
import { parseRedisAddress } from '../../../../src/store/redis/address.js';
import { RedisClient } from '../../../../src/store/redis/client.js';
import { RedisSessionStore } from '../../../../src/store/redis/session-store.js';
import { workerLeasesSuite } from '../worker-leases-suite.js';
import { RedisWorkerLeases } from '../../../../src/store/redis/worker-leases.js';
import { noRedis, RedisServer } from '../../../support/redis-server.js';
import { sessionRecord, sessionStoreSuite, type SessionStoreUnderTest } from '../session-store-suite.js';

if (noRedis !== false) {
  t.test('Redis session store', { skip: noRedis }, () => undefined);
} else {
  const server = await RedisServer.start();
  t.teardown(() => server.remove());
  const open = (prefix = 'test:'): RedisClient =>
    new RedisClient({ address: parseRedisAddress(server.url, 'store'), prefix, timeoutMs: 5000 });

  const make = async (t: Test): Promise<SessionStoreUnderTest> => {
    const clients = [open()];
    t.teardown(() => Promise.all(clients.map((client) => client.close())));
    let store = new RedisSessionStore(clients[0]!);
    return {
      store,
      async reopen() {
        await store.close();
        clients.push(open());
        store = new RedisSessionStore(clients.at(-1)!);
        return store;
      },
    };
  };

  t.test('conformance', (t) => {
    sessionStoreSuite(t, make);
    t.end();
  });

  t.test('a session and its device are forgotten in time', async (t) => {
    const { store } = await make(t);
    const soon = Date.now() + 300;
    const record = sessionRecord({ user: 'u', device: 'brief', expiresAt: soon, forgetAt: soon });
    await store.create(record);
    t.same((await store.findDevice('u', 'brief'))?.id, record.id);
    const later = Date.now() + 60_000;
    await store.renew([{ id: record.id, generation: 1 }], { leaseUntil: later, expiresAt: later, forgetAt: later });
    await new Promise((resolve) => setTimeout(resolve, 400));
    t.same((await store.findDevice('u', 'brief'))?.id, record.id, 'both were prolonged');
    await store.end(record.id, 1, {}, Date.now() + 50);
    await new Promise((resolve) => setTimeout(resolve, 150));
    t.equal(await store.findDevice('u', 'brief'), null);
    t.equal(await store.get(record.id), null);
  });

  t.test('worker numbers', async (t) => {
    let folders = 0;
    await workerLeasesSuite(t, () => {
      const client = open(`leases${process.pid}.${(folders += 1)}:`);
      t.teardown(() => client.close());
      return new RedisWorkerLeases(client);
    });
  });
}
