/** More publishes than the gateway takes at once: some are refused for a while, sent again with the same key, and published once. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';

import { startLoad } from '../support/load.js';
import { startSluice } from '../support/sluice-process.js';

t.setTimeout(590_000);

t.test('publishes beyond log.publishesInFlight', async (t) => {
  const data = mkdtempSync(join(tmpdir(), 'sluice-back-pressure-'));
  t.teardown(() => rmSync(data, { recursive: true, force: true }));
  const config = join(data, 'sluice.json');
  writeFileSync(config, JSON.stringify({ limits: { publishRate: 0 }, log: { publishesInFlight: 8 } }));
  const addresses = ['--listen', '127.0.0.1:0', '--admin', '127.0.0.1:0'];
  const server = await startSluice(['serve', '--config', config, '--data', join(data, 'data'), '--allow-anonymous', ...addresses]);
  t.teardown(() => server.stop('SIGKILL'));
  const load = ['pub', '--url', server.url, '--subprotocol', 'sluice.v1', '--size', '64', '--duration', '1', '--warmup', '0'];
  // It looks at each delivery: in order of server_seq, none twice, none lacking.
  const result = await startLoad([...load, '--connections', '8', '--depth', '16', '--channels', '2', '--subscribers', '2'], 120).result;
  t.equal(result.ok, true, result.failure ?? 'it ended well');
  t.ok(Number(result['refused']) > 0, `${String(result['refused'])} were refused`);
  t.equal(result['deliveries'], result['published'], 'a subscriber for each channel');
});
