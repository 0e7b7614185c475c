import t, { type Test } from 'tap';
import { parseRedisAddress } from '../../../../src/store/redis/address.js';
import { RedisClient } from '../../../../src/store/redis/client.js';
import { RedisSessionStore } from '../../../../src/store/redis/session-store.js';
import { workerLeasesSuite } from '../worker-leases-suite.js';
import { RedisWorkerLeases } from '../../../../src/store/redis/worker-leases.js';
import { noRedis, RedisServer } from '../../../support/redis-server.js';
import { until } from '../../../support/wait.js';
import { sessionRecord, sessionStoreSuite, type SessionStoreUnderTest } from '../session-store-suite.js';

if (noRedis !== false) {
  t.test('Redis session store', { skip: noRedis }, () => undefined);
} else {
  const server = await RedisServer.start();
  t.teardown(() => server.remove());
  const open = (prefix = 'test:'): RedisClient =>
    new RedisClient({ address: parseRedisAddress(server.url, 'store'), prefix, timeoutMs: 60_000 });

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
    const soon = Date.now() + 2000;
    const record = sessionRecord({ user: 'u', device: 'brief', expiresAt: soon, forgetAt: soon });
    await store.create(record);
    t.same((await store.findDevice('u', 'brief'))?.id, record.id);
    const later = Date.now() + 60_000;
    await store.renew([{ id: record.id, generation: 1 }], { leaseUntil: later, expiresAt: later, forgetAt: later });
    await new Promise((resolve) => setTimeout(resolve, 2100));
    t.same((await store.findDevice('u', 'brief'))?.id, record.id, 'both were prolonged');
    await store.end(record.id, 1, {}, Date.now() + 50);
    await until('the device to be forgotten', async () => (await store.findDevice('u', 'brief')) === null);
    await until('the session to be forgotten', async () => (await store.get(record.id)) === null);
  });

  t.test('changes one behind the other are not read for, and what another node changed meanwhile is', async (t) => {
    const clients = [open('known:'), open('known:')];
    t.teardown(() => Promise.all(clients.map((client) => client.close())));
    const [here, there] = clients.map((client) => new RedisSessionStore(client)) as [RedisSessionStore, RedisSessionStore];
    const commands = (): number => clients[0]?.counts.commands ?? 0;
    const record = sessionRecord({ user: null, device: null });
    const { id } = record;
    await there.create(record);
    const times = { leaseUntil: Date.now() + 60_000, expiresAt: Date.now() + 120_000, forgetAt: Date.now() + 180_000 };
    const before = commands();
    t.same((await here.get(id))?.generation, 1);
    t.same((await here.claim(id, 1, { ...times, owner: 'here', previous: 1, previousUntil: 0, generation: 2 }))?.generation, 2);
    t.ok(await here.update(id, 2, { upsert: [{ channel: 'c', seq: 5, epoch: 'e', subscribed: true, told: false }] }));
    t.ok(await here.release(id, 2, times, {}));
    t.equal(commands() - before, 4);

    t.same((await there.claim(id, 2, { ...times, owner: 'there', previous: 2, previousUntil: 0, generation: 3 }))?.generation, 3);
    t.notOk(await here.update(id, 2, { lastSeenMessageId: '7' }), 'the session went on elsewhere');
    t.ok(await there.update(id, 3, { lastSeenMessageId: '9' }));
    t.ok(await here.update(id, 3, { confirmed: true }));
    const last = await there.get(id);
    t.match(last, { generation: 3, lastSeenMessageId: '9', owner: 'there' }, 'nothing of it was undone');
    t.same(last?.cursors.map(({ channel, seq }) => [channel, seq]), [['c', 5]]);
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
