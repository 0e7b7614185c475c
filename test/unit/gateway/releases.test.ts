/** Sessions whose connections ended, where the store can take them at once. */

import t from 'tap';
import { StoreError } from '../../../src/errors.js';
import { formatSessionId } from '../../../src/store/sessions/session-id.js';
import type { SessionRecord, SessionStore } from '../../../src/store/sessions/session-store.js';
import { makeHarness, type Harness, type Peer } from '../../support/gateway-harness.js';

/** A client that has seen three messages of a channel, and whose connection ends then. */
async function leave(harness: Harness): Promise<Peer> {
  const peer = await harness.connect();
  await peer.ask({ op: 'sub', id: 1, channel: 'room' });
  for (const key of ['a', 'b', 'c']) await peer.ask({ op: 'pub', id: 2, channel: 'room', key }, 'x');
  harness.port.disconnect(peer.row);
  return peer;
}

const recordOf = (harness: Harness, { welcome }: Peer): SessionRecord | undefined => harness.store.records.get(String(welcome['session']));

t.test('what the store takes is its, with the channel where it stood', async (t) => {
  const harness = await makeHarness();
  const store: SessionStore = harness.store;
  const taken: unknown[] = [];
  store.releaseNow = (words, generation, times, cursor) => {
    taken.push({ id: formatSessionId(words), generation, times, cursor });
    return Promise.resolve(true);
  };
  const peer = await leave(harness);
  await harness.settle();
  const cursor = { channel: 'room', seq: 3, subscribed: true, told: false };
  t.match(taken, [{ id: peer.welcome['session'], generation: 1, times: { leaseUntil: 0 }, cursor }]);
  t.match(recordOf(harness, peer), { owner: 'n1' }, 'nobody else has written it');
  const many = await harness.connect();
  for (const channel of ['a', 'b']) await many.ask({ op: 'sub', id: 1, channel });
  harness.port.disconnect(many.row);
  await harness.settle();
  t.equal(taken.length, 1, 'one with several channels takes the other way');
  t.match(recordOf(harness, many), { owner: null, cursors: [{ channel: 'a' }, { channel: 'b' }] });
});

t.test('what the store does not take, or fails to keep, is released all the same', async (t) => {
  const harness = await makeHarness();
  const store: SessionStore = harness.store;
  let fail = (_error: Error): void => undefined;
  let published = 0;
  const atOnce = (): Promise<never> => Promise.reject(new StoreError('full', true));
  const later = (): Promise<never> => new Promise((_resolve, reject) => (fail = reject));
  for (const answer of [() => null, atOnce, later]) {
    store.releaseNow = answer;
    const peer = await leave(harness);
    harness.port.deliver();
    // Somebody else has the row by then.
    const next = await harness.connect();
    fail(new StoreError('full', true));
    await harness.settle();
    t.match(recordOf(harness, peer), { owner: null, leaseUntil: 0, cursors: [{ channel: 'room', seq: (published += 3) }] });
    t.match(recordOf(harness, next), { owner: 'n1' });
  }
});

t.test('the gateway does not end before they are stored', async (t) => {
  const harness = await makeHarness({ session: { closeTimeoutMs: 5000 } });
  const store: SessionStore = harness.store;
  let keep = (_kept: boolean): void => undefined;
  store.releaseNow = () => new Promise((resolve) => (keep = resolve));
  const peer = await harness.connect();
  let over = false;
  const stopping = harness.gateway.stop().then(() => (over = true));
  await harness.settle();
  t.match(peer.client.closed, { code: 1012 });
  t.equal(over, false);
  keep(true);
  await stopping;
});
