import t, { type Test } from 'tap';
import { parseRedisAddress } from '../../../../src/store/redis/address.js';
import { RedisClient } from '../../../../src/store/redis/client.js';
import { RedisSessionStore } from '../../../../src/store/redis/session-store.js';
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

  t.test('workers have one holder each', async (t) => {
    const client = open(`leases${process.pid}:`);
    t.teardown(() => client.close());
    const leases = new RedisWorkerLeases(client);
    const now = Date.now();
    t.equal(await leases.take('a', now, now + 1000), 0);
    t.equal(await leases.take('b', now, now + 1000), 1);
    t.equal(await leases.take('a', now, now + 2000), 0, 'the one that it still holds');
    t.equal(await leases.renew(1, 'a', now + 3000), false);
    t.equal(await leases.renew(1, 'b', now + 3000), true);
    t.equal(await leases.take('c', now + 2500, now + 9000), 0, 'a lease that ran out');
    t.equal(await leases.renew(0, 'a', now + 9000), false);
    await leases.release(0, 'a');
    t.equal(await leases.renew(0, 'c', now + 9000), true, 'only its holder gives a number up');
    const many = await Promise.all(Array.from({ length: 1022 }, (_, i) => leases.take(`n${i}`, now, now + 9000)));
    t.equal(new Set(many).size, 1022);
    t.equal(await leases.take('one too many', now, now + 9000), null);
  });
}
