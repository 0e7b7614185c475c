/** sluice-wiregen against servers that are not ours, on Linux's TCP: what it measures counts only if these agree with it. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';

import { CLI } from '../support/sluice-process.js';
import { namespaceLacking, ROOT, SERVER_ADDRESS, SERVER_ADDRESS_V6, TapNamespace, type WiregenResult } from '../support/tap-namespace.js';

t.setTimeout(590_000);

const lacking = namespaceLacking();
const skip = lacking === null ? {} : { skip: lacking };

function phase(result: WiregenResult, name: string, nth = 0): Readonly<Record<string, unknown>> {
  return result.phases.filter((one) => one.phase === name)[nth] ?? {};
}

const SERVERS = {
  ws: [join(ROOT, 'bench', 'servers', 'ws.mjs'), 'echo', '9000', SERVER_ADDRESS],
  uws: [join(ROOT, 'bench', 'servers', 'uws.mjs'), 'echo', '9000', SERVER_ADDRESS],
  'sluice echo': [CLI, 'echo', '--driver', 'epoll', '--listen', `${SERVER_ADDRESS}:9000`],
};

for (const [name, server] of Object.entries(SERVERS)) {
  t.test(`every check holds against ${name}`, skip, async (t) => {
    const space = new TapNamespace();
    t.teardown(() => space.close());
    await space.start(server);
    const result = await space.play('9000', 'count=1200 hosts=100', [
      // Nothing is sent twice because one of the two did not get its CPU for a while.
      'tcp rto=10s syn_rto=10s',
      'open rate=4K count=1000',
      'echo size=64 rate=5K for=1s warmup=200ms',
      'echo size=125 senders=50 depth=8 for=500ms warmup=100ms text=yes',
      'echo size=126 senders=50 depth=1 for=200ms warmup=0s',
      'echo size=30000 senders=4 depth=2 for=500ms warmup=0s',
      'churn inflight=16 for=1s warmup=100ms',
      'storm share=10%',
      'storm share=5% by=fin',
      'echo size=64 depth=1 for=200ms warmup=0s',
      'close rate=4K',
    ]);
    t.equal(result.failure, undefined);
    t.ok(result.ok);
    t.equal(result.lost, 0);
    t.equal(result.wire['retransmits'], 0, 'a TAP device loses nothing');
    t.equal(result.wire['bad_acks'], 0);
    t.equal(result.wire['bad_checksum'], 0);
    t.equal(phase(result, 'open')['opened'], 1000);
    t.equal(phase(result, 'echo')['echoes'], 6000, 'all that was due was echoed');
    t.ok(Number(phase(result, 'churn')['closed']) > 100);
    t.equal(phase(result, 'storm')['dropped'], 100);
    t.equal(phase(result, 'storm', 1)['dropped'], 50);
    t.equal(phase(result, 'close')['closed'], 1000);
  });
}

t.test('clients over IPv6: every phase, neighbour discovery included', skip, async (t) => {
  const space = new TapNamespace();
  t.teardown(() => space.close());
  await space.start([CLI, 'echo', '--driver', 'epoll', '--listen', `${SERVER_ADDRESS_V6}:9000`]);
  const result = await space.play('9000', 'count=600 hosts=50', [
    'open rate=4K count=500',
    'echo size=64 rate=2K for=500ms warmup=100ms',
    'echo size=30000 senders=4 depth=2 for=300ms warmup=0s',
    'churn inflight=16 for=300ms warmup=100ms',
    'storm share=10%',
    'close rate=4K',
  ], { ipv6: true });
  t.equal(result.failure, undefined);
  t.equal(result.lost, 0);
  t.equal(result.wire['bad_checksum'], 0);
  t.ok(Number(phase(result, 'echo')['count']) > 0);
  t.ok(Number(phase(result, 'churn')['closed']) > 50);
  t.equal(phase(result, 'storm')['dropped'], 50);
  t.equal(phase(result, 'close')['closed'], 500);
});

t.test('one frame in twenty lost each way: everything arrives, nothing twice', skip, async (t) => {
  const space = new TapNamespace();
  t.teardown(() => space.close());
  await space.start(SERVERS.ws);
  space.exec('nft', 'add table ip lossy');
  for (const [chain, hook] of [['in', 'input'], ['out', 'output']]) {
    space.exec('nft', `add chain ip lossy ${chain} { type filter hook ${hook} priority 0; }`);
    space.exec('nft', `add rule ip lossy ${chain} iifname != "lo" numgen random mod 20 == 0 drop`);
  }
  const result = await space.play('9000', 'count=200 hosts=20', [
    'tcp rto=50ms syn_rto=200ms timeouts=15',
    'open rate=1K',
    'echo size=100 rate=2K for=3s warmup=0s',
    'echo size=5000 senders=20 depth=2 for=1s warmup=0s',
    'close',
  ]);
  t.equal(result.failure, undefined);
  t.equal(result.lost, 0);
  t.ok(Number(result.wire['retransmits']) > 50, 'there was loss');
  t.equal(phase(result, 'echo')['echoes'], 6000);
});

t.test('the gateway: sessions, publishes, order, heartbeats, resuming', skip, async (t) => {
  const space = new TapNamespace();
  const data = mkdtempSync(join(tmpdir(), 'sluice-wiregen-data-'));
  t.teardown(async () => {
    await space.close();
    rmSync(data, { recursive: true, force: true });
  });
  const serve = [CLI, 'serve', '--driver', 'epoll', '--listen', `${SERVER_ADDRESS}:9000`, '--admin', '127.0.0.1:0', '--data', data];
  const config = join(data, 'sluice.json');
  writeFileSync(config, JSON.stringify({ limits: { heartbeatMs: 2000, publishRate: 0 } }));
  await space.start([...serve, '--allow-anonymous', '--config', config]);
  const result = await space.play('9000 path=/v1 protocol=sluice.v1', 'count=500 hosts=50', [
    'channels count=20 crowd=200 early=yes',
    'open rate=2K',
    'publish size=512 rate=400 for=2s warmup=200ms senders=50',
    'publish size=64 rate=50 burst=8 for=1s warmup=0s senders=1 crowd=yes',
    'hold for=4s',
    'storm share=10%',
    'publish size=100 rate=200 for=500ms warmup=0s senders=10',
    'close',
  ]);
  t.equal(result.failure, undefined);
  t.equal(result.lost, 0);
  t.equal(result.resumed, 50);
  t.ok(result.heartbeats >= 500, 'who was silent was asked for a sign of life');
  const [spread, crowd] = [phase(result, 'publish'), phase(result, 'publish', 1)];
  t.ok(Number(spread['published']) >= 400);
  t.equal(crowd['deliveries'], Number(crowd['published']) * 200);
});

t.test('a server that is not there, and one that says no, are told apart', skip, async (t) => {
  const space = new TapNamespace();
  t.teardown(() => space.close());
  const nobody = await space.play('9000', 'count=1', ['open']);
  t.match(nobody.failure ?? '', /refused by a reset/);
  await space.start([CLI, 'echo', '--driver', 'epoll', '--listen', `${SERVER_ADDRESS}:9000`]);
  const strict = await space.play('9000 protocol=sluice.v1 path=/v1', 'count=1', ['open']);
  t.match(strict.failure ?? '', /Sec-WebSocket-Protocol/);
});
